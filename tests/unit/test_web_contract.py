"""The contract of the API (what others rely on), row by row: who may do what, and that OpenAPI tells of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from cloud.series.port import Point
from tests.support.web_world import NOON, World, a_world, client, worker

ROLES = (None, "driver", "operator", "admin")


class Row(NamedTuple):
    """One call, and the status that each role is answered, in the order of `ROLES`."""

    method: str
    path: str
    body: Any
    statuses: tuple[int, int, int, int]


NEW = {"id": "cs-9", "evses": [{"number": 1, "connectors": [{"number": 1, "type": "Type2"}]}]}
CARD = {"id_token": "04A1B2C3", "type": "ISO14443"}
#: In this order, on one network for each role: what is taken away is so at the end.
ROWS = (
    Row("POST", "/auth/token", {"email": "nobody@colonnina.test", "password": "wrong"}, (401, 401, 401, 401)),
    Row("GET", "/stations", None, (401, 200, 200, 200)),
    Row("GET", "/stations/cs-1", None, (401, 200, 200, 200)),
    Row("POST", "/stations", NEW, (401, 403, 403, 201)),
    Row("GET", "/evses/cs-1:1", None, (401, 200, 200, 200)),
    Row("GET", "/sessions", None, (401, 200, 200, 200)),
    Row("GET", "/sessions/{mine}", None, (401, 200, 200, 200)),
    Row("GET", "/sessions/{others}", None, (401, 404, 200, 200)),
    Row("GET", "/sessions/{mine}/samples", None, (401, 200, 200, 200)),
    Row("GET", "/sessions/{others}/samples", None, (401, 404, 200, 200)),
    Row("POST", "/sessions", {"evse": "cs-1:2"}, (401, 202, 202, 202)),
    Row("POST", "/sessions/{mine}/stop", None, (401, 202, 202, 202)),
    Row("POST", "/sessions/{others}/stop", None, (401, 404, 202, 202)),
    Row("GET", "/me/preferences", None, (401, 200, 200, 200)),
    Row("PUT", "/me/preferences", {"soc_threshold_pct": 70}, (401, 200, 200, 200)),
    Row("GET", "/me/notifications", None, (401, 200, 200, 200)),
    Row("POST", "/stations/cs-1/calls/Reset", {"type": "OnIdle"}, (401, 403, 200, 200)),
    Row("GET", "/stations/cs-1/frames", None, (401, 403, 200, 200)),
    Row("GET", "/stations/cs-1/variables", None, (401, 403, 200, 200)),
    Row("POST", "/id-tokens", CARD, (401, 403, 201, 201)),
    Row("GET", "/id-tokens", None, (401, 403, 200, 200)),
    Row("PATCH", "/id-tokens/04A1B2C3", {"status": "Blocked"}, (401, 403, 200, 200)),
    Row("DELETE", "/id-tokens/04A1B2C3", None, (401, 403, 204, 204)),
    Row("GET", "/drivers", None, (401, 403, 200, 200)),
    Row("POST", "/drivers", {"email": "new@colonnina.test", "password": "a good password"}, (401, 403, 201, 201)),
    Row("GET", "/tariffs", None, (401, 403, 200, 200)),
    Row("POST", "/tariffs", {"name": "plain", "currency": "EUR", "energy_per_kwh": "45"}, (401, 403, 201, 201)),
    Row("GET", "/sites", None, (401, 403, 200, 200)),
    Row("POST", "/sites", {"name": "Rome"}, (401, 403, 201, 201)),
    Row("GET", "/controllers", None, (401, 403, 200, 200)),
    Row("POST", "/controllers", {"id": "lc-1"}, (401, 403, 403, 201)),
    Row("GET", "/audit", None, (401, 403, 403, 200)),
    Row("DELETE", "/stations/cs-8", None, (401, 403, 403, 204)),
)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        made.add_station("cs-8")
        yield made


@pytest.mark.parametrize("role", ROLES)
def test_every_row_answers_each_role_as_agreed(world: World, role: str | None) -> None:
    mine = world.add_session(driver=world.people["driver@colonnina.test"])
    others = world.add_session(driver=world.people["operator@colonnina.test"])
    world.series.write([Point("cs-1", 1, NOON, {"energy_wh": 1_000.0, "power_w": 7_000.0})])
    someone = client(world, role and f"{role}@colonnina.test")
    answered = {}
    with worker(world, {"status": "Accepted"}):
        for row in ROWS:
            path = f"/api/v1{row.path.format(mine=mine, others=others)}"
            method = getattr(someone, row.method.lower())
            answer = method(path) if row.body is None else method(path, row.body)
            answered[row.method, row.path] = answer.status_code
    assert answered == {(row.method, row.path): row.statuses[ROLES.index(role)] for row in ROWS}


def test_every_row_is_in_the_description(world: World) -> None:
    described = client(world).get("/api/openapi.json").json["paths"]
    shapes = {(method.upper(), _shape(path)) for path, methods in described.items() for method in methods}
    assert [row for row in ROWS if (row.method, _shape(f"/api/v1{row.path}")) not in shapes] == []
    assert "get" in described["/api/v1/events"]


def _shape(path: str) -> str:
    """What is the same in an address and in its description: the fixed words."""
    fixed = {"api", "v1", "auth", "token", "me", "calls", "stop", "samples", "frames", "variables"}
    kinds = {"stations", "evses", "sessions", "preferences", "notifications", "id-tokens", "drivers", "tariffs"}
    fixed |= kinds | {"sites", "controllers", "audit"}
    return "/".join(word if word in fixed else "*" for word in path.strip("/").split("/"))
