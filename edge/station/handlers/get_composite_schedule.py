"""GetCompositeSchedule (OCPP 2.0.1, K08): what may be drawn from now on, all limits taken together?"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from edge.station.ports import Action, CallReceived, Reply
from edge.station.smart_charging.profile import Unit
from edge.station.state import Evse, Now, Station

#: The longest time that is reckoned, s, and the most periods that are told: they must fit in a frame of 64 KiB.
LONGEST_S = 7 * 86_400
MOST_PERIODS = 500

_Composite = list[tuple[int, float | None]]


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request = call.request
    reason = _why_not(station, request)
    if reason is not None:
        payload = {"status": "Rejected", "statusInfo": {"reasonCode": reason}}
        actions.append(Reply(call.message_id, call.action, payload))
        return station
    unit: Unit = "A" if request.charging_rate_unit is msgspec.UNSET else request.charging_rate_unit
    start, duration_s = now.utc.replace(microsecond=0), min(request.duration, LONGEST_S)
    evse = station.evse(request.evse_id)
    if evse is None:
        limits = _whole(station, start, duration_s, unit)
    else:
        sharing = 1 + sum(other.transaction is not None for other in station.evses if other.number != evse.number)
        limits = _composite(station, evse, start, duration_s, unit, sharing)
    schedule = {
        "evseId": request.evse_id,
        "scheduleStart": start,
        "chargingRateUnit": unit,
        **_periods(limits, duration_s, station.settings.phases),
    }
    actions.append(Reply(call.message_id, call.action, {"status": "Accepted", "schedule": schedule}))
    return station


def _why_not(station: Station, request: Any) -> str | None:
    if request.evse_id != 0 and station.evse(request.evse_id) is None:  # K08.FR.05
        return "UnknownEvse"
    return "ValuePositiveOnly" if request.duration <= 0 else None


def _composite(
    station: Station, evse: Evse | None, start: datetime, duration_s: int, unit: Unit, sharing: int = 1
) -> _Composite:
    """Of one EVSE, as if a transaction began now if there is none (K08.FR.06); None: the whole station's limits."""
    transaction = None if evse is None else evse.transaction
    profiles = station.kept.profiles.keep_transactions([] if transaction is None else [transaction.id])
    return profiles.composite(
        0 if evse is None else evse.number,
        start,
        duration_s,
        unit,
        start if transaction is None else transaction.started_at,
        phases=station.settings.phases,
        voltage_v=station.settings.voltage_v,
        station_max_a=None if evse is None else station.settings.max_current_a,
        sharing=sharing,
        safe_a=None if evse is None else station.settings.safe_a,
    )


def _whole(station: Station, start: datetime, duration_s: int, unit: Unit) -> _Composite:
    """All EVSEs together, were each to draw what it may, but no more than the station may (K08.FR.03)."""
    cap = _composite(station, None, start, duration_s, unit)
    parts = [_composite(station, evse, start, duration_s, unit) for evse in station.evses]
    total: _Composite = []
    for offset in sorted({offset for part in (cap, *parts) for offset, _ in part}):
        limit = min(sum(_at(part, offset) for part in parts), _at(cap, offset))
        if not total or total[-1][1] != limit:
            total.append((offset, limit))
    return total


def _at(schedule: Sequence[tuple[int, float | None]], offset: int) -> float:
    limit = schedule[bisect_right(schedule, offset, key=lambda period: period[0]) - 1][1]
    return math.inf if limit is None else limit


def _periods(limits: _Composite, duration_s: int, phases: int) -> dict[str, Any]:
    """As many as may be told, and for how long they hold."""
    return {
        "duration": duration_s if len(limits) <= MOST_PERIODS else limits[MOST_PERIODS][0],
        "chargingSchedulePeriod": [
            {"startPeriod": offset, "limit": _tenths(limit), "numberPhases": phases}
            for offset, limit in limits[:MOST_PERIODS]
            if limit is not None
        ],
    }


def _tenths(limit: float) -> float:
    """With the one digit that OCPP allows, and never more than the limit (K08.FR.04)."""
    return math.floor(limit * 10 + 1e-6) / 10
