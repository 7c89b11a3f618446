"""The high level of a control pilot, read from an ADS1115 behind a divider and a peak-hold circuit.

ADS1115: Texas Instruments SBAS444; Adafruit's driver speaks to its registers. 860 samples a second can not follow a
pilot of 1 kHz, so what is read is the voltage that the peak-hold circuit keeps: see wiring/README.md.
"""

from __future__ import annotations

import time
from typing import Annotated, Any

import msgspec
from adafruit_ads1x15.ads1115 import ADS1115
from adafruit_ads1x15.analog_in import AnalogIn

from hardware.board import Board, OpenI2C
from hardware.ports import DeviceError

SAMPLES_PER_S = 860
# A conversion takes 1 / 860 s, 10 % more at worst, and 30 us to wake up (SBAS444, 7.3.6 and 7.4.2.1).
CONVERSION_S = 0.0015
GAIN = 1  # full scale 4.096 V
# Beyond it there is no pilot behind the divider, but a wire that is broken or a setting that is wrong.
MAX_V = 15.0
# What the library and Blinka raise for a chip, bus or Raspberry Pi that is not there.
BUS_ERRORS = (OSError, RuntimeError, ValueError, ImportError, AttributeError, NotImplementedError)


class PilotAdcSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """address: of the ADS1115 on the I2C bus; one for each pilot. channel: its input, 0 to 3.

    divider: volts at that input for each volt of the pilot. offset_v: volts there when the pilot is at 0 V.
    """

    address: Annotated[int, msgspec.Meta(ge=0x48, le=0x4B)] = 0x48
    channel: Annotated[int, msgspec.Meta(ge=0, le=3)] = 0
    divider: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.1
    offset_v: Annotated[float, msgspec.Meta(ge=0, le=4)] = 1.65


class _Chip(ADS1115):
    def read(self, pin: int) -> int:
        """As the library's, which waits for ever when a conversion does not end."""
        self._write_config(pin)
        time.sleep(CONVERSION_S)
        if not self._conversion_complete():
            raise RuntimeError("its conversion does not end")
        return self._conversion_value(self.get_last_result())


class PilotAdc:
    """One input of one ADS1115."""

    def __init__(self, settings: PilotAdcSettings, board: Board, open_bus: OpenI2C) -> None:
        self._settings = settings
        self._board = board
        self._open_bus = open_bus
        self._i2c: Any = None
        self._input: AnalogIn | None = None

    def open(self) -> None:
        """Raises DeviceError when there is no ADS1115 at the address."""
        try:
            self._i2c = self._open_bus(self._board)
            chip = _Chip(self._i2c, gain=GAIN, data_rate=SAMPLES_PER_S, address=self._settings.address)
        except BUS_ERRORS as error:
            self.close()
            raise self._error(f"does not answer ({error}); check power, wiring and address") from error
        self._input = AnalogIn(chip, self._settings.channel)

    def close(self) -> None:
        """Never raises; may be called twice."""
        self._input = None
        i2c, self._i2c = self._i2c, None
        if i2c is not None:
            i2c.deinit()

    def high_v(self) -> float:
        """The pilot's high level now, V. Takes 3 ms. Raises DeviceError when there is no answer, or an absurd one."""
        source = self._input
        if source is None:
            raise self._error("is not open")
        try:
            adc_v = source.voltage
        except BUS_ERRORS as error:
            raise self._error(f"does not answer ({error}); check its wiring") from error
        high_v = (adc_v - self._settings.offset_v) / self._settings.divider
        if abs(high_v) > MAX_V:
            raise self._error(
                f"answers {adc_v:.3f} V, which would be {high_v:.1f} V of pilot; check stage and settings"
            )
        return high_v

    def _error(self, what: str) -> DeviceError:
        return DeviceError(f"ADS1115 {self._settings.address:#04x} of the pilot {what}")
