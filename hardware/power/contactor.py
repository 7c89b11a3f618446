"""A power contactor on a GPIO pin: the last step between "authorized" and energy.

Why software alone is not enough: when this process dies, or hangs, the Pi's kernel may keep an output driven as it was.
So the wiring must open the contactor without us: an external pull-down on the driver's input (the pin floats when the
Pi resets), the hardware watchdog (resets a hung Pi) and systemd's WatchdogSec with an ExecStopPost that releases the
pins (a hung or dead process). See wiring/SAFETY.md. What we can do is to look, after every opening, at the mirror
contact: one that says "closed" is a welded contactor, and that is for the caller to alarm.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from hardware.board import Board
from hardware.ports import DeviceError


class ContactorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pin, feedback: names in wiring/pins.toml; feedback "" for a contactor without an auxiliary contact.

    feedback_contact: "nc" is a mirror contact (IEC 60947-4-1 annex F): it opens when the main contacts close, so that a
    broken wire reads as closed and is found. "no" is an ordinary auxiliary contact. Both switch to ground.
    active_high: False for a driver board that closes on a low level; it then needs an external pull-UP, and a Pi that
    boots with the pin pulled down would close it: avoid such boards.
    """

    pin: str = "contactor_1"
    feedback: str = "contactor_1_feedback"
    feedback_contact: Literal["nc", "no"] = "nc"
    active_high: bool = True


class GpioContactor:
    """Contactor on one output, with an optional feedback input. Open before `start` and after `stop`."""

    Settings = ContactorSettings

    def __init__(self, settings: ContactorSettings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._coil: Any = None
        self._feedback: Any = None

    def start(self) -> None:
        """Take the pins, open. Raises DeviceError or PinError."""
        self.stop()
        try:
            self._coil = self._board.output(self._settings.pin, active_high=self._settings.active_high)
            if self._settings.feedback:
                self._feedback = self._board.input(self._settings.feedback)
        except Exception:
            self.stop()
            raise

    def stop(self) -> None:
        """Open, then let go of the pins: the pull-down keeps it open from here."""
        coil, self._coil = self._coil, None
        feedback, self._feedback = self._feedback, None
        if coil is not None:
            self._board.release(coil)
        if feedback is not None:
            feedback.close()

    def close(self) -> None:
        self._coil_or_error().on()

    def open(self) -> None:
        self._coil_or_error().off()

    @property
    def closed(self) -> bool:
        coil = self._coil_or_error()
        if self._feedback is None:
            return bool(coil.value)
        to_ground = bool(self._feedback.is_active)
        return to_ground if self._settings.feedback_contact == "no" else not to_ground

    def _coil_or_error(self) -> Any:
        if self._coil is None:
            raise DeviceError(f"contactor on {self._settings.pin} is not started")
        return self._coil
