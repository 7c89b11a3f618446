"""The vehicle link contract, on an ELM327 dongle over a pty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from hardware.board import Board
from hardware.emulators.elm327 import Elm327Dongle
from hardware.emulators.pty import Pty
from hardware.ports import DeviceError
from hardware.vehicle.elm327 import Elm327
from wiring.pins import PinMap

MakePty = Callable[[str], Pty]


@dataclass
class Rig:
    pty: Pty
    link: Elm327
    soc_pct: float | None = None


@pytest.fixture
def rig(make_pty: MakePty, pins: PinMap) -> Iterator[Rig]:
    pty = make_pty("vehicle-1")
    rig = Rig(pty, Elm327(Elm327.Settings(port=str(pty.path), timeout_s=0.3), Board(pins)))
    pty.on_data = Elm327Dongle(lambda: rig.soc_pct, pty.write).feed
    pty.start()
    rig.link.start()
    yield rig
    rig.link.stop()


@pytest.mark.parametrize("soc_pct", [0, 20, 100])
def test_the_state_of_charge_is_what_the_vehicle_says(rig: Rig, soc_pct: float) -> None:
    rig.soc_pct = soc_pct
    assert rig.link.soc_pct() == soc_pct  # all three are whole 255ths


def test_a_vehicle_that_does_not_answer_has_no_state_of_charge(rig: Rig) -> None:
    assert rig.link.soc_pct() is None


@pytest.mark.parametrize(
    ("answer", "soc_pct"),
    [
        (b"SEARCHING...\r41 5B 33 \r\r>", 20),
        (b"415B33\r\r>", 20),
        (b"UNABLE TO CONNECT\r\r>", None),
        (b"CAN ERROR\r\r>", None),
    ],
)
def test_what_dongles_say_is_understood(rig: Rig, answer: bytes, soc_pct: float | None) -> None:
    rig.pty.on_data = lambda data: rig.pty.write(answer)
    assert rig.link.soc_pct() == soc_pct


@pytest.mark.parametrize("answer", [b"", b"41 5B 33", b"?\r\r>"], ids=["silence", "no prompt", "unknown command"])
def test_a_dongle_that_does_not_answer_as_one_is_an_error(rig: Rig, answer: bytes) -> None:
    rig.pty.on_data = lambda data: rig.pty.write(answer)
    with pytest.raises(DeviceError):
        rig.link.soc_pct()


def test_a_dongle_that_vanished_is_an_error_and_its_successor_is_taken_up(rig: Rig) -> None:
    rig.soc_pct = 100
    rig.pty.stop()
    with pytest.raises(DeviceError, match="lost"):
        rig.link.soc_pct()
    rig.link.stop()
    with pytest.raises(DeviceError, match="no ELM327"):
        rig.link.start()
    rig.pty.start()
    rig.link.start()
    assert rig.link.soc_pct() == 100


def test_a_link_that_is_not_started_can_not_be_asked(rig: Rig) -> None:
    rig.link.stop()
    with pytest.raises(DeviceError, match="not started"):
        rig.link.soc_pct()
