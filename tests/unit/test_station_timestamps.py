"""Timestamps of events that were kept before the wall clock was set."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.station.state import Now
from edge.station.timestamps import STEP_S, shifted, step_s

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
BEGAN = Now(datetime(1970, 1, 1, 0, 0, 30, tzinfo=UTC), 30.0)


def later(mono_s: float, wall_s: float) -> Now:
    return Now(NOON + timedelta(seconds=wall_s), 1_000.0 + mono_s)


@pytest.mark.parametrize(
    ("wall_s", "step"),
    [(60.0, 0.0), (61.9, 0.0), (58.1, 0.0), (62.0, STEP_S), (0.0, -60.0), (3_660.0, 3_600.0)],
)
def test_a_clock_was_set_when_it_shows_other_than_the_time_that_has_passed(wall_s: float, step: float) -> None:
    assert step_s(later(0, 0), later(60, wall_s)) == step


def test_a_clock_that_began_in_1970_is_no_exception() -> None:
    assert step_s(BEGAN, Now(NOON, 40.0)) == (NOON - BEGAN.utc).total_seconds() - 10


def test_all_timestamps_of_a_transaction_event_move_and_nothing_else() -> None:
    payload = {
        "timestamp": "2026-11-23T12:00:00.5Z",
        "seqNo": 3,
        "offline": True,
        "meterValue": [{"timestamp": "2026-11-23T11:59:59Z", "sampledValue": [{"value": 1.5}]}],
        "idToken": {"idToken": "2026-11-23T12:00:00Z", "type": "Central"},
    }
    assert shifted(payload, 3_600.0) == {
        **payload,
        "timestamp": "2026-11-23T13:00:00.500000Z",
        "meterValue": [{"timestamp": "2026-11-23T12:59:59Z", "sampledValue": [{"value": 1.5}]}],
    }


def test_those_of_notices_too() -> None:
    payload = {"generatedAt": "2026-11-23T12:00:00Z", "seqNo": 0, "eventData": [{"timestamp": "2026-11-23T12:00:00Z"}]}
    assert shifted(payload, -1.0) == {
        "generatedAt": "2026-11-23T11:59:59Z",
        "seqNo": 0,
        "eventData": [{"timestamp": "2026-11-23T11:59:59Z"}],
    }


@pytest.mark.parametrize("value", ["yesterday", 7, None, "9999-12-31T23:59:59Z"])
def test_what_is_no_timestamp_stays_as_it_is(value: Any) -> None:
    assert shifted({"timestamp": value}, 86_400.0) == {"timestamp": value}


moments = st.integers(30_000_000, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))


@given(st.lists(moments, min_size=2), st.floats(-1e8, 1e8))
def test_order_and_distance_stay(times: list[datetime], shift_s: float) -> None:
    payload = msgspec.json.decode(msgspec.json.encode({"meterValue": [{"timestamp": at} for at in times]}))
    moved = [datetime.fromisoformat(value["timestamp"]) for value in shifted(payload, shift_s)["meterValue"]]
    assert moved == [at + timedelta(seconds=shift_s) for at in times]
