"""A DS18B20 thermometer on the 1-Wire bus, through the kernel's w1_therm driver.

Each reading of its file `w1_slave` makes the chip measure, which takes 0.75 s. Two lines: the nine bytes of the
scratchpad and whether their CRC is right, and the last good bytes with the temperature in thousandths of a degree
(Documentation/w1/slaves/w1_therm.rst). Byte 4, the configuration, is never 0 (Maxim 19-7487, "memory").
"""

from __future__ import annotations

import re
from glob import glob
from pathlib import Path

import msgspec

from hardware.board import Board
from hardware.ports import DeviceError

ANSWER = re.compile(
    r"(?P<bytes>(?:[0-9a-f]{2} ){9}): crc=[0-9a-f]{2} (?P<crc>YES|NO)\n(?:[0-9a-f]{2} ){9}t=(?P<millidegrees>-?\d+)\n"
)
CONFIGURATION = 4
POWER_ON_MILLIDEGREES = 85_000  # what it holds until it has measured
MIN_C, MAX_C = -55.0, 125.0


class Ds18b20Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """path: the chip's file. With `*`, the one file that fits: no need to know the serial number of a single chip."""

    path: str = "/sys/bus/w1/devices/28-*/w1_slave"


class Ds18b20:
    """Thermometer behind one file."""

    Settings = Ds18b20Settings

    def __init__(self, settings: Ds18b20Settings, board: Board) -> None:
        self._settings = settings
        self._file: Path | None = None

    def start(self) -> None:
        """Find the file. Raises DeviceError when there is none, or more than one."""
        found = glob(self._settings.path)
        if len(found) != 1:
            raise self._error(f"{len(found)} files fit; check the wiring, dtoverlay=w1-gpio and the path")
        self._file = Path(found[0])

    def stop(self) -> None:
        self._file = None

    def celsius(self) -> float:
        if self._file is None:
            raise self._error("not started")
        try:
            text = self._file.read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            raise self._error(f"the thermometer is lost ({error}); check its wiring") from error
        answer = ANSWER.fullmatch(text)
        if answer is None:
            raise self._error(f"no answer of a DS18B20: {text!r}")
        if answer["crc"] == "NO":
            raise self._error("the checksum is wrong; check the cable and the 4.7 kOhm pull-up")
        # A line that is shorted to ground reads as zeros, and the CRC of zeros is right.
        if bytes.fromhex(answer["bytes"])[CONFIGURATION] == 0:
            raise self._error("it answers zeros; is the line shorted?")
        millidegrees = int(answer["millidegrees"])
        if millidegrees == POWER_ON_MILLIDEGREES:
            raise self._error("it has not measured (85 degrees is what it holds from power-on); check its supply")
        if not MIN_C <= millidegrees / 1000 <= MAX_C:
            raise self._error(f"it answers the absurd: {millidegrees / 1000} degrees")
        return millidegrees / 1000

    def _error(self, what: str) -> DeviceError:
        return DeviceError(f"DS18B20 at {self._settings.path}: {what}")
