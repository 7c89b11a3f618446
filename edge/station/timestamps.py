"""Timestamps of a call that was kept before the wall clock was set, made right when it is sent."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from edge.station.state import Now

#: A wall clock that differs by less from what it should show was not set: it was read a little later, s.
STEP_S = 2.0
#: The fields that say when something was, of the calls that a station keeps. Others, such as startSchedule, are the
#: CSMS's own words.
_FIELDS = frozenset({"timestamp", "generatedAt"})


def step_s(kept: Now, now: Now) -> float:
    """By how much the wall clock was set between two moments of the same boot; 0.0 when it was not."""
    stepped = (now.utc - kept.utc).total_seconds() - (now.mono - kept.mono)
    return stepped if abs(stepped) >= STEP_S else 0.0


def shifted(payload: Mapping[str, Any], shift_s: float) -> dict[str, Any]:
    """The payload, as it comes from JSON, with every timestamp moved. Order and distance between them stay."""
    by = timedelta(seconds=shift_s)
    return {key: _moved(value, by) if key in _FIELDS else _inside(value, shift_s) for key, value in payload.items()}


def _inside(value: Any, shift_s: float) -> Any:
    if isinstance(value, dict):
        return shifted(value, shift_s)
    if isinstance(value, list):
        return [_inside(one, shift_s) for one in value]
    return value


def _moved(value: Any, by: timedelta) -> Any:
    try:
        moved = datetime.fromisoformat(value).astimezone(UTC) + by
    except (TypeError, ValueError, OverflowError):
        return value  # whoever sends it will say what is wrong with it
    return moved.isoformat().replace("+00:00", "Z")
