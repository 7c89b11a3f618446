"""An NXP PN532, at the bytes: frames as in the user manual UM0701-02, 6.2, and the three commands that readers use.

The protocol is here once. The chip takes bytes by `feed` and gives them by `send`: over a pty (`Pty(path, loop,
chip.feed)`), or through the fake buses of `pn532_bus.py`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

START = b"\x00\x00\xff"
ACK = b"\x00\x00\xff\x00\xff\x00"
NACK = b"\x00\x00\xff\xff\x00\x00"
SYNTAX_ERROR = b"\x00\x00\xff\x01\xff\x7f\x81\x00"
FROM_HOST, FROM_CHIP = 0xD4, 0xD5

GET_FIRMWARE_VERSION = 0x02
SAM_CONFIGURATION = 0x14
IN_LIST_PASSIVE_TARGET = 0x4A
FIRMWARE = b"\x32\x01\x06\x07"  # PN532, version 1.6, ISO 14443 A and B and ISO 18092

# ATQA and SAK of the usual card with a UID of so many bytes: MIFARE Classic, NTAG, and a triple-size one.
CARDS = {4: b"\x00\x04\x08", 7: b"\x00\x44\x00", 10: b"\x00\x84\x20"}


def frame(data: bytes) -> bytes:
    """The information frame that carries these bytes, TFI first."""
    length = len(data)
    return START + bytes([length, -length & 0xFF]) + data + bytes([-sum(data) & 0xFF, 0])


class Pn532Chip:
    """One chip with, or without, a card in its field.

    send: called with each frame to the host, from the thread that caused it. powered: False, and the chip is dead.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self.powered = True
        self._send = send
        self._lock = threading.RLock()
        self._received = b""
        self._card: str | None = None
        self._listening = False
        self._last = b""

    @property
    def card(self) -> str | None:
        """UID of the card in the field, upper-case hex of 4, 7 or 10 bytes, or None. May be set from any thread."""
        return self._card

    @card.setter
    def card(self, uid: str | None) -> None:
        if uid is not None and len(bytes.fromhex(uid)) not in CARDS:
            raise ValueError(f"a UID has 4, 7 or 10 bytes, {uid!r} has not")
        with self._lock:
            self._card = uid
            self._detect()

    def feed(self, data: bytes) -> None:
        """Bytes from the host, in pieces of any size."""
        with self._lock:
            if not self.powered:
                self._received = b""
                return
            self._received += data
            while self._take_frame():
                pass

    def _take_frame(self) -> bool:
        """Handle the first complete frame. Whether there was one."""
        start = self._received.find(START)
        if start < 0:
            # Wake-up bytes and noise; the last two may be the beginning of a frame.
            self._received = self._received[-2:]
            return False
        self._received = self._received[start:]
        if len(self._received) < len(ACK):
            return False
        if self._received.startswith((ACK, NACK)):
            nack = self._received.startswith(NACK)
            self._received = self._received[len(ACK) :]
            if nack and self._last:
                self._send(self._last)
            else:
                self._listening = False
            return True
        length, checksum = self._received[3], self._received[4]
        if (length + checksum) & 0xFF:
            self._received = self._received[len(START) :]
            return True
        if len(self._received) < length + 7:
            return False
        data = self._received[5 : 5 + length]
        intact = (sum(data) + self._received[5 + length]) & 0xFF == 0
        self._received = self._received[length + 7 :]
        # What did not arrive intact is not acknowledged: the host has to say it again.
        if intact and data[:1] == bytes([FROM_HOST]):
            self._command(data[1:])
        return True

    def _command(self, data: bytes) -> None:
        self._listening = False  # a new command ends the one in progress
        self._send(ACK)
        command = data[0] if data else None
        if command == SAM_CONFIGURATION:
            self._answer(SAM_CONFIGURATION, b"")
        elif command == GET_FIRMWARE_VERSION:
            self._answer(GET_FIRMWARE_VERSION, FIRMWARE)
        elif command == IN_LIST_PASSIVE_TARGET:
            self._listening = True
            self._detect()
        else:
            self._last = SYNTAX_ERROR
            self._send(SYNTAX_ERROR)

    def _detect(self) -> None:
        if self._listening and self._card is not None and self.powered:
            self._listening = False
            uid = bytes.fromhex(self._card)
            self._answer(IN_LIST_PASSIVE_TARGET, b"\x01\x01" + CARDS[len(uid)] + bytes([len(uid)]) + uid)

    def _answer(self, command: int, data: bytes) -> None:
        self._last = frame(bytes([FROM_CHIP, command + 1]) + data)
        self._send(self._last)
