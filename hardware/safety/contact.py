"""A normally-closed contact to ground: emergency stop button, or the auxiliary contact of a residual-current device.

Closed is good. Open is tripped, and so is a wire that broke or came off: the Pi's pull-up reads both alike. The
protective device cuts the power by itself; this only lets the software know (see wiring/SAFETY.md).
"""

from __future__ import annotations

from typing import Annotated

import msgspec

from hardware.board import Board
from hardware.contact_input import ContactInput


class NcContactSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """pin: name in wiring/pins.toml. bounce_s: changes faster than this are not told, s."""

    pin: str = "emergency_stop"
    bounce_s: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.02


class NcContact(ContactInput):
    """Trip sensor on one input."""

    Settings = NcContactSettings

    def __init__(self, settings: NcContactSettings, board: Board) -> None:
        super().__init__(board, settings.pin, settings.bounce_s, lambda closed: not closed)

    @property
    def tripped(self) -> bool:
        return self._says()
