"""Eastron SDM120-Modbus: a single-phase energy meter on RS-485.

Input registers, function 4, float32, from Eastron's "SDM120 Modbus protocol": voltage 0x00 V, current 0x06 A, active
power 0x0C W, frequency 0x46 Hz, import energy 0x48 kWh. A float32 of kWh holds 1 Wh steps up to about 16,000 kWh and
never goes back when the register does not.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from hardware.board import Board
from hardware.meter.modbus import Line, LineSettings
from hardware.ports import DeviceError, Reading

FIRST_BLOCK, FIRST_COUNT = 0x00, 7  # voltage to active power; what lies between reads as zero
VOLTAGE, CURRENT, POWER = 0, 3, 6  # positions in that block
SECOND_BLOCK, SECOND_COUNT = 0x46, 2  # frequency, import energy

# Beyond these it is not this meter that answers (45 A, 230 V, 50 or 60 Hz), but a line that is disturbed.
MAX_VOLTAGE_V = 400.0
MAX_CURRENT_A = 100.0
MAX_POWER_W = MAX_VOLTAGE_V * MAX_CURRENT_A
MAX_FREQUENCY_HZ = 100.0
MAX_ENERGY_KWH = 10_000_000.0


class Sdm120Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """port: the RS-485 adapter, or a link to it; meters on one pair name the same port and line settings.

    unit: Modbus address, 1 to 247. baud: 1/s, as set at the meter (2400 from the factory: set it to 9600, since at
    2400 an answer takes longer than 0.2 s). parity: as set at the meter. timeout_s: for one of the two answers of a
    reading, s; more than 0.25 breaks the half second that a reading may take.
    """

    port: str = "/dev/ttyAMA5"
    unit: Annotated[int, msgspec.Meta(ge=1, le=247)] = 1
    baud: int = 9600
    parity: Literal["N", "E", "O"] = "N"
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.2


class Sdm120:
    """One meter on a line."""

    Settings = Sdm120Settings

    def __init__(self, settings: Sdm120Settings, board: Board) -> None:
        self._settings = settings
        self._line: Line | None = None

    def start(self) -> None:
        """Open the line. Raises DeviceError when the port is not there; a silent meter shows at `read`."""
        self.stop()
        settings = self._settings
        self._line = Line.join(LineSettings(settings.port, settings.baud, settings.parity, settings.timeout_s))

    def stop(self) -> None:
        line, self._line = self._line, None
        if line is not None:
            line.leave()

    def read(self) -> Reading:
        line, unit = self._line, self._settings.unit
        if line is None:
            raise DeviceError(f"meter {unit} on {self._settings.port} is not started")
        first = line.floats(unit, FIRST_BLOCK, FIRST_COUNT)
        frequency_hz, energy_kwh = line.floats(unit, SECOND_BLOCK, SECOND_COUNT)
        voltage_v, current_a, power_w = first[VOLTAGE], first[CURRENT], first[POWER]
        if not (
            0 <= voltage_v <= MAX_VOLTAGE_V
            and 0 <= current_a <= MAX_CURRENT_A
            and -MAX_POWER_W <= power_w <= MAX_POWER_W
            and 0 <= frequency_hz <= MAX_FREQUENCY_HZ
            and 0 <= energy_kwh <= MAX_ENERGY_KWH
        ):
            raise DeviceError(
                f"meter {unit} on {self._settings.port} answers the absurd: {voltage_v} V, {current_a} A, {power_w} W,"
                f" {frequency_hz} Hz, {energy_kwh} kWh"
            )
        return Reading(
            energy_wh=round(energy_kwh * 1000),
            power_w=power_w,
            current_a=current_a,
            voltage_v=voltage_v,
            frequency_hz=frequency_hz,
        )
