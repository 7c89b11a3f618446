"""Where a PN532 frame ends is known as soon as its bytes say so, and never guessed too long."""

from __future__ import annotations

import pytest

from hardware.emulators.pn532 import ACK, SYNTAX_ERROR, frame
from hardware.nfc.frame_uart import frame_length

FRAMES = [
    ACK,
    SYNTAX_ERROR,
    frame(b"\xd5\x15"),
    frame(b"\xd5" + bytes(70)),
    b"\x00" + frame(b"\xd5\x03\x32\x01\x06\x07"),
]


@pytest.mark.parametrize("whole", FRAMES)
def test_a_whole_frame_has_its_own_length(whole: bytes) -> None:
    assert frame_length(whole) == len(whole)
    assert frame_length(whole + b"more") == len(whole)


@pytest.mark.parametrize("whole", FRAMES)
def test_a_part_of_a_frame_needs_more_but_never_more_than_there_is(whole: bytes) -> None:
    for received in range(len(whole)):
        assert received < frame_length(whole[:received]) <= len(whole)
