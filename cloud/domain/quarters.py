"""Energy and time by the quarter hour: what a tariff that depends on the time of day needs to know of a session.

Quarter hours are counted from 1970 in UTC. Every time zone of today is a whole number of them from UTC, so that a
quarter hour lies in one hour of the day wherever the station is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
QUARTER_MS = 15 * 60 * 1000
#: Nobody counts on what lies so far apart: a clock was put forward, or a message is lost. In ms: a week.
MAX_GAP_MS = 7 * 24 * 60 * 60 * 1000
#: Five weeks. What a session that is longer adds counts for quarter hours that it has already.
MAX_QUARTERS = 35 * 24 * 4


class Quarter(NamedTuple):
    """What happened in one quarter hour. number: counted from 1970. charging_ms, idle_ms: times, in ms."""

    number: int
    energy_wh: int = 0
    charging_ms: int = 0
    idle_ms: int = 0


Quarters = tuple[Quarter, ...]


def milliseconds(at: datetime) -> int:
    """Whole milliseconds since 1970."""
    return (at - _EPOCH) // _MS


def began_at(number: int) -> datetime:
    """When a quarter hour begins."""
    return _EPOCH + number * QUARTER_MS * _MS


def add_energy(quarters: Quarters, start: datetime, end: datetime, energy_wh: int) -> Quarters:
    """Add energy that was counted between two readings of the register, as if it had flowed evenly.

    Where nothing can be said of the time between (more than a week, or a clock that went back) it counts for the end.
    """
    for number, part in _shares(milliseconds(start), milliseconds(end), energy_wh):
        quarters = _add(quarters, Quarter(number, energy_wh=part))
    return quarters


def add_time(quarters: Quarters, start: datetime, end: datetime, *, idle: bool) -> Quarters:
    """Add time of charging, or of standing idle. Nothing where it is more than a week, or negative."""
    start_ms, end_ms = milliseconds(start), milliseconds(end)
    if not 0 < end_ms - start_ms <= MAX_GAP_MS:
        return quarters
    for number, part in _shares(start_ms, end_ms, end_ms - start_ms):
        quarters = _add(quarters, Quarter(number, idle_ms=part) if idle else Quarter(number, charging_ms=part))
    return quarters


def without_idle(quarters: Quarters) -> Quarters:
    """The vehicle charges again: it had not been idle."""
    if not any(quarter.idle_ms for quarter in quarters):
        return quarters
    return tuple(quarter._replace(idle_ms=0) for quarter in quarters)


def _shares(start_ms: int, end_ms: int, amount: int) -> Iterator[tuple[int, int]]:
    """A whole number over the quarter hours between, in proportion to time. The shares add up to it exactly."""
    if not 0 < end_ms - start_ms <= MAX_GAP_MS:
        yield end_ms // QUARTER_MS, amount
        return
    first, last = start_ms // QUARTER_MS, (end_ms - 1) // QUARTER_MS
    if first == last:
        yield first, amount
        return
    given = 0
    for number in range(first, last + 1):
        until = min(end_ms, (number + 1) * QUARTER_MS)
        due = amount * (until - start_ms) // (end_ms - start_ms)
        yield number, due - given
        given = due


def _add(quarters: Quarters, more: Quarter) -> Quarters:
    if not (more.energy_wh or more.charging_ms or more.idle_ms):
        return quarters
    if not quarters or more.number > quarters[-1].number:
        if len(quarters) < MAX_QUARTERS:
            return (*quarters, more)
        index = len(quarters) - 1
    else:
        index = bisect_left(quarters, (more.number,))
        if quarters[index].number != more.number and len(quarters) < MAX_QUARTERS:
            return (*quarters[:index], more, *quarters[index:])
    old = quarters[index]
    merged = Quarter(
        old.number,
        old.energy_wh + more.energy_wh,
        old.charging_ms + more.charging_ms,
        old.idle_ms + more.idle_ms,
    )
    return (*quarters[:index], merged, *quarters[index + 1 :])
