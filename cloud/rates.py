"""How fast each station may talk to this worker: a token bucket for each, so that a bad one hurts nobody (rule 8)."""

from __future__ import annotations

from datetime import datetime

#: Buckets that are remembered. Above, those that are full again are forgotten: a full one and none are the same.
MAX_BUCKETS = 20_000


class Rates:
    """per_s: frames that a station may send, over a longer time; 0 for no bound. burst: those it may send at once."""

    def __init__(self, per_s: int, burst: int) -> None:
        self._per_s = per_s
        self._burst = burst
        #: station -> how much is in its bucket, and when that was
        self._buckets: dict[str, tuple[float, datetime]] = {}

    def allows(self, station: str, now: datetime) -> bool:
        """Whether one more frame of this station may be handled now. Counts it, when it may."""
        if self._per_s == 0:
            return True
        level = self._level(station, now)
        if level < 1.0:
            self._buckets[station] = level, now
            return False
        if len(self._buckets) >= MAX_BUCKETS and station not in self._buckets:
            self._forget(now)
        self._buckets[station] = level - 1.0, now
        return True

    def _level(self, station: str, now: datetime) -> float:
        level, since = self._buckets.get(station, (float(self._burst), now))
        # A clock that was set back fills no bucket and empties none.
        return min(float(self._burst), level + self._per_s * max(0.0, (now - since).total_seconds()))

    def _forget(self, now: datetime) -> None:
        self._buckets = {
            station: bucket for station, bucket in self._buckets.items() if self._level(station, now) < self._burst
        }
        if len(self._buckets) >= MAX_BUCKETS:
            self._buckets.clear()  # nobody has so many stations: names that are made up cost no memory
