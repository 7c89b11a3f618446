"""Local Controllers over the API."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.web_world import World, a_world, admin, client, driver, operator

PATH = "/api/v1/controllers"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        for station in ("cs-1", "cs-2"):
            made.add_station(station)
        yield made


def test_a_controller_gets_its_credentials_once(world: World) -> None:
    boss = admin(world)
    answer = boss.post(PATH, {"id": "lc-1", "name": "Garage", "stations": ["cs-2", "cs-1"]})
    assert (answer.status_code, answer.headers["Location"]) == (201, f"{PATH}/lc-1")
    file = tomllib.loads(answer.json["provisioning"])
    assert file["controller"] == {"id": "lc-1"}
    assert (file["broker"]["username"], file["broker"]["password"]) == ("lc-1", answer.json["password"])
    shown = {
        "id": "lc-1",
        "name": "Garage",
        "stations": ["cs-1", "cs-2"],
        "registered_at": "2026-11-23T12:00:00.000Z",
    }
    assert boss.get(f"{PATH}/lc-1").json == shown
    assert boss.get(PATH).json == {"controllers": [shown], "next": None}


def test_where_accounts_are_made_by_hand_the_answer_says_what_to_do(world: World) -> None:
    boss = admin(world)
    assert boss.post(PATH, {"id": "lc-1"}).json["advice"].split(".")[0] == (
        "This CSMS does not manage the broker's accounts ([accounts] manager in its configuration)"
    )


def test_what_cannot_be_is_refused(world: World) -> None:
    boss = admin(world)
    boss.post(PATH, {"id": "lc-1", "stations": ["cs-1"]})
    assert boss.post(PATH, {"id": "lc-1"}).json["reason"] == "exists"
    assert boss.post(PATH, {"id": "lc-2", "stations": ["cs-1"]}).json["reason"] == "elsewhere"
    assert boss.post(PATH, {"id": "lc-2", "stations": ["cs-9"]}).status_code == 404
    assert boss.post(PATH, {"id": "csms"}).json["reason"] == "reserved"
    assert boss.post(PATH, {"id": "a/b"}).status_code == 422


def test_a_controller_is_removed_and_its_stations_stay(world: World) -> None:
    boss = admin(world)
    boss.post(PATH, {"id": "lc-1", "stations": ["cs-1"]})
    assert boss.delete(f"{PATH}/lc-1").status_code == 204
    assert boss.delete(f"{PATH}/lc-1").status_code == 404
    assert boss.get(f"{PATH}/lc-1").status_code == 404
    assert boss.get("/api/v1/stations/cs-1").status_code == 200
    assert boss.post(PATH, {"id": "lc-1", "stations": ["cs-1"]}).status_code == 201


def test_rights(world: World) -> None:
    admin(world).post(PATH, {"id": "lc-1"})
    for someone, reads, writes in (
        (client(world), 401, 401),
        (driver(world), 403, 403),
        (operator(world), 200, 403),
    ):
        assert [someone.get(PATH).status_code, someone.get(f"{PATH}/lc-1").status_code] == [reads] * 2
        answers = [
            someone.post(PATH, {"id": "lc-2"}),
            someone.post(f"{PATH}/lc-1/credentials"),
            someone.post("/api/v1/stations/cs-1/credentials"),
            someone.delete(f"{PATH}/lc-1"),
        ]
        assert [answer.status_code for answer in answers] == [writes] * 4


def test_a_new_password_is_answered_once(world: World) -> None:
    boss = admin(world)
    first = boss.post(PATH, {"id": "lc-1"}).json["password"]
    second = boss.post(f"{PATH}/lc-1/credentials")
    assert second.status_code == 200
    assert second.json["password"] != first
    assert boss.post(f"{PATH}/lc-9/credentials").status_code == 404
