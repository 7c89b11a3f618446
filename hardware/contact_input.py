"""A contact to ground on one input, with the Pi's pull-up on: what plug switches and trip contacts have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hardware.board import Board
from hardware.ports import DeviceError


class ContactInput:
    """pin: name in wiring/pins.toml. bounce_s: changes faster than this are not told, s.

    meaning: what a closed contact (True) or an open one says to whoever asks.
    """

    def __init__(self, board: Board, pin: str, bounce_s: float, meaning: Callable[[bool], bool]) -> None:
        self._board = board
        self._pin = pin
        self._bounce_s = bounce_s
        self._meaning = meaning
        self._input: Any = None
        self._callback: Callable[[bool], None] | None = None

    def start(self) -> None:
        """Take the pin. Raises DeviceError or PinError."""
        self.stop()
        self._input = self._board.input(self._pin, bounce_s=self._bounce_s)
        self._input.when_activated = self._changed
        self._input.when_deactivated = self._changed

    def stop(self) -> None:
        contact, self._input = self._input, None
        if contact is not None:
            contact.when_activated = contact.when_deactivated = None
            contact.close()

    def on_change(self, callback: Callable[[bool], None] | None) -> None:
        self._callback = callback

    def _says(self) -> bool:
        if self._input is None:
            raise DeviceError(f"contact on {self._pin} is not started")
        return self._meaning(bool(self._input.is_active))

    def _changed(self, contact: Any) -> None:
        if self._callback is not None:
            self._callback(self._meaning(bool(contact.is_active)))
