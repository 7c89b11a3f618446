"""What one charging profile says at one moment, and until when it says so (OCPP 2.0.1 part 2, K, section 3.3 and K01).

A moment is a whole number of seconds since 1970 in UTC: a day always has 86400 of them, so a schedule that recurs does
so at the same UTC time when the clocks change (the specification's section 3.6 leaves summer time to the CSMS).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from edge.station.smart_charging.profile import Profile, Schedule

NEVER = math.inf
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CYCLES_S = {"Daily": 86_400, "Weekly": 604_800}


class Span(NamedTuple):
    """limit_a: per phase, A; None where there is no limit. until: the moment from which that may be different."""

    limit_a: float | None
    until: float


def second_of(at: datetime) -> int:
    """An aware time as a moment; fractions of a second are dropped."""
    return (at - _EPOCH) // timedelta(seconds=1)


def moment_of(second: float) -> datetime | None:
    """The time of a moment; None for never, and for what is beyond the calendar's end."""
    try:
        return _EPOCH + timedelta(seconds=second)
    except OverflowError:
        return None


def validity(profile: Profile) -> tuple[float, float]:
    """The moments from which a profile is valid and from which it is not (K01.FR.10, FR.36, FR.37)."""
    begins = -NEVER if profile.valid_from is None else second_of(profile.valid_from)
    return begins, NEVER if profile.valid_to is None else second_of(profile.valid_to)


def lowest(spans: Iterable[Span]) -> Span:
    """All of them at once: the lowest limit, until the first one changes."""
    spans = list(spans)
    limits = [span.limit_a for span in spans if span.limit_a is not None]
    return Span(min(limits, default=None), min((span.until for span in spans), default=NEVER))


def said_by(profile: Profile, now: int, started: int | None, phase_volts: float) -> Span:
    """What a profile says at a moment.

    started: when the transaction did, for Relative profiles, which say nothing without one. phase_volts: the number of
    phases times the line voltage, V, to make A of W (K01.FR.50).
    """
    begins, ends = validity(profile)
    if now < begins:
        return Span(None, begins)
    if now >= ends:
        return Span(None, NEVER)
    said = lowest(_scheduled(profile, schedule, now, started, phase_volts) for schedule in profile.schedules)
    return Span(said.limit_a, min(said.until, ends))


def _scheduled(profile: Profile, schedule: Schedule, now: int, started: int | None, phase_volts: float) -> Span:
    start = started if schedule.start_schedule is None else second_of(schedule.start_schedule)
    if start is None:
        return Span(None, NEVER)
    if now < start:
        return Span(None, start)  # K01.FR.30
    cycle = NEVER
    if profile.kind == "Recurring" and profile.recurrency_kind is not None:
        cycle = _CYCLES_S[profile.recurrency_kind]
        start = now - (now - start) % cycle
    ends = min(cycle, NEVER if schedule.duration is None else schedule.duration)
    elapsed = now - start
    if elapsed >= ends:
        return Span(None, start + cycle)  # K01.FR.11 and FR.13: others decide until it starts again
    following = bisect_right(schedule.periods, elapsed, key=lambda period: period.start_period)
    if following < len(schedule.periods):
        ends = min(ends, schedule.periods[following].start_period)  # K01.FR.12
    limit = schedule.periods[following - 1].limit
    return Span(limit if schedule.unit == "A" else limit / phase_volts, start + ends)
