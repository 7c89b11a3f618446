"""Registering and removing: database and broker agree in the end, whatever fails between."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, select

from cloud.accounts.port import Account, AccountError, Kind
from cloud.accounts.registrar import PATIENCE, Registrar
from cloud.errors import ConflictError, NotFoundError
from cloud.store.registry import ConnectorSpec, EvseSpec, passwords
from cloud.store.tables import broker_accounts, controllers, stations
from tests.support.web_world import World, a_world

LAYOUT = (EvseSpec(1, (ConnectorSpec(1),)),)


class Died(BaseException):
    """The process was killed."""


@dataclass
class MemoryBroker:
    """accounts: topics by name. fails: raised instead of doing what is asked."""

    accounts: dict[str, tuple[Kind, tuple[str, ...]]] = field(default_factory=dict)
    fails: BaseException | None = None
    advice: str = ""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def put(self, account: Account, password: str) -> None:
        self._may_fail()
        self.accounts[account.name] = (account.kind, account.topics)

    def allow(self, account: Account) -> None:
        self.put(account, "")

    def remove(self, name: str, kind: Kind) -> None:
        self._may_fail()
        self.accounts.pop(name, None)

    def found(self) -> dict[str, Kind] | None:
        self._may_fail()
        return {name: kind for name, (kind, _) in self.accounts.items()}

    def _may_fail(self) -> None:
        if self.fails is not None:
            raise self.fails


AWAY = AccountError("the broker cannot be reached")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


@pytest.fixture
def broker() -> MemoryBroker:
    return MemoryBroker()


def registrar(world: World, broker: MemoryBroker) -> Registrar:
    """Of a process that has just started."""
    return Registrar(world.store, broker, world.clock, {"csms"})


def states(world: World) -> dict[str, str]:
    with world.store.read() as connection:
        return {row.name: row.state for row in connection.execute(select(broker_accounts))}


def registered(world: World, table: Any = stations) -> list[str]:
    with world.store.read() as connection:
        return list(connection.scalars(select(table.c.id).order_by(table.c.id)))


def test_a_station_gets_an_account_for_its_own_topics_and_only_a_hash_is_kept(
    world: World, broker: MemoryBroker
) -> None:
    password = registrar(world, broker).add_station("cs-1", LAYOUT)
    assert broker.accounts == {"cs-1": ("station", ("cs/cs-1/#",))}
    assert states(world) == {"cs-1": "made"}
    with world.store.read() as connection:
        assert passwords.verify(connection.scalar(select(stations.c.password_hash)) or "", password)


def test_a_broker_that_is_away_registers_nobody(world: World, broker: MemoryBroker) -> None:
    broker.fails = AWAY
    with pytest.raises(AccountError):
        registrar(world, broker).add_station("cs-1", LAYOUT)
    assert (registered(world), states(world)) == ([], {"cs-1": "gone"})
    broker.fails = None
    registrar(world, broker).add_station("cs-1", LAYOUT)
    assert (registered(world), states(world)) == (["cs-1"], {"cs-1": "made"})


@pytest.mark.parametrize("made", [True, False], ids=["after the broker made it", "before"])
def test_a_registration_that_a_crash_cut_short_is_undone(world: World, broker: MemoryBroker, made: bool) -> None:
    broker.fails = Died()
    with pytest.raises(Died):
        registrar(world, broker).add_station("cs-1", LAYOUT)
    broker.fails = None
    if made:
        broker.accounts["cs-1"] = ("station", ("cs/cs-1/#",))
    assert states(world) == {"cs-1": "new"}
    registrar(world, broker).reconcile()
    assert states(world) == {"cs-1": "new"}  # another process may be at it right now
    world.now += PATIENCE
    registrar(world, broker).reconcile()
    assert (registered(world), states(world), broker.accounts) == ([], {}, {})


@pytest.mark.parametrize(("failure", "wait"), [(AWAY, timedelta(0)), (Died(), PATIENCE)])
def test_a_removal_that_did_not_reach_the_broker_is_done_later(
    world: World, broker: MemoryBroker, failure: BaseException, wait: timedelta
) -> None:
    registrar(world, broker).add_station("cs-1", LAYOUT)
    broker.fails = failure
    with contextlib.suppress(Died):
        registrar(world, broker).remove_station("cs-1")
    assert (registered(world), list(broker.accounts)) == ([], ["cs-1"])
    broker.fails = None
    world.now += wait
    registrar(world, broker).reconcile()
    assert (states(world), broker.accounts) == ({}, {})


def test_an_account_that_nobody_registered_is_removed_at_the_start(world: World, broker: MemoryBroker) -> None:
    registrar(world, broker).add_station("cs-1", LAYOUT)
    broker.accounts["cs-9"] = ("station", ("cs/cs-9/#",))
    registrar(world, broker).reconcile()
    assert (list(broker.accounts), states(world)) == (["cs-1"], {"cs-1": "made"})


def test_a_controller_may_speak_for_the_stations_behind_it_as_long_as_they_are_there(
    world: World, broker: MemoryBroker
) -> None:
    ours = registrar(world, broker)
    for station in ("cs-1", "cs-2"):
        ours.add_station(station, LAYOUT)
    ours.add_controller("lc-1", ["cs-2", "cs-1"])
    assert broker.accounts["lc-1"] == ("controller", ("lc/lc-1/#", "cs/cs-1/#", "cs/cs-2/#"))
    ours.remove_station("cs-1")
    assert broker.accounts["lc-1"] == ("controller", ("lc/lc-1/#", "cs/cs-2/#"))
    ours.remove_controller("lc-1")
    assert (sorted(broker.accounts), registered(world, controllers)) == (["cs-2"], [])


def test_rights_that_could_not_be_taken_away_are_taken_away_later(world: World, broker: MemoryBroker) -> None:
    ours = registrar(world, broker)
    ours.add_station("cs-1", LAYOUT)
    ours.add_controller("lc-1", ["cs-1"])
    broker.fails = AWAY
    ours.remove_station("cs-1")
    assert states(world) == {"cs-1": "gone", "lc-1": "changed"}
    broker.fails = None
    registrar(world, broker).reconcile()
    assert broker.accounts == {"lc-1": ("controller", ("lc/lc-1/#",))}
    assert states(world) == {"lc-1": "made"}


def test_names_are_one_space_and_some_are_taken(world: World, broker: MemoryBroker) -> None:
    ours = registrar(world, broker)
    ours.add_station("cs-1", LAYOUT)
    with pytest.raises(ConflictError, match="there is a station cs-1 already"):
        ours.add_controller("cs-1", [])
    with pytest.raises(ConflictError, match="csms is the name of another account"):
        ours.add_station("csms", LAYOUT)
    with pytest.raises(NotFoundError, match="no station cs-7"):
        ours.add_controller("lc-1", ["cs-7"])
    assert registered(world, controllers) == []


def test_a_name_that_is_being_removed_is_free_when_that_is_over(world: World, broker: MemoryBroker) -> None:
    with world.store.write() as connection:
        row = {"name": "cs-1", "kind": "station", "state": "removing", "since": world.now}
        connection.execute(insert(broker_accounts).values(**row))
    with pytest.raises(ConflictError, match="still being removed"):
        registrar(world, broker).add_station("cs-1", LAYOUT)
    world.now += PATIENCE
    registrar(world, broker).reconcile()
    registrar(world, broker).add_station("cs-1", LAYOUT)
    assert list(broker.accounts) == ["cs-1"]


def test_a_new_password_replaces_the_old_one(world: World, broker: MemoryBroker) -> None:
    ours = registrar(world, broker)
    first = ours.add_station("cs-1", LAYOUT)
    assert ours.renew("station", "cs-1") != first
    assert states(world) == {"cs-1": "made"}
    with pytest.raises(NotFoundError):
        ours.renew("controller", "cs-1")
