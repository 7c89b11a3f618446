"""An ADS1115 converter at its registers, and an I2C bus with some of them: an object as `busio.I2C`.

Texas Instruments SBAS444: registers 7.5 and 8.1, full scales 7.3.3. A conversion takes no time here.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

CONVERSION, CONFIG = 0, 1
RESET = {CONVERSION: 0x0000, CONFIG: 0x8583, 2: 0x8000, 3: 0x7FFF}  # 2 and 3: the comparator's thresholds
START = IDLE = 0x8000  # bit OS: written, it starts a conversion; read, none is under way
SINGLE_SHOT = 0x0100
MUX_SHIFT, PGA_SHIFT, THREE_BITS = 12, 9, 0b111
# By MUX: which input is measured against which; None is ground.
INPUTS = ((0, 1), (0, 3), (1, 3), (2, 3), (0, None), (1, None), (2, None), (3, None))
FULL_SCALES_V = (6.144, 4.096, 2.048, 1.024, 0.512, 0.256, 0.256, 0.256)  # by PGA


class Ads1115:
    """One chip. volts: at its four inputs. powered: without it, nobody acknowledges its address.

    stuck: True, and a conversion does not end.
    """

    def __init__(self) -> None:
        self.volts = [0.0, 0.0, 0.0, 0.0]
        self.powered = True
        self.stuck = False
        self._pointer = CONVERSION
        self._registers = dict(RESET)

    def write(self, data: bytes) -> None:
        """What the host writes: a register's number, and its new value when one is meant."""
        if not data:
            return  # a look whether somebody acknowledges
        self._pointer = data[0] & 0b11
        if len(data) < 3 or self._pointer == CONVERSION:
            return
        value = int.from_bytes(data[1:3], "big")
        if self._pointer == CONFIG:
            if value & START:
                self._registers[CONVERSION] = self._convert(value)
            value &= ~START
        self._registers[self._pointer] = value

    def read(self, size: int) -> bytes:
        """What the host reads of the register that was written last; past its end the line is high."""
        config, value = self._registers[CONFIG], self._registers[self._pointer]
        if config & SINGLE_SHOT:
            if self._pointer == CONFIG and not self.stuck:
                value |= IDLE
        elif self._pointer == CONVERSION:
            value = self._convert(config)
        return value.to_bytes(2, "big")[:size].ljust(size, b"\xff")

    def _convert(self, config: int) -> int:
        plus, minus = INPUTS[config >> MUX_SHIFT & THREE_BITS]
        volts = self.volts[plus] - (0.0 if minus is None else self.volts[minus])
        code = round(volts / FULL_SCALES_V[config >> PGA_SHIFT & THREE_BITS] * 0x8000)
        return min(max(code, -0x8000), 0x7FFF) & 0xFFFF


class Ads1115Bus:
    """As `busio.I2C`. chips: by address; there is nobody at the others."""

    def __init__(self, chips: Mapping[int, Ads1115]) -> None:
        self._chips = chips

    def try_lock(self) -> bool:
        return True

    def unlock(self) -> None:
        pass

    def deinit(self) -> None:
        pass

    def writeto(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        self._chip(address).write(bytes(buffer[start:end]))

    def readfrom_into(self, address: int, buffer: Any, *, start: int = 0, end: int | None = None) -> None:
        size = len(buffer[start:end])
        buffer[start : start + size] = self._chip(address).read(size)

    def writeto_then_readfrom(
        self,
        address: int,
        out_buffer: Any,
        in_buffer: Any,
        *,
        out_start: int = 0,
        out_end: int | None = None,
        in_start: int = 0,
        in_end: int | None = None,
    ) -> None:
        self.writeto(address, out_buffer, start=out_start, end=out_end)
        self.readfrom_into(address, in_buffer, start=in_start, end=in_end)

    def _chip(self, address: int) -> Ads1115:
        chip = self._chips.get(address)
        if chip is None or not chip.powered:
            raise OSError(121, "Remote I/O error")  # nobody acknowledges this address
        return chip
