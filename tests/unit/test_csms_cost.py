"""Cost through the whole core: the tariff that was in force, live and final, and told to the station."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from cloud import receipt
from cloud.domain.tariffs import Element, Tariff
from cloud.store import sites, tariffs
from cloud.store.tables import sessions
from tests.support.csms_world import CARD, NOON, World, a_world, event, meter_value, metered

FLAT = Tariff("EUR", energy_per_kwh=Decimal(45), start_fee=Decimal(50))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def in_force(world: World, tariff: Tariff = FLAT, key: str = "day") -> None:
    with world.store.write() as connection:
        tariffs.create(connection, key, key, tariff, world.now)
        tariffs.place(connection, tariffs.DEFAULT, "", key, world.now)


def send(world: World, *payloads: dict[str, Any]) -> list[dict[str, Any]]:
    return [world.ask("TransactionEvent", payload) for payload in payloads]


def hourly(kind: str, seq_no: int, wh: float, **more: Any) -> dict[str, Any]:
    at = NOON + timedelta(hours=seq_no)
    return event(kind, seq_no, meter_value(at, wh), at=at, **more)


def test_a_session_shows_its_cost_while_it_runs_and_when_it_is_over(world: World) -> None:
    in_force(world)
    seen = []
    for payload in (hourly("Started", 0, 5_000), hourly("Updated", 1, 9_000), hourly("Ended", 2, 15_000)):
        send(world, payload)
        seen.append((world.session().cost, world.session().currency))
    assert seen == [(0, "EUR"), (50 + 180, "EUR"), (50 + 450, "EUR")]


def test_without_a_tariff_there_is_no_cost(world: World) -> None:
    assert send(world, hourly("Started", 0, 0), hourly("Ended", 1, 9_000)) == [{}, {}]
    row = world.session()
    assert (row.energy_wh, row.cost, row.currency, row.tariff) == (9_000, None, None, None)


def test_the_station_is_told_the_cost_of_a_session_that_is_whole(world: World) -> None:
    in_force(world)
    answers = send(world, hourly("Started", 0, 0), hourly("Updated", 1, 4_000), hourly("Ended", 2, 10_000))
    assert answers == [{}, {}, {"totalCost": 5.0}]
    assert send(world, hourly("Ended", 2, 10_000)) == [{"totalCost": 5.0}]
    assert send(world, hourly("Started", 0, 0, transaction="tx-2"), hourly("Ended", 2, 9, transaction="tx-2")) == [
        {},
        {},  # one is missing
    ]


def test_a_session_keeps_the_tariff_that_it_began_with(world: World) -> None:
    in_force(world)
    send(world, hourly("Started", 0, 0))
    world.pass_time(1800)
    with world.store.write() as connection:
        tariffs.change(connection, "day", "day", Tariff("EUR", energy_per_kwh=Decimal(90)), world.now)
    send(world, hourly("Ended", 1, 10_000))
    assert world.session().cost == 500
    at = NOON + timedelta(hours=1)
    send(world, event("Started", 0, meter_value(at, 0), at=at, transaction="tx-2"))
    send(world, hourly("Ended", 2, 10_000, transaction="tx-2"))
    assert world.session("tx-2").cost == 900


def test_a_session_that_is_told_late_has_the_tariff_of_its_time(world: World) -> None:
    in_force(world)
    world.pass_time(3 * 3600)
    with world.store.write() as connection:
        tariffs.create(connection, "new", "new", Tariff("CHF", energy_per_kwh=Decimal(90)), world.now)
        tariffs.place(connection, tariffs.EVSE, "cs-1:1", "new", world.now)
    send(world, hourly("Started", 0, 5_000, offline=True), hourly("Ended", 1, 15_000, offline=True))
    assert (world.session().cost, world.session().currency) == (500, "EUR")


def test_a_session_of_before_there_were_tariffs_costs_nothing_that_was_not_agreed(world: World) -> None:
    send(world, hourly("Started", 0, 0))
    world.pass_time(60)
    in_force(world)
    send(world, hourly("Ended", 1, 10_000))
    assert world.session().cost is None


def test_when_the_evse_is_known_late_so_is_the_tariff(world: World) -> None:
    in_force(world)
    ended, started = hourly("Ended", 1, 10_000, evse=None), hourly("Started", 0, 0)
    send(world, ended)
    assert world.session().cost is None
    send(world, started)
    assert world.session().cost == 500


def test_the_time_of_day_is_that_of_the_site(world: World) -> None:
    night = Element(from_min=13 * 60, to_min=14 * 60, energy_per_kwh=Decimal(10))
    in_force(world, Tariff("EUR", energy_per_kwh=Decimal(50), elements=(night,)))
    with world.store.write() as connection:
        sites.add(connection, "home", world.now, name="Home", time_zone="Europe/Rome")
        sites.put_station(connection, "cs-1", "home")
    send(world, hourly("Started", 0, 0), hourly("Ended", 2, 8_000))  # noon in UTC is 13:00 in Rome
    assert world.session().cost == 4 * 10 + 4 * 50
    shown = receipt.of_session(world.session())
    assert [(item["quantity"], item["price"], item["amount"]) for item in shown["cost_items"]] == [
        (4, 10, 40),
        (4, 50, 200),
    ]
    assert (shown["tariff"]["time_zone"], shown["tariff"]["version"], shown["cost_tax"]) == ("Europe/Rome", 1, 0)


def test_standing_idle_costs_after_the_grace_and_the_cost_is_live(world: World) -> None:
    in_force(world, Tariff("EUR", idle_per_min=Decimal(10), idle_grace_min=30))
    full = {"info": {"chargingState": "SuspendedEV"}}
    send(world, hourly("Started", 0, 0), hourly("Updated", 1, 7_000, **full), hourly("Updated", 2, 7_000, **full))
    assert world.session().cost == 300
    send(world, hourly("Ended", 3, 7_000, **full))
    assert world.session().cost == 900


def test_what_is_not_billed_as_energy_costs_nothing(world: World) -> None:
    in_force(world)
    send(world, metered("Started", 0, 1_000), metered("Updated", 1, 90_000_000), metered("Ended", 2, 90_000_100))
    row = world.session()
    assert (row.energy_wh, row.flags, row.cost) == (100, "register_jumped", 50 + 5)  # 4.5 cents, rounded


# -- the state of charge that is reckoned ------------------------------------------------------------------------------


def type_it(world: World, **columns: Any) -> None:
    with world.store.write() as connection:
        connection.execute(update(sessions).values(**columns))


def test_a_state_of_charge_that_was_typed_grows_with_the_energy(world: World) -> None:
    send(world, hourly("Started", 0, 0))
    type_it(world, soc_typed_pct=20.0, soc_typed_wh=0, battery_kwh=45.0)
    send(world, hourly("Updated", 1, 10_000))
    assert (world.session().soc_pct, world.session().soc_source) == (40.0, "estimated")
    at = NOON + timedelta(hours=2)
    send(world, event("Updated", 2, meter_value(at, 20_000, SoC=55), at=at))
    assert (world.session().soc_pct, world.session().soc_source) == (55.0, "measured")


def test_one_that_was_typed_before_the_start_stays_with_the_session_in_any_order(world: World) -> None:
    pending = {"id": "asked", "station": "cs-1", "evse": 1, "state": "pending", "remote_start_id": 7}
    pending |= {"created_at": NOON, "updated_at": NOON, "soc_typed_pct": 20.0, "soc_typed_wh": 0, "battery_kwh": 45.0}
    with world.store.write() as connection:
        connection.execute(insert(sessions).values(**pending))
    started = hourly("Started", 0, 0, info={"remoteStartId": 7}, idToken=CARD)
    send(world, hourly("Ended", 1, 10_000), started)
    (row,) = world.sessions()
    assert (row.id, row.soc_pct, row.soc_source, row.complete) == ("asked", 40.0, "estimated", True)
    with world.store.read() as connection:
        assert connection.scalar(select(sessions.c.soc_typed_pct)) == 20.0
