"""The audit trail: who did what, from where, and how it went; and never a secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.web_world import PASSWORD, World, a_world, admin, client, driver, operator, worker

AUDIT = "/api/v1/audit"
CONTROLLER = {"id": "lc-1", "name": "Garage", "stations": ["cs-1"]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        yield made


def trail(world: World, query: str = "") -> list[dict[str, Any]]:
    return list(admin(world).get(f"{AUDIT}{query}").json["audit"])


def test_what_is_done_is_written_down_with_who_and_from_where(world: World) -> None:
    boss = admin(world)
    boss.post("/api/v1/controllers", CONTROLLER)
    world.pass_time(minutes=1)
    operator(world).delete("/api/v1/stations/cs-1")
    boss.get("/api/v1/stations")
    assert trail(world) == [
        {
            "at": "2026-11-23T12:01:00.000Z",
            "person": "operator@colonnina.test",
            "role": "operator",
            "address": "127.0.0.1",
            "action": "DELETE /api/v1/stations/<station>",
            "target": "station=cs-1",
            "status": 403,
            "detail": "",
        },
        {
            "at": "2026-11-23T12:00:00.000Z",
            "person": "admin@colonnina.test",
            "role": "admin",
            "address": "127.0.0.1",
            "action": "POST /api/v1/controllers",
            "target": "",
            "status": 201,
            "detail": '{"id":"lc-1","name":"Garage","stations":["cs-1"]}',
        },
    ]


def test_logins_are_written_down_without_their_password(world: World) -> None:
    someone = client(world)
    for password in (PASSWORD, "wrong"):
        someone.post("/api/v1/auth/token", {"email": "driver@colonnina.test", "password": password})
    page = someone.get("/login")
    token = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', page.text)
    assert token is not None
    form = {"email": "operator@colonnina.test", "password": PASSWORD, "csrf_token": token[1]}
    assert someone.http.post("/login", data=form).status_code == 303
    shown = [(deed["person"], deed["action"], deed["status"], deed["detail"]) for deed in trail(world)]
    assert shown == [
        ("operator@colonnina.test", "POST /login", 303, ""),
        ("driver@colonnina.test", "POST /api/v1/auth/token", 401, ""),
        ("driver@colonnina.test", "POST /api/v1/auth/token", 200, ""),
    ]


def test_no_secret_is_kept(world: World) -> None:
    someone = operator(world)
    call = {
        "setVariableData": [
            {
                "component": {"name": "SecurityCtrlr"},
                "variable": {"name": "BasicAuthPassword"},
                "attributeValue": "hunter2hunter2",
            }
        ]
    }
    with worker(world, {"setVariableResult": []}):
        someone.post("/api/v1/stations/cs-1/calls/SetVariables", call)
    someone.post("/api/v1/id-tokens", {"id_token": "98765", "type": "KeyCode"})
    details = " ".join(deed["detail"] for deed in trail(world))
    assert re.findall("hunter2|98765", details) == []
    assert [deed["target"] for deed in trail(world)] == ["", "station=cs-1, action=SetVariables"]


def test_who_is_nobody_leaves_no_trace_and_fills_no_disk(world: World) -> None:
    client(world).post("/api/v1/stations", {})
    client(world).post("/api/v1/nothing", {})
    assert trail(world) == []


def test_the_trail_is_read_in_parts_and_by_what_is_asked(world: World) -> None:
    boss = admin(world)
    for number in range(3):
        boss.post("/api/v1/controllers", {"id": f"lc-{number}"})
        world.pass_time(minutes=1)
    boss.delete("/api/v1/controllers/lc-0")
    first = boss.get(f"{AUDIT}?limit=3").json
    second = boss.get(f"{AUDIT}?limit=3&cursor={first['next']}").json
    assert ([len(part["audit"]) for part in (first, second)], second["next"]) == ([3, 1], None)
    assert [deed["target"] for deed in trail(world, "?target=controller=lc-0")] == ["controller=lc-0"]
    assert len(trail(world, "?action=POST%20/api/v1/controllers&from=2026-11-23T12:01:00Z")) == 2
    assert trail(world, "?person=nobody@colonnina.test") == trail(world, "?to=2026-11-23T12:00:00Z") == []


def test_only_an_admin_reads_it_and_nobody_changes_it(world: World) -> None:
    assert [someone.get(AUDIT).status_code for someone in (client(world), driver(world), operator(world))] == [
        401,
        403,
        403,
    ]
    assert admin(world).delete(AUDIT).status_code == 405
