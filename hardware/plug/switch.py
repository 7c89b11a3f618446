"""A switch that a vehicle's plug presses: between a GPIO pin and ground, with the Pi's pull-up on.

A control pilot (IEC 61851) says more: see hardware/pilot/pwm_adc.py.
"""

from __future__ import annotations

import msgspec

from hardware.board import Board
from hardware.contact_input import ContactInput


class PlugSwitchSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pin: name in wiring/pins.toml. bounce_s: changes faster than this are ignored, s.

    closed_when_plugged: False for a switch that opens when the plug is in.
    """

    pin: str = "plug_1"
    bounce_s: float = 0.05
    closed_when_plugged: bool = True


class PlugSwitch(ContactInput):
    """Plug sensor on one input."""

    Settings = PlugSwitchSettings

    def __init__(self, settings: PlugSwitchSettings, board: Board) -> None:
        super().__init__(board, settings.pin, settings.bounce_s, lambda closed: closed is settings.closed_when_plugged)

    @property
    def plugged(self) -> bool:
        return self._says()
