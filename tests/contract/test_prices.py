"""Tariffs, sites and costs on each database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import insert

from cloud.domain.tariffs import Tariff
from cloud.series.sqlite import SqliteSeries
from cloud.store import registry, sites, tariffs
from cloud.store.store import Store
from cloud.store.tables import preferences, sessions
from cloud.store.vehicles import type_soc
from tests.support.csms_world import NOON, World, add, event, meter_value
from tests.support.postgres import a_postgres

CHEAP, DEAR = (Tariff("EUR", energy_per_kwh=Decimal(price)) for price in ("20.5", "80"))


@pytest.fixture(params=["sqlite", "postgres"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    if request.param == "sqlite":
        yield from opened(f"sqlite:///{tmp_path / 'csms.sqlite'}")
    else:
        with a_postgres() as url:
            yield from opened(url)


def opened(url: str) -> Iterator[Store]:
    store = Store(url)
    store.start()
    yield store
    store.stop()


def test_prices_from_the_tariff_to_the_cost(store: Store, tmp_path: Path) -> None:
    series = SqliteSeries(tmp_path / "series.sqlite")
    series.start()
    world = World(tmp_path, store, series)
    add(world, "cs-1", 1)
    later = NOON + timedelta(minutes=30)
    with store.write() as connection:
        sites.add(connection, "home", NOON, name="Home", time_zone="Europe/Rome")
        assert sites.put_stations(connection, "home", ["cs-1", "cs-9"]) == ["cs-9"]
        assert sites.put_stations(connection, "home", ["cs-1"]) == []
        assert sites.stations_of(connection, ["home"]) == {"home": ["cs-1"]}
        tariffs.create(connection, "a", "A", CHEAP, NOON)
        tariffs.create(connection, "b", "B", DEAR, NOON)
        tariffs.place(connection, tariffs.DEFAULT, "", "b", NOON)
        tariffs.place(connection, tariffs.SITE, "home", "a", NOON)
        tariffs.place(connection, tariffs.STATION, "cs-1", "b", later)
        tariffs.change(connection, "a", "A", DEAR, later)
        assert [(one.id, one.version, one.is_default) for one in tariffs.listed(connection)] == [
            ("a", 2, False),
            ("b", 1, True),
        ]
    for kind, number, wh in (("Started", 0, 5_000), ("Ended", 1, 15_001)):
        at = NOON + timedelta(hours=number)
        world.ask("TransactionEvent", event(kind, number, meter_value(at, wh), at=at))
    assert (world.session().cost, world.session().currency) == (205, "EUR")  # 205.02
    with store.read() as connection:
        agreed = tariffs.in_force(connection, "cs-1", 1, later)
        assert agreed is not None
        assert (agreed.id, agreed.zone) == ("b", "Europe/Rome")
    with store.write() as connection:
        registry.remove_station(connection, "cs-1")
        assert tariffs.placed(connection, tariffs.STATION, ["cs-1"]) == {}
    series.stop()


def test_a_driver_types_a_state_of_charge(store: Store) -> None:
    with store.write() as connection:
        driver = registry.add_user(connection, "ann@example.org", "a password", "driver", NOON)
        connection.execute(insert(preferences).values(user=driver, battery_kwh=50.0))
        row = {"id": "s", "station": "cs-1", "state": "charging", "driver": driver, "energy_wh": 700}
        connection.execute(insert(sessions).values(**row, created_at=NOON, updated_at=NOON))
        type_soc(connection, "s", 40.0, NOON)
        found = connection.execute(sessions.select()).one()
    assert (found.soc_pct, found.soc_source, found.soc_typed_wh) == (40.0, "estimated", 700)
