"""A PN532 on an I2C or SPI bus that is not there: objects as `busio` has them, with the emulated chip behind."""

from __future__ import annotations

from collections import deque
from typing import Any

from hardware.emulators.pn532 import Pn532Chip

I2C_ADDRESS = 0x24
READY = 0x01
SPI_WRITE, SPI_STATUS, SPI_READ = 0x01, 0x02, 0x03


class _Bus:
    """A bus with one chip. What the chip says waits until the host fetches it."""

    def __init__(self) -> None:
        self._frames: deque[bytes] = deque()
        self.chip = Pn532Chip(self._frames.append)

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def deinit(self) -> None:
        pass

    def _write(self, data: bytes) -> None:
        # A new command ends the one in progress, so what was not fetched of it is gone.
        self._frames.clear()
        self.chip.feed(data)

    def _next_frame(self) -> bytes:
        return self._frames.popleft() if self._frames else b""


class Pn532I2CBus(_Bus):
    """As `busio.I2C`. Every read begins with a status byte; one of that byte alone leaves the frame where it is."""

    def writeto(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        self._require(address)
        self._write(bytes(buffer[start:end]))

    def readfrom_into(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        self._require(address)
        size = len(buffer[start:end])
        data = bytes([READY if self._frames else 0])
        if size > 1:
            data += self._next_frame()
        buffer[start : start + size] = data[:size].ljust(size, b"\x00")

    def _require(self, address: int) -> None:
        if address != I2C_ADDRESS or not self.chip.powered:
            raise OSError(121, "Remote I/O error")  # nobody acknowledges this address


class Pn532SPIBus(_Bus):
    """As `busio.SPI`. The chip sends the lowest bit first, the bus the highest: every byte is mirrored."""

    def configure(self, **_options: int) -> None:
        pass

    def write(self, buffer: Any) -> None:
        data = _mirrored(bytes(buffer))
        if data[0] == SPI_WRITE:
            self._write(data[1:])

    def write_readinto(self, out: Any, into: Any) -> None:
        data = b""
        if not self.chip.powered:
            pass  # nobody drives the line, it reads as zero
        elif _mirrored(bytes(out[:1]))[0] == SPI_STATUS:
            data = bytes([READY if self._frames else 0])
        elif _mirrored(bytes(out[:1]))[0] == SPI_READ:
            data = self._next_frame()
        into[:] = _mirrored((b"\x00" + data)[: len(into)].ljust(len(into), b"\x00"))


class ChipSelect:
    """As `digitalio.DigitalInOut`: the bus has one chip only, so it is merely kept."""

    value = True

    def switch_to_output(self, value: bool = False) -> None:
        self.value = value

    def deinit(self) -> None:
        pass


def _mirrored(data: bytes) -> bytes:
    return bytes(int(f"{byte:08b}"[::-1], 2) for byte in data)
