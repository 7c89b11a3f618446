"""Migrations, accounts, id tokens, local lists and the audit trail on PostgreSQL, as elsewhere on SQLite."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, update

from cloud.accounts.registrar import Registrar
from cloud.local_lists import Tokens, push
from cloud.series.sqlite import SqliteSeries
from cloud.store.migrations import VERSION
from cloud.store.registry import put_id_token, remove_id_token
from cloud.store.store import Store
from cloud.store.tables import broker_accounts, calls, id_tokens, local_lists, metadata, stations
from cloud.unit import Unit
from tests.support.csms_world import UNHURRIED
from tests.support.postgres import a_postgres
from tests.support.web_world import World, admin, operator
from tests.unit.test_accounts_registrar import AWAY, LAYOUT, MemoryBroker

#: What the first version did not have, of what the migrations have to do with.
ADDED = ("schema_version", "broker_accounts", "controller_stations", "controllers", "id_token_removals", "local_lists")


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_postgres() as url:
        yield url


@pytest.fixture
def world(url: str, tmp_path: Path) -> Iterator[World]:
    store, series = Store(url), SqliteSeries(tmp_path / "series.sqlite")
    store.start()
    series.start()
    with store.write() as connection:
        for table in reversed(metadata.sorted_tables):
            if table.name != "schema_version":
                connection.execute(table.delete())
    made = World(store, series)
    for role in ("driver", "operator", "admin"):
        made.add_person(role)
    yield made
    series.stop()
    store.stop()


def test_an_old_database_is_migrated_by_one_of_many_that_start_together(world: World, url: str) -> None:
    world.add_station()
    with world.store.write() as connection:
        put_id_token(connection, "04A1B2C3", "ISO14443")
        columns = {column["name"] for column in inspect(connection).get_columns("id_tokens")}
        for table in ADDED:
            connection.exec_driver_sql(f"DROP TABLE {table} CASCADE")
        connection.exec_driver_sql("ALTER TABLE id_tokens DROP COLUMN revision")
        connection.exec_driver_sql("ALTER TABLE sessions DROP COLUMN folded, DROP COLUMN complete")
        connection.exec_driver_sql("DELETE FROM counters")
    stores = [Store(url) for _ in range(4)]
    threads = [threading.Thread(target=store.start) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(store.found_version for store in stores) == [1, VERSION, VERSION, VERSION]
    for store in stores:
        store.stop()
    with world.store.read() as connection:
        assert {column["name"] for column in inspect(connection).get_columns("id_tokens")} == columns
        assert connection.execute(select(id_tokens.c.id_token, id_tokens.c.revision)).all() == [("04A1B2C3", 1)]
        assert connection.execute(select(broker_accounts.c.name, broker_accounts.c.state)).all() == [("cs-1", "made")]


def test_registering_and_removing_agree_with_the_broker_in_the_end(world: World) -> None:
    broker = MemoryBroker()
    ours = Registrar(world.store, broker, world.clock)
    ours.add_station("cs-1", LAYOUT)
    ours.add_controller("lc-1", ["cs-1"])
    broker.fails = AWAY
    ours.remove_station("cs-1")
    broker.fails = None
    broker.accounts["cs-9"] = ("station", ("cs/cs-9/#",))
    Registrar(world.store, broker, world.clock).reconcile()
    assert broker.accounts == {"lc-1": ("controller", ("lc/lc-1/#",))}


def test_tokens_and_the_trail_over_the_api(world: World) -> None:
    someone = operator(world)
    someone.post("/api/v1/id-tokens", {"id_token": "04000001", "expires_at": "2027-01-01T00:00:00Z"})
    file = b"uid,group\n04000001,FLEET\n04000002,\n"
    assert someone.upload("/api/v1/id-tokens/import", file).json["changed"] == 1
    first = someone.get("/api/v1/id-tokens?limit=1").json
    second = someone.get(f"/api/v1/id-tokens?limit=1&cursor={first['next']}").json
    shown = [part["id_tokens"][0]["id_token"] for part in (first, second)]
    assert (shown, second["next"]) == (["04000001", "04000002"], None)
    assert someone.delete("/api/v1/id-tokens/04000001").status_code == 204
    assert [deed["status"] for deed in admin(world).get("/api/v1/audit").json["audit"]] == [204, 200, 201]


def test_a_list_is_queued_once_and_says_what_is_gone(world: World) -> None:
    world.add_station()
    with world.store.write() as connection:
        for card in ("04000001", "04000002", "04000003"):
            put_id_token(connection, card, "ISO14443")
    for _ in range(2):
        with world.store.write() as connection:
            push(Unit(connection, world.now, 60, UNHURRIED), Tokens())
    with world.store.write() as connection:
        [payload] = connection.scalars(select(calls.c.payload)).all()
        assert payload == (
            b'{"versionNumber":3,"updateType":"Full","localAuthorizationList":['
            b'{"idToken":{"idToken":"04000001","type":"ISO14443"},"idTokenInfo":{"status":"Accepted"}},'
            b'{"idToken":{"idToken":"04000002","type":"ISO14443"},"idTokenInfo":{"status":"Accepted"}},'
            b'{"idToken":{"idToken":"04000003","type":"ISO14443"},"idTokenInfo":{"status":"Accepted"}}]}'
        )
        done = {"version": 3, "whole": False, "call": None}
        connection.execute(update(local_lists).where(local_lists.c.station == "cs-1").values(**done))
        remove_id_token(connection, "04000001", "ISO14443")
    with world.store.write() as connection:
        push(Unit(connection, world.now, 60, UNHURRIED), Tokens(local_list_max=1))
        whole = connection.scalars(select(calls.c.payload).order_by(calls.c.no.desc())).first()
        assert whole == (
            b'{"versionNumber":4,"updateType":"Full","localAuthorizationList":['
            b'{"idToken":{"idToken":"04000002","type":"ISO14443"},"idTokenInfo":{"status":"Accepted"}}]}'
        )
        connection.execute(update(local_lists).where(local_lists.c.station == "cs-1").values(**done, bounded_at=None))
        push(Unit(connection, world.now, 60, UNHURRIED), Tokens())
        last = connection.scalars(select(calls.c.payload).order_by(calls.c.no.desc())).first()
        assert last == (
            b'{"versionNumber":4,"updateType":"Differential","localAuthorizationList":['
            b'{"idToken":{"idToken":"04000001","type":"ISO14443"}}]}'
        )
        assert connection.scalars(select(stations.c.id)).all() == ["cs-1"]
