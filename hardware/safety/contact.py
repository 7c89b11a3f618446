"""A normally-closed contact to ground: emergency stop button, or the auxiliary contact of a residual-current device.

Closed is good. Open is tripped, and so is a wire that broke or came off: the Pi's pull-up reads both alike. The
protective device cuts the power by itself; this only lets the software know (see wiring/SAFETY.md).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from hardware.board import Board
from hardware.ports import DeviceError


class NcContactSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pin: name in wiring/pins.toml. bounce_s: changes faster than this are not told, s."""

    pin: str = "emergency_stop"
    bounce_s: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.02


class NcContact:
    """Trip sensor on one input."""

    Settings = NcContactSettings

    def __init__(self, settings: NcContactSettings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._input: Any = None
        self._callback: Callable[[bool], None] | None = None

    def start(self) -> None:
        """Take the pin. Raises DeviceError or PinError."""
        self.stop()
        self._input = self._board.input(self._settings.pin, bounce_s=self._settings.bounce_s)
        self._input.when_activated = self._changed
        self._input.when_deactivated = self._changed

    def stop(self) -> None:
        contact, self._input = self._input, None
        if contact is not None:
            contact.when_activated = contact.when_deactivated = None
            contact.close()

    @property
    def tripped(self) -> bool:
        if self._input is None:
            raise DeviceError(f"contact on {self._settings.pin} is not started")
        return not self._input.is_active

    def on_change(self, callback: Callable[[bool], None] | None) -> None:
        self._callback = callback

    def _changed(self, contact: Any) -> None:
        if self._callback is not None:
            self._callback(not contact.is_active)
