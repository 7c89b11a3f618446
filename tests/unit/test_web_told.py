"""What stations told, over the API: variables, monitors, profiles, messages, frames, dead letters. For operators."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from cloud.store.tables import (
    dead_letters,
    frames,
    refusals,
    station_messages,
    station_monitors,
    station_profiles,
    station_statuses,
    station_variables,
)
from cloud.store.trail import MAX_LOGGED_BYTES
from tests.support.web_world import NOON, World, a_world, admin, client, driver, operator

PLACE = {"station": "cs-1", "component": "EVSE", "evse": 1, "connector": 0, "report": 1, "at": NOON}
SHOWN_PLACE = {
    "component": "EVSE",
    "component_instance": None,
    "evse": 1,
    "connector": None,
    "variable_instance": None,
    "at": "2026-11-23T12:00:00.000Z",
}
PARTS = ("variables", "monitors", "profiles", "messages", "frames")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        yield made


def put(world: World, table: Any, *rows: dict[str, Any]) -> None:
    with world.store.write() as connection:
        for row in rows:
            connection.execute(insert(table).values(**row))


def get(world: World, path: str) -> Any:
    answer = operator(world).get(f"/api/v1/{path}")
    assert answer.status_code == 200, answer.json
    return answer.json


def variable(name: str, **more: Any) -> dict[str, Any]:
    row = {**PLACE, "variable": name, "attribute": "Actual", "value": "1", "mutability": "ReadOnly"}
    return {**row, "persistent": False, "constant": False, **more}


def test_variables_are_shown_with_their_place(world: World) -> None:
    told = {"data_type": "OptionList", "unit": "W", "values_list": "a,b", "supports_monitoring": True}
    put(world, station_variables, variable("Power", **told))
    assert get(world, "stations/cs-1/variables") == {
        "variables": [
            {
                **SHOWN_PLACE,
                "variable": "Power",
                "attribute": "Actual",
                "value": "1",
                "mutability": "ReadOnly",
                "persistent": False,
                "constant": False,
                "data_type": "OptionList",
                "unit": "W",
                "min_limit": None,
                "max_limit": None,
                "values": ["a", "b"],
                "supports_monitoring": True,
            }
        ],
        "next": None,
    }


def test_they_are_filtered_and_read_part_by_part(world: World) -> None:
    put(world, station_variables, *(variable(name) for name in "ABC"), variable("A", evse=0, component="Clock"))

    def names(query: str) -> list[str]:
        return [row["variable"] for row in get(world, f"stations/cs-1/variables?{query}")["variables"]]

    assert names("component=EVSE") == ["A", "B", "C"]
    assert names("variable=A&evse=0") == ["A"]
    part = get(world, "stations/cs-1/variables?limit=3")
    assert [row["variable"] for row in part["variables"]] == ["A", "B", "C"]
    assert names(f"limit=3&cursor={part['next']}") == ["A"]


def test_monitors_and_profiles_are_shown(world: World) -> None:
    monitor = {"monitor": 7, "type": "Delta", "value": 2.5, "severity": 4, "transaction_only": False}
    put(world, station_monitors, {**PLACE, "variable": "Power", **monitor})
    assert get(world, "stations/cs-1/monitors")["monitors"] == [
        {
            **SHOWN_PLACE,
            "variable": "Power",
            "id": 7,
            "type": "Delta",
            "value": 2.5,
            "severity": 4,
            "transaction_only": False,
        }
    ]
    profile = {"profile": 3, "source": "CSO", "purpose": "TxProfile", "stack_level": 1, "content": b'{"id":3}'}
    put(world, station_profiles, *({"station": "cs-1", "evse": n, "report": 1, "at": NOON, **profile} for n in (0, 1)))
    assert [row["evse"] for row in get(world, "stations/cs-1/profiles")["profiles"]] == [None, 1]
    [shown] = get(world, "stations/cs-1/profiles?evse=1")["profiles"]
    assert (shown["id"], shown["profile"], shown["transaction_id"]) == (3, {"id": 3}, None)


def test_messages_are_shown_newest_first_and_by_action(world: World) -> None:
    rows = [
        {"station": "cs-1", "at": NOON, "action": action, "payload": payload}
        for action, payload in (("A", b'{"n":1}'), ("B", b'{"n":2}'), ("C", b"[" * 900 + b"]" * 900))
    ]
    put(world, station_messages, *rows)
    shown = get(world, "stations/cs-1/messages?action=A,B")["messages"]
    assert [(row["action"], row["payload"]) for row in shown] == [("B", {"n": 2}), ("A", {"n": 1})]
    [odd] = get(world, "stations/cs-1/messages?action=C")["messages"]
    assert (odd["payload"], odd["text"]) == (None, "[" * 900 + "]" * 900)


def log(world: World, *told: tuple[str, str, str, bytes]) -> None:
    rows = [
        {
            "station": "cs-1",
            "at": NOON + timedelta(seconds=number),
            "direction": direction,
            "kind": kind,
            "action": action,
            "message_id": f"m{number}",
            "data": data,
        }
        for number, (direction, kind, action, data) in enumerate(told)
    ]
    put(world, frames, *rows)


def test_frames_are_shown_newest_first_and_filtered(world: World) -> None:
    log(
        world,
        ("in", "call", "Heartbeat", b'[2,"m0","Heartbeat",{}]'),
        ("out", "result", "Heartbeat", b'[3,"m1",{"currentTime":"x"}]'),
        ("out", "error", "", b'[4,"m2","FormatViolation","why",{"a":1}]'),
        ("in", "bad", "", b"\xffnonsense"),
        ("in", "call", "NotifyReport", b'[2,"m4","NotifyReport",{"x":"' + b"x" * MAX_LOGGED_BYTES),
    )
    shown = get(world, "stations/cs-1/frames")["frames"]
    assert [(row["direction"], row["kind"], row["action"], row["payload"], row["cut"]) for row in shown] == [
        ("in", "call", "NotifyReport", None, True),
        ("in", "bad", None, None, False),
        ("out", "error", None, {"code": "FormatViolation", "description": "why", "details": {"a": 1}}, False),
        ("out", "result", "Heartbeat", {"currentTime": "x"}, False),
        ("in", "call", "Heartbeat", {}, False),
    ]
    assert shown[1]["text"] == "\ufffdnonsense"

    def ids(query: str) -> list[str]:
        return [row["message_id"] for row in get(world, f"stations/cs-1/frames?{query}")["frames"]]

    assert ids("direction=out") == ["m2", "m1"]
    assert ids("kind=bad,error") == ["m3", "m2"]
    assert ids("action=Heartbeat") == ["m1", "m0"]
    assert ids("message_id=m3") == ["m3"]
    assert ids("from=2026-11-23T12:00:01Z&to=2026-11-23T12:00:03Z") == ["m2", "m1"]
    part = get(world, "stations/cs-1/frames?limit=2")
    assert ids(f"limit=2&cursor={part['next']}") == ["m2", "m1"]


def test_dead_letters_and_counts_are_shown(world: World) -> None:
    letter = {"topic": "cs/x/up", "at": NOON, "code": "FormatViolation", "text": "why", "data": b"\xff[2"}
    put(world, dead_letters, {"station": "", **letter}, {"station": "cs-1", **letter})
    put(world, refusals, {"station": "", "code": "TooMany", "count": 5, "last_at": NOON, "last_text": "why"})
    [shown] = get(world, "dead-letters?station=cs-1")["dead_letters"]
    assert shown == {
        "at": "2026-11-23T12:00:00.000Z",
        "station": "cs-1",
        "topic": "cs/x/up",
        "code": "FormatViolation",
        "why": "why",
        "frame": "\ufffd[2",
    }
    assert [row["station"] for row in get(world, "dead-letters")["dead_letters"]] == ["cs-1", None]
    [counted] = get(world, "refusals")["refusals"]
    assert (counted["station"], counted["code"], counted["count"]) == (None, "TooMany", 5)


def test_a_station_shows_how_far_its_update_is_to_operators(world: World) -> None:
    row = {"station": "cs-1", "kind": "firmware", "status": "Installing", "request_id": 4, "at": NOON}
    put(world, station_statuses, row)
    expected = {"firmware": {"status": "Installing", "request_id": 4, "at": "2026-11-23T12:00:00.000Z"}}
    assert get(world, "stations/cs-1")["progress"] == expected
    assert sorted(driver(world).get("/api/v1/stations/cs-1").json) == (
        ["evses", "id", "model", "online", "since", "site", "vendor"]
    )


@pytest.mark.parametrize("path", [*(f"stations/cs-1/{part}" for part in PARTS), "dead-letters", "refusals"])
def test_only_operators_may_look(world: World, path: str) -> None:
    assert client(world).get(f"/api/v1/{path}").status_code == 401
    assert driver(world).get(f"/api/v1/{path}").status_code == 403
    assert operator(world).get(f"/api/v1/{path}").status_code == 200


@pytest.mark.parametrize("part", PARTS)
def test_a_station_that_nobody_has_is_404(world: World, part: str) -> None:
    assert operator(world).get(f"/api/v1/stations/nope/{part}").status_code == 404


@pytest.mark.parametrize("query", ["limit=0", "limit=5000", "cursor=x", "direction=up", "from=noon", "colour=red"])
def test_a_filter_that_cannot_be_is_refused(world: World, query: str) -> None:
    assert operator(world).get(f"/api/v1/stations/cs-1/frames?{query}").status_code == 422


def test_what_a_station_told_goes_with_it(world: World) -> None:
    put(world, station_variables, variable("Power"))
    log(world, ("in", "bad", "", b"x"))
    assert admin(world).delete("/api/v1/stations/cs-1").status_code == 204
    with world.store.read() as connection:
        assert connection.execute(select(station_variables)).all() == []
        assert connection.execute(select(frames)).all() == []
