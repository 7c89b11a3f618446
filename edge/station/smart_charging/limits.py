"""What all charging profiles say together: the limit in force, and the composite schedule (OCPP 2.0.1 part 2, K08).

Of each purpose the profile with the highest stack level that has a period at that time leads; a TxProfile overrules the
TxDefaultProfiles; of what is left the lowest limit is in force (section 3.5).
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

import msgspec

from edge.station.smart_charging.profile import Installed, Profile, Purpose, Unit
from edge.station.smart_charging.schedule import NEVER, Span, lowest, moment_of, said_by, second_of, validity


class Limit(msgspec.Struct, frozen=True):
    """limit_a: the most that may be drawn, A per phase; None: as much as one likes. until: it must be asked for again.

    A lease: after `until` there is no limit to go by.
    """

    limit_a: float | None
    until: datetime | None


class Supply(NamedTuple):
    """Where the power comes from. phases, voltage_v: of the EVSE, to make A of W. max_a: its own limit per phase.

    sharing: how many EVSEs draw at once; each has an equal part of what the station may draw (K04.FR.05).
    safe_a: what each may draw once a limit of the whole station has expired and no other has come; None: no limit.
    """

    phases: int
    voltage_v: float
    max_a: float | None
    sharing: int
    safe_a: float | None = None


class Charge(NamedTuple):
    """The EVSE and when its transaction started (None for none). 0: the station's own limits, of all its EVSEs."""

    evse: int
    started: datetime | None


def limit_at(installed: Sequence[Installed], charge: Charge, at: datetime, supply: Supply) -> Limit:
    """The limit in force at a moment."""
    if not installed:
        return Limit(supply.max_a, None)  # asked after every event, and mostly there are none
    span = _Caps(installed, charge, supply).span(second_of(at))
    return Limit(span.limit_a, moment_of(span.until))


def composite(
    installed: Sequence[Installed], charge: Charge, start: datetime, duration_s: int, unit: Unit, supply: Supply
) -> list[tuple[int, float | None]]:
    """(seconds from start, limit) wherever the limit changes: what `limit_at` will say at each moment of that time.

    unit: A per phase, or W for all phases together.
    """
    caps, begin = _Caps(installed, charge, supply), second_of(start)
    factor = supply.phases * supply.voltage_v if unit == "W" else 1
    periods: list[tuple[int, float | None]] = []
    offset = 0
    while offset < duration_s:
        span = caps.span(begin + offset)
        limit = None if span.limit_a is None else span.limit_a * factor
        if not periods or periods[-1][1] != limit:
            periods.append((offset, limit))
        offset = int(min(span.until - begin, duration_s))
    return periods


class _Caps:
    """The profiles that count at one EVSE, by what they cap, highest stack level first."""

    def __init__(self, installed: Sequence[Installed], charge: Charge, supply: Supply) -> None:
        def stack(purpose: Purpose, *evses: int) -> list[Profile]:
            fit = [one for one in installed if one.profile.purpose == purpose and one.evse_id in evses]
            fit.sort(key=lambda one: (one.profile.stack_level, one.evse_id), reverse=True)
            return [one.profile for one in fit]

        evse, started = charge
        self._started = None if started is None else second_of(started)
        self._supply = supply
        self._whole = [stack("ChargingStationMaxProfile", 0), stack("ChargingStationExternalConstraints", 0)]
        self._external = stack("ChargingStationExternalConstraints", evse) if evse else []
        self._transaction = stack("TxProfile", evse) if evse and started is not None else []
        self._default = stack("TxDefaultProfile", 0, evse) if evse else []

    def span(self, now: int) -> Span:
        shared = lowest(self._leading(stack, now) for stack in self._whole)
        if shared.limit_a is not None:
            shared = Span(shared.limit_a / self._supply.sharing, shared.until)
        elif self._supply.safe_a is not None and self._has_lapsed(now):
            shared = Span(self._supply.safe_a, shared.until)
        own = self._leading(self._transaction, now)
        if own.limit_a is None:  # K02.FR.08
            default = self._leading(self._default, now)
            own = Span(default.limit_a, min(own.until, default.until))
        return lowest([shared, own, self._leading(self._external, now), Span(self._supply.max_a, NEVER)])

    def _has_lapsed(self, now: int) -> bool:
        """Whether a limit of the whole station has said all that it had to say."""
        phase_volts = self._supply.phases * self._supply.voltage_v
        return any(
            now >= validity(profile)[0] and said_by(profile, now, self._started, phase_volts) == Span(None, NEVER)
            for stack in self._whole
            for profile in stack
        )

    def _leading(self, stack: Sequence[Profile], now: int) -> Span:
        """What the highest of them says that says anything (K01.FR.17)."""
        until = NEVER
        for profile in stack:
            said = said_by(profile, now, self._started, self._supply.phases * self._supply.voltage_v)
            until = min(until, said.until)
            if said.limit_a is not None:
                return Span(said.limit_a, until)
        return Span(None, until)
