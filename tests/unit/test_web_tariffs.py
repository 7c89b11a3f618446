"""Tariffs, sites and drivers over the API, and what drivers are shown of prices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert

from cloud.store.tables import preferences, sessions
from tests.support.web_world import Client, World, a_world, admin, client, driver, operator, worker

TARIFF = {"id": "day", "name": "Day", "currency": "EUR", "energy_per_kwh": 45, "start_fee": 50, "tax_pct": 22}
NIGHT = {"days": ["mon", "fri"], "from": "22:00", "to": "06:00", "energy_per_kwh": 30.25}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        yield made


def offered(someone: Client, evse: str = "cs-1:1") -> str | None:
    tariff = someone.get(f"/api/v1/evses/{evse}").json["tariff"]
    return None if tariff is None else str(tariff["id"])


# -- tariffs -----------------------------------------------------------------------------------------------------------


def test_a_tariff_is_added_and_shown_with_its_words(world: World) -> None:
    someone = operator(world)
    answer = someone.post("/api/v1/tariffs", {**TARIFF, "elements": [NIGHT]})
    assert (answer.status_code, answer.headers["Location"]) == (201, "/api/v1/tariffs/day")
    assert answer.json == {
        "id": "day",
        "name": "Day",
        "version": 1,
        "since": "2026-11-23T12:00:00.000Z",
        "created_at": "2026-11-23T12:00:00.000Z",
        "default": False,
        "currency": "EUR",
        "energy_per_kwh": 45,
        "charging_per_min": 0,
        "idle_per_min": 0,
        "idle_grace_min": 0,
        "start_fee": 50,
        "minimum": 0,
        "tax_pct": 22,
        "tax_included": True,
        "elements": [{**NIGHT, "charging_per_min": None, "idle_per_min": None}],
        "text": "0.45 EUR/kWh, 0.50 EUR to start; Mon Fri 22:00 to 06:00: 0.3025 EUR/kWh; 22 % tax included",
    }
    assert someone.get("/api/v1/tariffs/day").json == answer.json
    assert someone.get("/api/v1/tariffs").json == {"tariffs": [answer.json], "next": None}


def test_a_change_is_a_new_version_and_the_same_is_none(world: World) -> None:
    someone = operator(world)
    someone.post("/api/v1/tariffs", {**TARIFF, "elements": [NIGHT]})
    world.pass_time(hours=1)
    assert someone.patch("/api/v1/tariffs/day", {"name": "Daylight", "start_fee": 50}).json["version"] == 1
    changed = someone.patch("/api/v1/tariffs/day", {"energy_per_kwh": "40.5"}).json
    assert (changed["version"], changed["energy_per_kwh"], changed["name"]) == (2, 40.5, "Daylight")
    assert (changed["since"], len(changed["elements"])) == ("2026-11-23T13:00:00.000Z", 1)
    assert someone.patch("/api/v1/tariffs/day", {"elements": []}).json["elements"] == []


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"currency": "EUX"}, "currency"),
        ({"currency": "eur"}, "currency"),
        ({"energy_per_kwh": -1}, "energy_per_kwh"),
        ({"energy_per_kwh": 0.00001}, "energy_per_kwh"),
        ({"energy_per_kwh": 1e300}, "energy_per_kwh"),
        ({"energy_per_kwh": "NaN"}, "energy_per_kwh"),
        ({"energy_per_kwh": "much"}, "energy_per_kwh"),
        ({"tax_pct": 101}, "tax_pct"),
        ({"idle_grace_min": 1.5}, "idle_grace_min"),
        ({"name": ""}, "name"),
        ({"name": "a\u0000b"}, "name"),
        ({"id": "a b"}, "id"),
        ({"elements": [{"from": "22:10"}]}, "elements[0].from"),
        ({"elements": [{"to": "24:00"}]}, "elements[0].to"),
        ({"elements": [{"days": ["mon", "mon"]}]}, "elements[0].days"),
        ({"elements": [{"days": ["Monday"]}]}, "elements[0].days[0]"),
        ({"price": 3}, "price"),
    ],
)
def test_a_wrong_tariff_is_refused_by_name(world: World, wrong: dict[str, Any], field: str) -> None:
    answer = operator(world).post("/api/v1/tariffs", {**TARIFF, **wrong})
    assert (answer.status_code, [error["field"] for error in answer.json["errors"]]) == (422, [field])
    assert answer.content_type == "application/problem+json"


def test_an_id_that_is_taken_is_409_and_one_that_is_not_there_404(world: World) -> None:
    someone = operator(world)
    someone.post("/api/v1/tariffs", TARIFF)
    assert someone.post("/api/v1/tariffs", TARIFF).status_code == 409
    assert someone.get("/api/v1/tariffs/night").status_code == 404
    assert someone.patch("/api/v1/tariffs/night", {"start_fee": 1}).status_code == 404


@pytest.mark.parametrize("path", ["tariffs", "sites", "drivers", "tariffs/x", "sites/x", "drivers/x"])
def test_prices_sites_and_drivers_are_for_operators(world: World, path: str) -> None:
    assert client(world).get(f"/api/v1/{path}").status_code == 401
    assert driver(world).get(f"/api/v1/{path}").status_code == 403
    expected = 404 if "/" in path else 200
    assert [someone.get(f"/api/v1/{path}").status_code for someone in (operator(world), admin(world))] == [expected] * 2


def test_drivers_change_no_prices(world: World) -> None:
    someone = driver(world)
    assert someone.post("/api/v1/tariffs", TARIFF).status_code == 403
    for path in ("tariffs/day", "sites/x", "stations/cs-1", "evses/cs-1:1"):
        assert someone.patch(f"/api/v1/{path}", {"tariff": None}).status_code == 403


# -- where they are in force -------------------------------------------------------------------------------------------


def test_the_narrowest_place_decides(world: World) -> None:
    someone = operator(world)
    assert offered(someone) is None
    for key in ("default", "site", "station", "evse"):
        someone.post("/api/v1/tariffs", {**TARIFF, "id": key, "default": key == "default"})
    assert offered(someone) == "default"
    someone.post("/api/v1/sites", {"id": "home", "name": "Home", "tariff": "site", "stations": ["cs-1"]})
    assert offered(someone) == "site"
    assert someone.patch("/api/v1/stations/cs-1", {"tariff": "station"}).json == {
        "id": "cs-1",
        "site": "home",
        "tariff": "station",
    }
    assert offered(someone) == "station"
    code = world.code("cs-1", 1)
    assert someone.patch(f"/api/v1/evses/{code}", {"tariff": "evse"}).json == {"id": "cs-1:1", "tariff": "evse"}
    assert (offered(someone), offered(someone, "cs-1:2")) == ("evse", "station")
    someone.patch("/api/v1/evses/cs-1:1", {"tariff": None})
    someone.patch("/api/v1/stations/cs-1", {"tariff": None, "site": None})
    assert offered(someone) == "default"
    assert someone.patch("/api/v1/tariffs/default", {"default": False}).json["default"] is False
    assert offered(someone) is None


def test_a_place_or_a_tariff_that_is_not_there_is_refused(world: World) -> None:
    someone = operator(world)
    for path in ("evses/cs-1:1", "stations/cs-1"):
        answer = someone.patch(f"/api/v1/{path}", {"tariff": "none"})
        assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, "tariff")
    assert someone.patch("/api/v1/stations/cs-1", {"site": "none"}).status_code == 422
    assert someone.patch("/api/v1/evses/cs-9:1", {"tariff": None}).status_code == 404
    assert someone.patch("/api/v1/stations/cs-9", {"site": None}).status_code == 404
    assert someone.patch("/api/v1/evses/cs-1:1", {}).status_code == 422


def test_a_station_that_is_registered_again_has_no_tariff_of_its_own(world: World) -> None:
    someone = admin(world)
    someone.post("/api/v1/tariffs", TARIFF)
    someone.patch("/api/v1/stations/cs-1", {"tariff": "day"})
    someone.patch("/api/v1/evses/cs-1:1", {"tariff": "day"})
    assert someone.delete("/api/v1/stations/cs-1").status_code == 204
    world.add_station()
    assert offered(someone) is None


def test_a_driver_sees_the_price_of_the_moment_before_starting(world: World) -> None:
    someone = operator(world)
    someone.post("/api/v1/tariffs", {**TARIFF, "default": True, "elements": [NIGHT]})
    someone.post("/api/v1/sites", {"id": "tokyo", "name": "Tokyo", "time_zone": "Asia/Tokyo", "stations": ["cs-1"]})
    world.pass_time(hours=1)  # 22:00 there
    tariff = driver(world).get("/api/v1/evses/cs-1:1").json["tariff"]
    assert tariff["now"] == {"energy_per_kwh": 30.25, "charging_per_min": 0, "idle_per_min": 0}
    assert (tariff["time_zone"], tariff["currency"], tariff["text"][:12]) == ("Asia/Tokyo", "EUR", "0.45 EUR/kWh")
    page = client(world).http.get(f"/e/{world.code('cs-1', 1)}")
    assert "0.45 EUR/kWh, 0.50 EUR to start" in page.text


# -- sites -------------------------------------------------------------------------------------------------------------


def test_a_site_is_added_and_changed(world: World) -> None:
    someone = operator(world)
    site = {"id": "home", "name": "Home", "address": "Via Roma 1", "latitude": 45.5, "longitude": 9.2}
    answer = someone.post("/api/v1/sites", {**site, "time_zone": "Europe/Rome"})
    assert answer.status_code == 201
    assert answer.json == {**site, "time_zone": "Europe/Rome", "tariff": None, "stations": []}
    changed = someone.patch("/api/v1/sites/home", {"stations": ["cs-1"], "latitude": None, "longitude": None}).json
    assert (changed["stations"], changed["latitude"], changed["name"]) == (["cs-1"], None, "Home")
    assert someone.get("/api/v1/stations/cs-1").json["site"] == "home"
    assert someone.patch("/api/v1/sites/home", {"stations": []}).json["stations"] == []
    assert [site["id"] for site in someone.get("/api/v1/sites").json["sites"]] == ["home"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"time_zone": "Mars/Olympus"},
        {"time_zone": "../../etc/passwd"},
        {"latitude": 91, "longitude": 0},
        {"latitude": 45},
        {"stations": ["cs-9"]},
        {"tariff": "none"},
    ],
)
def test_a_wrong_site_is_refused_and_nothing_of_it_is_kept(world: World, wrong: dict[str, Any]) -> None:
    someone = operator(world)
    assert someone.post("/api/v1/sites", {"id": "home", "name": "Home", **wrong}).status_code == 422
    assert someone.get("/api/v1/sites").json["sites"] == []
    someone.post("/api/v1/sites", {"id": "home", "name": "Home"})
    before = someone.get("/api/v1/sites/home").json
    assert someone.patch("/api/v1/sites/home", {"name": "New", **wrong}).status_code == 422
    assert someone.get("/api/v1/sites/home").json == before


def test_lists_come_part_by_part(world: World) -> None:
    someone = operator(world)
    for name in ("a", "b", "c"):
        someone.post("/api/v1/sites", {"id": name, "name": name})
        someone.post("/api/v1/tariffs", {**TARIFF, "id": name})
        someone.post("/api/v1/drivers", {"email": f"{name}@example.org"})
        world.pass_time(seconds=1)
    for kind, count in (("sites", 3), ("tariffs", 3), ("drivers", 4)):
        seen: list[str] = []
        cursor = ""
        while cursor is not None:
            answer = someone.get(f"/api/v1/{kind}?limit=2{cursor}").json
            seen += [one["id"] for one in answer[kind]]
            cursor = answer["next"] and f"&cursor={answer['next']}"
        assert (len(seen), seen) == (count, sorted(seen))


# -- drivers -----------------------------------------------------------------------------------------------------------


def test_a_driver_is_added_with_a_card_and_may_log_in(world: World) -> None:
    someone = operator(world)
    answer = someone.post(
        "/api/v1/drivers",
        {"email": "Ann@Example.org", "name": "Ann", "id_tokens": [{"id_token": "04:a1:b2:c3"}]},
    )
    made = answer.json
    assert (answer.status_code, made["email"], made["name"]) == (201, "ann@example.org", "Ann")
    assert made["id_tokens"] == [{"id_token": "04A1B2C3", "type": "ISO14443"}]
    password = made.pop("password")
    credentials = {"email": "ann@example.org", "password": password}
    assert client(world).post("/api/v1/auth/token", credentials).json["role"] == "driver"
    assert someone.get(f"/api/v1/drivers/{made['id']}").json == made
    assert someone.get(answer.headers["Location"]).json == made


def test_a_password_that_was_given_is_not_shown(world: World) -> None:
    answer = operator(world).post("/api/v1/drivers", {"email": "ann@example.org", "password": "long enough"})
    assert (answer.status_code, answer.json["password"]) == (201, None)


def test_a_driver_or_a_card_that_is_there_already_is_409(world: World) -> None:
    someone = operator(world)
    someone.post("/api/v1/drivers", {"email": "ann@example.org", "id_tokens": [{"id_token": "04A1B2C3"}]})
    assert someone.post("/api/v1/drivers", {"email": "ann@example.org"}).status_code == 409
    answer = someone.post("/api/v1/drivers", {"email": "bob@example.org", "id_tokens": [{"id_token": "04A1B2C3"}]})
    assert (answer.status_code, answer.json["reason"]) == (409, "token_taken")
    assert len(someone.get("/api/v1/drivers").json["drivers"]) == 2


@pytest.mark.parametrize(
    "wrong",
    [{"email": "ann"}, {"email": "a\u0000@b"}, {"password": "short"}, {"id_tokens": [{"id_token": "xyz"}]}],
)
def test_a_wrong_driver_is_refused(world: World, wrong: dict[str, Any]) -> None:
    assert operator(world).post("/api/v1/drivers", {"email": "ann@example.org", **wrong}).status_code == 422


# -- the state of charge that is typed ---------------------------------------------------------------------------------


def has_battery(world: World, kwh: float = 50.0) -> str:
    me = world.people["driver@colonnina.test"]
    with world.store.write() as connection:
        connection.execute(insert(preferences).values(user=me, battery_kwh=kwh))
    return me


def test_who_starts_may_say_how_full_the_battery_is(world: World) -> None:
    has_battery(world)
    with worker(world, {"status": "Accepted"}):
        session = driver(world).post("/api/v1/sessions", {"evse": "cs-1:1", "soc_pct": 35.5}).json
    assert (session["soc_pct"], session["soc_source"]) == (35.5, "estimated")


def test_without_the_size_of_the_battery_it_is_refused(world: World) -> None:
    answer = driver(world).post("/api/v1/sessions", {"evse": "cs-1:1", "soc_pct": 35})
    assert (answer.status_code, answer.json["reason"]) == (409, "battery_unknown")
    assert driver(world).get("/api/v1/sessions").json["sessions"] == []
    assert driver(world).post("/api/v1/sessions", {"evse": "cs-1:1", "soc_pct": 101}).status_code == 422


def test_a_driver_may_say_it_later_of_an_own_session_that_is_not_over(world: World) -> None:
    me = has_battery(world)
    own = world.add_session(driver=me, soc_pct=None)
    answer = driver(world).patch(f"/api/v1/sessions/{own}", {"soc_pct": 40})
    assert (answer.status_code, answer.json["soc_pct"], answer.json["soc_source"]) == (200, 40.0, "estimated")
    other = world.add_session(driver="somebody", evse=2)
    assert driver(world).patch(f"/api/v1/sessions/{other}", {"soc_pct": 40}).status_code == 404
    over = world.add_session(driver=me, state="ended", evse=2)
    assert driver(world).patch(f"/api/v1/sessions/{over}", {"soc_pct": 40}).status_code == 409
    assert driver(world).patch(f"/api/v1/sessions/{own}", {}).status_code == 422


def test_what_the_vehicle_tells_counts_for_more(world: World) -> None:
    own = world.add_session(driver=has_battery(world), soc_pct=60.0, soc_source="measured")
    answer = driver(world).patch(f"/api/v1/sessions/{own}", {"soc_pct": 40})
    assert (answer.json["soc_pct"], answer.json["soc_source"]) == (60.0, "measured")


def test_a_session_without_a_tariff_has_an_empty_receipt(world: World) -> None:
    shown = operator(world).get(f"/api/v1/sessions/{world.add_session()}").json
    wanted = ("cost", "currency", "tariff", "cost_tax", "cost_items")
    assert [shown[name] for name in wanted] == [None, None, None, None, []]


def test_costs_are_in_the_export(world: World) -> None:
    world.add_session(state="ended", cost=1234, currency="EUR")
    header, line = operator(world).get("/api/v1/sessions", Accept="text/csv").text.splitlines()
    row = dict(zip(header.split(","), line.split(","), strict=True))
    assert (row["cost"], row["currency"]) == ("1234", "EUR")
    assert set(row) - {column.name for column in sessions.columns} == set()


def test_the_description_shows_prices(world: World) -> None:
    paths = client(world).get("/api/openapi.json").json["paths"]
    for path in ("tariffs", "tariffs/{tariff}", "sites", "sites/{site}", "drivers", "drivers/{driver}"):
        assert "get" in paths[f"/api/v1/{path}"]
