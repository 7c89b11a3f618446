"""A Modbus RTU line, shared by the meters on it: several EVSEs' meters usually hang on one RS-485 pair."""

from __future__ import annotations

import logging
import math
import struct
import threading
from dataclasses import dataclass
from typing import ClassVar

from pymodbus.client import ModbusSerialClient
from pymodbus.exceptions import ModbusException

from hardware.ports import DeviceError

# It would write a line for each answer that is missing; whoever gets the DeviceError says it, once.
logging.getLogger("pymodbus.logging").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class LineSettings:
    """port: a serial port or a link to it. baud: 1/s. parity: N, E or O. timeout_s: for one answer, s."""

    port: str
    baud: int
    parity: str
    timeout_s: float


class Line:
    """One serial port; one request at a time. Made by `join`, given back by `leave`."""

    _lines: ClassVar[dict[LineSettings, Line]] = {}
    _lines_lock = threading.Lock()

    def __init__(self, settings: LineSettings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._users = 0
        self._client = ModbusSerialClient(
            settings.port, baudrate=settings.baud, parity=settings.parity, timeout=settings.timeout_s, retries=0
        )

    @classmethod
    def join(cls, settings: LineSettings) -> Line:
        """The line with these settings, opened. Raises DeviceError when the port can not be opened."""
        with cls._lines_lock:
            line = cls._lines.setdefault(settings, cls(settings))
            line._users += 1
        try:
            with line._lock:
                line._open()
        except DeviceError:
            line.leave()
            raise
        return line

    def leave(self) -> None:
        """Close the port when nobody else uses it."""
        with self._lines_lock:
            self._users -= 1
            if self._users == 0:
                self._lines.pop(self._settings, None)
                self._client.close()  # type: ignore[no-untyped-call]

    def floats(self, unit: int, address: int, count: int) -> tuple[float, ...]:
        """`count` float32 values (big-endian, two registers each) from the input registers (function 4).

        Raises DeviceError for silence, a broken answer, a Modbus exception, or a value that is not a number.
        """
        with self._lock:
            self._open()
            try:
                answer = self._client.read_input_registers(address, count=2 * count, device_id=unit)
            except (ModbusException, OSError) as error:
                # A port that was lost is opened anew at the next call.
                self._client.close()  # type: ignore[no-untyped-call]
                raise self._error(unit, f"does not answer ({error})") from error
        if answer.isError() or len(answer.registers) != 2 * count:
            raise self._error(unit, f"refuses register {address:#04x} ({answer})")
        values = struct.unpack(f">{count}f", struct.pack(f">{2 * count}H", *answer.registers))
        if not all(map(math.isfinite, values)):
            raise self._error(unit, f"answers {values}, which is no measurement")
        return values

    def _open(self) -> None:
        if not self._client.connect():
            raise DeviceError(f"Modbus line {self._settings.port} can not be opened; check the RS-485 adapter")

    def _error(self, unit: int, what: str) -> DeviceError:
        return DeviceError(f"meter {unit} on {self._settings.port} {what}; check its wiring, address and baud rate")
