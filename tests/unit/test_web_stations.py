"""Stations and EVSEs over the API."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from cloud.store.registry import passwords
from cloud.store.tables import connectors, evses, stations
from tests.support.web_world import World, a_world, admin, client, driver, operator, worker

NEW = {
    "id": "cs-9",
    "evses": [{"number": 1, "connectors": [{"number": 1, "type": "CCS2", "current": "DC", "max_kw": 50}]}],
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        yield made


def test_an_operator_sees_all_of_a_station(world: World) -> None:
    session = world.add_session()
    answer = operator(world).get("/api/v1/stations").json
    assert answer["next"] is None
    [station] = answer["stations"]
    assert (station["id"], station["online"], station["firmware"]) == ("cs-1", True, "1.2")
    assert [evse["status"] for evse in station["evses"]] == ["occupied", "available"]
    assert station["evses"][0]["session_id"] == session
    assert station["evses"][0]["vehicle"] == {"connected": False, "charging": True, "soc_pct": 40.0}


def test_a_driver_sees_public_fields_and_nobody_elses_session(world: World) -> None:
    world.add_session(driver="somebody else")
    station = driver(world).get("/api/v1/stations/cs-1").json
    assert sorted(station) == ["evses", "id", "model", "online", "since", "site", "vendor"]
    assert station["evses"][0]["session_id"] is None
    assert station["evses"][0]["vehicle"] == {"connected": False, "charging": True, "soc_pct": None}


def test_a_driver_sees_where_the_own_session_is(world: World) -> None:
    session = world.add_session(driver=world.people["driver@colonnina.test"])
    evse = driver(world).get("/api/v1/stations/cs-1").json["evses"][0]
    assert (evse["session_id"], evse["vehicle"]["soc_pct"]) == (session, 40.0)


def test_a_station_that_nobody_has_is_404(world: World) -> None:
    answer = operator(world).get("/api/v1/stations/nope")
    assert answer.json == {"title": "Not Found", "status": 404, "detail": "no station nope"}


@pytest.mark.parametrize("path", ["/api/v1/stations", "/api/v1/sessions", "/api/v1/evses/cs-1:1"])
def test_without_a_login_the_api_answers_401(world: World, path: str) -> None:
    answer = client(world).get(path)
    assert (answer.status_code, answer.content_type) == (401, "application/problem+json")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="colonnina"'


def test_an_evse_is_found_by_its_id_and_by_its_code_however_it_is_typed(world: World) -> None:
    code = world.code("cs-1", 2)
    someone = driver(world)
    for reference in ("cs-1:2", code, f"{code[:3]}-{code[3:]}".lower()):
        answer = someone.get(f"/api/v1/evses/{reference}").json
        assert (answer["id"], answer["station"], answer["code"], answer["tariff"]) == ("cs-1:2", "cs-1", code, None)


@pytest.mark.parametrize("reference", ["cs-1:3", "cs-2:1", "ABCDEF", "cs-1:x"])
def test_an_evse_that_nobody_has_is_404(world: World, reference: str) -> None:
    assert driver(world).get(f"/api/v1/evses/{reference}").status_code == 404


def test_a_new_station_gets_its_credentials_once(world: World) -> None:
    boss = admin(world)
    answer = boss.post("/api/v1/stations", NEW)
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/v1/stations/cs-9")
    settings = tomllib.loads(answer.json["provisioning"])
    assert settings["station"] == {"id": "cs-9"}
    assert settings["broker"]["host"] == "broker.test"
    assert settings["broker"]["username"] == answer.json["username"] == "cs-9"
    assert settings["broker"]["password"] == answer.json["password"]
    with world.store.read() as connection:
        kept = connection.scalar(select(stations.c.password_hash).where(stations.c.id == "cs-9"))
    assert passwords.verify(kept, answer.json["password"])
    shown = boss.get("/api/v1/stations/cs-9").json
    assert shown["evses"][0]["connectors"] == [
        {"number": 1, "type": "CCS2", "current": "DC", "max_kw": 50.0, "status": "Unknown"}
    ]


def test_a_station_cannot_be_registered_twice(world: World) -> None:
    boss = admin(world)
    boss.post("/api/v1/stations", NEW)
    answer = boss.post("/api/v1/stations", NEW)
    assert (answer.status_code, answer.json["reason"]) == (409, "exists")


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"id": "a b"}, "id"),
        ({"id": "x" * 49}, "id"),
        ({"id": 5}, "id"),
        ({"evses": []}, "evses"),
        ({"evses": [{"number": 0, "connectors": [{"number": 1}]}]}, "evses[0].number"),
        ({"evses": [{"number": 1, "connectors": []}]}, "evses[0].connectors"),
        ({"evses": NEW["evses"] * 2}, "evses"),
        ({"evses": [{"number": 1, "connectors": [{"number": 1, "current": "XX"}]}]}, "evses[0].connectors[0].current"),
        ({"evses": [{"number": 1, "connectors": [{"number": 10**9}]}]}, "evses[0].connectors[0].number"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_a_wrong_station_is_refused_by_field(world: World, change: dict[str, Any], field: str) -> None:
    answer = admin(world).post("/api/v1/stations", NEW | change)
    assert (answer.status_code, answer.json["reason"]) == (422, "invalid")
    assert [error["field"] for error in answer.json["errors"]] == [field]


def test_only_an_admin_registers_and_removes(world: World) -> None:
    for someone in (driver(world), operator(world)):
        assert someone.post("/api/v1/stations", NEW).status_code == 403
        assert someone.delete("/api/v1/stations/cs-1").status_code == 403


def test_a_station_is_removed_with_its_evses(world: World) -> None:
    boss = admin(world)
    assert boss.delete("/api/v1/stations/cs-1").status_code == 204
    assert boss.delete("/api/v1/stations/cs-1").status_code == 404
    with world.store.read() as connection:
        left = [connection.scalar(select(func.count()).select_from(table)) for table in (stations, evses, connectors)]
    assert left == [0, 0, 0]


def test_a_station_with_an_open_session_stays(world: World) -> None:
    world.add_session(state="suspended")
    answer = admin(world).delete("/api/v1/stations/cs-1")
    assert (answer.status_code, answer.json["reason"]) == (409, "session_open")


@pytest.mark.parametrize("body", [{"type": "Immediate"}, {"payload": {"type": "Immediate"}}])
def test_an_operator_sends_any_call_and_gets_the_answer(world: World, body: dict[str, Any]) -> None:
    with worker(world, {"status": "Scheduled"}) as seen:
        answer = operator(world).post("/api/v1/stations/cs-1/calls/Reset", body)
    assert answer.json == {"status": "answered", "response": {"status": "Scheduled"}}
    assert seen == [{"action": "Reset", "type": "Immediate"}]


@pytest.mark.parametrize(
    ("action", "payload", "status", "reason"),
    [
        ("Reset", {"type": "Never"}, 422, "PropertyConstraintViolation"),
        ("Reset", {}, 422, "OccurrenceConstraintViolation"),
        ("Reset", {"payload": 5}, 422, "invalid"),
        ("Authorize", {"idToken": {"idToken": "x", "type": "Central"}}, 422, "NotSupported"),
        ("Dance", {}, 404, "NotImplemented"),
    ],
)
def test_a_call_that_ocpp_does_not_allow_is_refused(
    world: World, action: str, payload: dict[str, Any], status: int, reason: str
) -> None:
    answer = operator(world).post(f"/api/v1/stations/cs-1/calls/{action}", payload)
    assert (answer.status_code, answer.json["reason"]) == (status, reason)


def test_a_call_without_an_answer_is_a_timeout_and_drivers_send_none(world: World) -> None:
    answer = operator(world).post("/api/v1/stations/cs-1/calls/ClearCache")
    assert answer.json == {"status": "timeout", "response": None}
    assert operator(world).post("/api/v1/stations/nope/calls/ClearCache").status_code == 404
    assert driver(world).post("/api/v1/stations/cs-1/calls/ClearCache").status_code == 403
