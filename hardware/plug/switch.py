"""A switch that a vehicle's plug presses: between a GPIO pin and ground, with the Pi's pull-up on.

A control pilot (IEC 61851) says more: see hardware/pilot/pwm_adc.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from hardware.board import Board
from hardware.ports import DeviceError


class PlugSwitchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pin: name in wiring/pins.toml. bounce_s: changes faster than this are ignored, s.

    closed_when_plugged: False for a switch that opens when the plug is in.
    """

    pin: str = "plug_1"
    bounce_s: float = 0.05
    closed_when_plugged: bool = True


class PlugSwitch:
    """Plug sensor on one input."""

    Settings = PlugSwitchSettings

    def __init__(self, settings: PlugSwitchSettings, board: Board) -> None:
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
        switch, self._input = self._input, None
        if switch is not None:
            switch.when_activated = switch.when_deactivated = None
            switch.close()

    @property
    def plugged(self) -> bool:
        if self._input is None:
            raise DeviceError(f"plug switch on {self._settings.pin} is not started")
        return bool(self._input.is_active) is self._settings.closed_when_plugged

    def on_change(self, callback: Callable[[bool], None] | None) -> None:
        self._callback = callback

    def _changed(self, switch: Any) -> None:
        if self._callback is not None:
            self._callback(bool(switch.is_active) is self._settings.closed_when_plugged)
