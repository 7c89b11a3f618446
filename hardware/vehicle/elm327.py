"""An ELM327 dongle in the vehicle's OBD-II port, on a serial (USB or Bluetooth) port: the battery's state of charge.

ELM327 data sheet: commands end with CR, an answer ends with the prompt `>`. SAE J1979 mode 01, PID 5B, "hybrid/EV
battery pack remaining life": A * 100 / 255 %. Many vehicles answer it only while they are awake, some never.
"""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
import serial  # type: ignore[import-untyped]

from hardware.board import Board
from hardware.ports import DeviceError
from hardware.serial_port import SERIAL_ERRORS

PROMPT = b">"
LONGEST_ANSWER = 4096
INITIALISE = ("ATZ", "ATE0", "ATL0")  # reset; no echo; no line feeds
SOC = "015B"
SOC_ANSWER = re.compile(r"41\s?5B\s?([0-9A-F]{2})")
UNKNOWN_COMMAND = "?"


class Elm327Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """port: the dongle's serial port, or a link to it. baud: 1/s.

    timeout_s: for one answer, s; the first question after plugging in lets the dongle try all protocols.
    """

    port: str = "/dev/rfcomm0"
    baud: int = 38400
    timeout_s: Annotated[float, msgspec.Meta(gt=0, le=30)] = 5.0


class Elm327:
    """Vehicle link through a dongle."""

    Settings = Elm327Settings

    def __init__(self, settings: Elm327Settings, board: Board) -> None:
        self._settings = settings
        self._serial: serial.Serial | None = None

    def start(self) -> None:
        """Open the port and reset the dongle. Raises DeviceError when there is none."""
        self.stop()
        settings = self._settings
        try:
            self._serial = serial.Serial(
                settings.port, settings.baud, timeout=settings.timeout_s, write_timeout=settings.timeout_s
            )
            for command in INITIALISE:
                self._ask(command)
        except SERIAL_ERRORS as error:
            self.stop()
            raise DeviceError(f"no ELM327 on {settings.port} ({error}); check the dongle") from error

    def stop(self) -> None:
        port, self._serial = self._serial, None
        if port is not None:
            port.close()

    def soc_pct(self) -> float | None:
        answer = self._ask(SOC)
        if found := SOC_ANSWER.search(answer):
            return int(found.group(1), 16) * 100 / 255
        if answer == UNKNOWN_COMMAND:
            raise DeviceError(f"the dongle on {self._settings.port} does not know {SOC}; is it an ELM327?")
        # NO DATA, UNABLE TO CONNECT, CAN ERROR, STOPPED...: all say that the vehicle did not answer.
        return None

    def _ask(self, command: str) -> str:
        port = self._serial
        if port is None:
            raise DeviceError(f"ELM327 on {self._settings.port} is not started")
        try:
            port.reset_input_buffer()
            port.write(command.encode("ascii") + b"\r")
            answer: bytes = port.read_until(PROMPT, LONGEST_ANSWER)
        except SERIAL_ERRORS as error:
            raise DeviceError(f"the ELM327 on {self._settings.port} is lost ({error})") from error
        if not answer.endswith(PROMPT):
            raise DeviceError(f"the ELM327 on {self._settings.port} does not answer {command}")
        return answer[: -len(PROMPT)].decode("ascii", "replace").strip().upper()
