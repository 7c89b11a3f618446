"""How much is kept, how fast a station may talk, and how long the books wait: `[limits]` of the configuration."""

from __future__ import annotations

from typing import Annotated

import msgspec

_Count = Annotated[int, msgspec.Meta(ge=0, le=100_000)]
_Wait = Annotated[int, msgspec.Meta(ge=10, le=86_400)]


class Limits(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """frames_per_s, frames_burst: what one station may send to one worker, over a longer time and at once.

    What is above is refused with CALLERROR, and counted. frames_per_s 0: no bound.

    kept_frames: of each station, in the log of frames; 0 for no log. kept_messages: of each station and action.
    kept_dead_letters: frames that were refused or could not be handled, of each station.

    gap_patience_s: how long events of a session may be missing before its station is asked whether they still come.
    stuck_after_s: how long an EVSE is Available before a session on it that nobody ended is taken for over.
    """

    frames_per_s: _Count = 200
    frames_burst: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 2_000
    kept_frames: _Count = 500
    kept_messages: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 50
    kept_dead_letters: Annotated[int, msgspec.Meta(ge=1, le=10_000)] = 100
    gap_patience_s: _Wait = 300
    stuck_after_s: _Wait = 900


DEFAULTS = Limits()
