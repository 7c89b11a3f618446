"""Time that is passed in: it stands still until it is told to go on."""

from __future__ import annotations

from datetime import datetime, timedelta

from edge.station.state import Now


class VirtualClock:
    """start: what the wall clock shows at the beginning."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._now = Now(start, 0.0)

    def now(self) -> Now:
        return self._now

    def mono(self) -> float:
        """Seconds since the beginning."""
        return self._now.mono

    def reach(self, mono: float) -> None:
        """It is so late now, or later already."""
        if mono > self._now.mono:
            self._now = Now(self._start + timedelta(seconds=mono), mono)
