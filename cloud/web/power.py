"""The power of each station over time, from the samples of its sessions: what a chart can draw."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from cloud.series.port import Value

#: A sample stands for what follows it until the next one comes, but no longer than this.
GOOD_FOR = timedelta(seconds=90)


class Drawn:
    """A grid from `start` to `end` in steps of `step`; `stations` has a row of powers in W for each station."""

    def __init__(self, start: datetime, end: datetime, step: timedelta) -> None:
        count = int((end - start) / step) + 1
        self._moments = [end - step * (count - 1 - index) for index in range(count)]
        self.times = [int(moment.timestamp()) for moment in self._moments]
        self.stations: dict[str, list[float]] = {}

    def add(self, station: str, values: Sequence[Value], ended_at: datetime | None) -> None:
        """Add the samples of one session, in the order of time. ended_at: when its power fell to nothing."""
        row = self.stations.setdefault(station, [0.0] * len(self._moments))
        following = 0
        for index, moment in enumerate(self._moments):
            while following < len(values) and values[following].at <= moment:
                following += 1
            if ended_at is not None and moment >= ended_at:
                return
            if following and moment - values[following - 1].at <= GOOD_FOR:
                row[index] += values[following - 1].value
