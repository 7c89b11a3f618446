"""The application as a whole: errors, headers, health, its description, and the operator's chart."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cloud import web
from cloud.series.port import Point, Value
from cloud.web.app import MAX_BODY
from cloud.web.power import Drawn
from tests.support.web_world import NOON, World, a_world, admin, client, driver, operator

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        yield made


@pytest.mark.parametrize(
    ("data", "kind", "status", "detail"),
    [
        ("{no", "application/json", 400, "the body is not JSON: .*"),
        ('{"evse": 5}', "application/json", 422, "evse: Input should be a valid string"),
        ("{}", "application/json", 422, "evse: Field required"),
        ("", "application/json", 422, "evse: Field required"),
        ("[]", "application/json", 422, "body: Input should be an object"),
        ('{"evse": "a", "x": 1}', "application/json", 422, "x: there is no such field"),
        ('{"evse": "a", "connector": NaN}', "application/json", 422, "connector: .*"),
        ("[" * 100_000, "application/json", 400, "the body is not JSON: .*"),
        ("evse=5", "text/plain", 415, "send JSON, with Content-Type: application/json, not text/plain"),
        ("x" * (MAX_BODY + 1), "application/json", 413, ".*"),
    ],
)
def test_a_body_that_cannot_be_used_says_why(world: World, data: str, kind: str, status: int, detail: str) -> None:
    someone = driver(world)
    headers = {"Authorization": f"Bearer {someone.token}", "Content-Type": kind}
    answer = someone.http.post("/api/v1/sessions", data=data, headers=headers)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert sorted(answer.json.keys() - {"reason", "errors"}) == ["detail", "status", "title"]
    assert re.fullmatch(detail, answer.json["detail"])


def test_an_address_that_is_none_is_a_problem_for_programs_and_a_page_for_people(world: World) -> None:
    someone = client(world)
    answer = someone.get("/api/v1/nothing", Accept="text/html")
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    answer = someone.get("/nothing", Accept="text/html")
    assert (answer.status_code, answer.content_type) == (404, "text/html; charset=utf-8")
    assert client(world).http.put("/api/v1/stations").status_code == 405


def test_every_answer_forbids_foreign_origins_and_inline_code(world: World) -> None:
    for path in ("/login", "/api/v1/stations", "/static/style.css", "/nothing"):
        with client(world).get(path) as answer:
            headers = answer.headers
        policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
        assert (policy["default-src"], policy["frame-ancestors"]) == ("'self'", "'none'")
        assert policy.keys() == {"default-src", "img-src", "object-src", "base-uri", "form-action", "frame-ancestors"}
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "same-origin"


def test_no_page_has_inline_code_or_style() -> None:
    pages = sorted((Path(web.__file__).parent / "templates").glob("*.html"))
    assert pages
    for page in pages:
        text = page.read_text()
        assert re.findall(r"<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|javascript:", text) == [], page


def test_readiness_tells_of_every_part(world: World) -> None:
    someone = client(world)
    assert someone.get("/healthz").json == {"status": "ok"}
    answer = someone.get("/readyz")
    assert (answer.status_code, answer.json["status"]) == (200, "ok")
    world.parts["broker"] = "not connected"
    answer = someone.get("/readyz")
    assert answer.status_code == 503
    assert answer.json == {"status": "unavailable", "parts": {"database": "ok", "broker": "not connected"}}


def test_metrics_count_requests_by_route_and_the_network(world: World) -> None:
    world.add_session()
    someone = operator(world)
    someone.get("/api/v1/stations/cs-1")
    lines = someone.get("/metrics").text.splitlines()
    for line in (
        'colonnina_stations{online="true"} 1.0',
        'colonnina_evses{status="available"} 1.0',
        'colonnina_sessions{state="charging"} 1.0',
        'colonnina_http_requests_total{method="GET",route="/api/v1/stations/<station>",status="200"} 1.0',
    ):
        assert lines.count(line) == 1


def test_the_description_covers_the_api_and_its_pages_are_our_own(world: World) -> None:
    someone = client(world)
    described = someone.get("/api/openapi.json").json
    rules = someone.http.application.url_map.iter_rules()
    served = {re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", rule.rule) for rule in rules if rule.rule.startswith("/api/v1/")}
    assert set(described["paths"]) == served | {"/api/v1/events"}
    for path in described["paths"].values():
        for operation in path.values():
            assert operation["summary"]
            for status, answer in operation["responses"].items():
                assert int(status) < 400 or "application/json" not in answer.get("content", {})
    assert someone.get("/api/docs").status_code == 200
    with someone.get("/api/docs/swagger_bundle.js") as answer:
        assert answer.status_code == 200


def test_answers_are_as_they_are_described(world: World) -> None:
    session = world.add_session(driver=world.people["driver@colonnina.test"])
    world.series.write([Point("cs-1", 1, NOON, {"power_w": 1.0})])
    described = client(world).get("/api/openapi.json").json
    paths = {
        "/api/v1/stations": "/api/v1/stations",
        "/api/v1/stations/{station}": "/api/v1/stations/cs-1",
        "/api/v1/evses/{evse}": "/api/v1/evses/cs-1:1",
        "/api/v1/sessions": "/api/v1/sessions",
        "/api/v1/sessions/{session}": f"/api/v1/sessions/{session}",
        "/api/v1/sessions/{session}/samples": f"/api/v1/sessions/{session}/samples",
    }
    for someone in (driver(world), operator(world), admin(world)):
        for path, address in paths.items():
            schema = described["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
            jsonschema.validate(someone.get(address).json, schema | {"components": described["components"]})


def test_a_page_that_needs_a_right_is_refused_to_others(world: World) -> None:
    assert operator(world).get("/operator").status_code == 200
    assert driver(world).get("/operator", Accept="text/html").status_code == 403
    assert client(world).get("/operator").headers["Location"] == "/login?next=%2Foperator"


def test_the_chart_starts_with_the_power_of_the_last_ten_minutes(world: World) -> None:
    start = NOON - timedelta(minutes=5)
    world.add_session(started_at=start)
    world.add_session(evse=2, started_at=NOON - timedelta(hours=1), ended_at=NOON - timedelta(hours=1), state="ended")
    for seconds in range(0, 300, 10):
        world.series.write([Point("cs-1", 1, start + timedelta(seconds=seconds), {"power_w": 7000.0})])
    answer = operator(world).get("/operator/power").json
    assert (answer["times"][0], answer["times"][-1]) == (NOON.timestamp() - 600, NOON.timestamp())
    assert answer["stations"] == {"cs-1": [0.0] * 60 + [7000.0] * 61}


def value(seconds: float, power_w: float) -> Value:
    return Value(NOON + timedelta(seconds=seconds), power_w)


@pytest.mark.parametrize(
    ("values", "ended_s", "row"),
    [
        ([value(0, 5.0)], None, [5.0, 5.0, 5.0, 5.0, 0.0]),  # a sample is good for 90 s
        ([value(10, 5.0), value(50, 7.0)], None, [0.0, 5.0, 7.0, 7.0, 7.0]),
        ([value(0, 5.0), value(60, 7.0)], 60, [5.0, 5.0, 0.0, 0.0, 0.0]),
        ([], None, [0.0] * 5),
    ],
)
def test_a_sample_stands_until_the_next_one_or_the_end(values: Any, ended_s: float | None, row: list[float]) -> None:
    drawn = Drawn(NOON, NOON + timedelta(seconds=120), timedelta(seconds=30))
    drawn.add("cs-1", values, None if ended_s is None else NOON + timedelta(seconds=ended_s))
    assert drawn.stations == {"cs-1": row}


def test_sessions_of_one_station_add_up() -> None:
    drawn = Drawn(NOON, NOON + timedelta(seconds=10), timedelta(seconds=10))
    drawn.add("cs-1", [value(0, 5.0)], None)
    drawn.add("cs-1", [value(10, 7.0)], None)
    assert (drawn.times, drawn.stations) == ([1795435200, 1795435210], {"cs-1": [5.0, 12.0]})


def test_anybody_may_look_at_an_evse_and_a_login_comes_back_to_it(world: World) -> None:
    code = world.code("cs-1", 1)
    page = client(world).get(f"/e/{code}")
    assert page.status_code == 200
    assert re.search(f'href="/login\\?next=/e/{code}"', page.text)
    assert client(world).get("/e/QQQQQQ").status_code == 404


def test_a_code_that_is_typed_leads_to_its_page(world: World) -> None:
    code = world.code("cs-1", 1)
    assert driver(world).get(f"/e?code={code.lower()}").headers["Location"] == f"/e/{code}"
    answer = driver(world).get("/e?code=QQ")
    assert answer.status_code == 404
    assert re.search("look at the sticker", answer.text)
