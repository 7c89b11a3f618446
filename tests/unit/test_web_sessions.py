"""Sessions and their samples over the API."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cloud.series.port import Point
from cloud.store.tables import sessions
from cloud.web.services import Services
from tests.support.web_world import NOON, World, a_world, driver, operator, worker

ACCEPTED = {"status": "Accepted"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        yield made


def me(world: World) -> str:
    return world.people["driver@colonnina.test"]


def test_a_driver_starts_with_the_code_of_an_evse(world: World) -> None:
    with worker(world, ACCEPTED) as seen:
        answer = driver(world).post("/api/v1/sessions", {"evse": world.code("cs-1", 2)})
    session = answer.json
    assert answer.status_code == 202
    assert answer.headers["Location"] == f"/api/v1/sessions/{session['id']}"
    assert (session["state"], session["station"], session["evse"]) == ("pending", "cs-1", 2)
    assert session["driver"] == me(world)
    assert [(call["action"], call["evseId"]) for call in seen] == [("RequestStartTransaction", 2)]


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda world: world.add_session(), "occupied"),
        (lambda world: world.set_status("cs-1", 1, "Faulted"), "inoperative"),
        (lambda world: world.pass_time(hours=1), "offline"),
        (lambda world: None, "rejected"),
    ],
)
def test_a_start_that_cannot_be_is_409_with_the_reason(world: World, make: Any, reason: str) -> None:
    make(world)
    with worker(world, {"status": "Rejected"}):
        answer = driver(world).post("/api/v1/sessions", {"evse": "cs-1:1"})
    assert (answer.status_code, answer.json["reason"]) == (409, reason)
    assert answer.content_type == "application/problem+json"


@pytest.mark.parametrize("body", [{"evse": "cs-9:1"}, {"evse": "QQQQQQ"}, {"evse": "cs-1:1", "connector": 7}])
def test_a_start_at_what_is_not_there_is_404(world: World, body: dict[str, Any]) -> None:
    assert driver(world).post("/api/v1/sessions", body).status_code == 404


def test_a_driver_sees_and_stops_own_sessions_only(world: World) -> None:
    own, other = world.add_session(driver=me(world)), world.add_session(driver="somebody else", evse=2)
    someone = driver(world)
    assert [session["id"] for session in someone.get("/api/v1/sessions").json["sessions"]] == [own]
    assert someone.get(f"/api/v1/sessions/{own}").json["id"] == own
    assert someone.get(f"/api/v1/sessions/{other}").status_code == 404
    assert someone.get(f"/api/v1/sessions/{other}/samples").status_code == 404
    assert someone.post(f"/api/v1/sessions/{other}/stop").status_code == 404
    with worker(world, ACCEPTED) as seen:
        assert someone.post(f"/api/v1/sessions/{own}/stop").status_code == 202
    assert seen == [{"action": "RequestStopTransaction", "transactionId": f"tx-{own}"}]


def test_an_operator_sees_and_stops_all(world: World) -> None:
    session = world.add_session(driver="somebody")
    with worker(world, ACCEPTED):
        assert operator(world).post(f"/api/v1/sessions/{session}/stop").status_code == 202
    over = world.add_session(state="ended", evse=2)
    answer = operator(world).post(f"/api/v1/sessions/{over}/stop")
    assert (answer.status_code, answer.json["reason"]) == (409, "ended")


def test_sessions_come_newest_first_and_part_by_part(world: World) -> None:
    made = []
    for _ in range(5):
        made.append(world.add_session(state="ended"))
        world.pass_time(minutes=1)
    someone, seen, path = operator(world), [], "/api/v1/sessions?limit=2"
    parts = 0
    while path:
        answer = someone.get(path).json
        seen += [session["id"] for session in answer["sessions"]]
        parts += 1
        path = answer["next"] and f"/api/v1/sessions?limit=2&cursor={answer['next']}"
    assert (seen, parts) == (made[::-1], 3)


def test_sessions_are_found_by_state_station_and_time(world: World) -> None:
    first = world.add_session(state="ended", started_at=NOON - timedelta(hours=2))
    second = world.add_session("cs-2", state="failed", started_at=None)
    someone = operator(world)

    def found(query: str) -> list[str]:
        return [session["id"] for session in someone.get(f"/api/v1/sessions?{query}").json["sessions"]]

    assert found("status=ended") == [first]
    assert found("status=ended,failed") == found("status=ended&status=failed") == [second, first]
    assert found("station=cs-2") == [second]
    assert found("from=2026-11-23T11:00:00Z") == [second]
    assert found("to=2026-11-23T12:30:00%2B01:00") == [first]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("status=eaten", "status[0]"),
        ("limit=0", "limit"),
        ("limit=x", "limit"),
        ("from=today", "from"),
        ("page=2", "page"),
    ],
)
def test_a_wrong_filter_is_refused_by_name(world: World, query: str, field: str) -> None:
    answer = operator(world).get(f"/api/v1/sessions?{query}")
    assert (answer.status_code, [error["field"] for error in answer.json["errors"]]) == (422, [field])


def test_sessions_are_exported_as_csv_without_formulas(world: World) -> None:
    for number in range(60):
        world.add_session(
            state="ended", stop_reason='=HYPERLINK("x")', flags="register_jumped,no_start", energy_wh=number
        )
    answer = operator(world).get("/api/v1/sessions?status=ended", Accept="text/csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [int(row["energy_wh"]) for row in rows] == list(range(59, -1, -1))
    assert rows[0]["stop_reason"] == '\'=HYPERLINK("x")'
    assert (rows[0]["flags"], rows[0]["complete"], rows[0]["ended_at"]) == ("register_jumped no_start", "false", "")


def test_an_export_is_whole_unless_a_limit_is_given(world: World) -> None:
    moments = {"created_at": world.now, "updated_at": world.now}
    rows = [{"id": f"s{number}", "station": "cs-1", "state": "ended", **moments} for number in range(2_001)]
    with world.store.write() as connection:
        connection.execute(insert(sessions), rows)
    someone = operator(world)
    assert len(someone.get("/api/v1/sessions", Accept="text/csv").text.splitlines()) == 1 + 2_001
    assert len(someone.get("/api/v1/sessions?limit=3", Accept="text/csv").text.splitlines()) == 1 + 3


def a_measured_session(world: World) -> str:
    services: Services = world.services
    for minute in range(-5, 15):
        fields = {"power_w": 7000.0 + minute, "soc_pct": 50.0}
        services.series.write([Point("cs-1", 1, NOON + timedelta(minutes=minute), fields)])
    return world.add_session(state="ended", driver=me(world), ended_at=NOON + timedelta(minutes=10))


def test_samples_are_those_of_the_session_and_no_wider(world: World) -> None:
    session = a_measured_session(world)
    path = f"/api/v1/sessions/{session}/samples?measurand=power_w&from=2026-11-23T00:00:00Z&to=2026-11-24T00:00:00Z"
    samples = driver(world).get(path).json["samples"]
    assert [sample["value"] for sample in samples] == [7000.0 + minute for minute in range(11)]
    assert samples[0] == {"t": "2026-11-23T12:00:00.000Z", "value": 7000.0, "unit": "W", "measurand": "power_w"}


def test_samples_of_all_measurands_are_narrowed_by_time(world: World) -> None:
    session = a_measured_session(world)
    path = f"/api/v1/sessions/{session}/samples?from=2026-11-23T12:03:00Z&to=2026-11-23T12:04:00Z"
    found = [(sample["measurand"], sample["unit"]) for sample in operator(world).get(path).json["samples"]]
    assert found == [("power_w", "W"), ("power_w", "W"), ("soc_pct", "%"), ("soc_pct", "%")]


def test_a_measurand_that_does_not_exist_is_refused(world: World) -> None:
    answer = operator(world).get(f"/api/v1/sessions/{a_measured_session(world)}/samples?measurand=speed_kmh")
    assert answer.status_code == 422
