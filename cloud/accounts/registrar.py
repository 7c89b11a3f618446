"""Registers stations and controllers, and removes them: in the database and at the broker.

The two cannot change in one transaction, so the database says first what shall be, and the broker follows:

    new       registered; the broker is being asked. Who asked has not been told the password yet.
    made      the broker has the account.
    changed   its rights shall be written again.
    gone      the broker shall have no such account.
    removing  somebody is seeing to that right now.

`reconcile` takes up what a crash or a broker that was away has left. A registration that never got beyond `new` is
undone, since nobody knows its password.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import cast

import structlog
from sqlalchemy import Connection, delete, select, update
from sqlalchemy.exc import SQLAlchemyError

from cloud.accounts.port import Account, AccountError, BrokerAccounts, Kind, controller_account, station_account
from cloud.errors import ConflictError, NotFoundError
from cloud.store import registry
from cloud.store.registry import EvseSpec
from cloud.store.store import Store
from cloud.store.tables import broker_accounts, controller_stations
from cloud.store.upsert import insert_into

log = structlog.get_logger(__name__)

#: Who has not finished after so long never will.
PATIENCE = timedelta(seconds=60)
#: How often what is left is taken up, s.
EVERY_S = 10.0


class Registrar:
    """reserved: names that no station or controller may have, such as our own at the broker. now: the clock."""

    def __init__(
        self, store: Store, accounts: BrokerAccounts, now: Callable[[], datetime], reserved: Iterable[str] = ()
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._now = now
        self._reserved = frozenset(reserved)
        self._compared = False

    @property
    def advice(self) -> str:
        return self._accounts.advice

    def add_station(self, station: str, layout: Sequence[EvseSpec]) -> str:
        """Register a station. Answers its password. Raises StationIdError, ConflictError, AccountError."""
        password = secrets.token_urlsafe(18)
        with self._store.write() as connection:
            registry.add_station(connection, station, layout, self._now(), password=password)
            self._open(connection, station, "station")
        self._make(station_account(station), password)
        return password

    def add_controller(self, controller: str, stations: Sequence[str], name: str = "") -> str:
        """Register a Local Controller. Answers its password. Raises like `add_station`, and NotFoundError."""
        password = secrets.token_urlsafe(18)
        with self._store.write() as connection:
            registry.add_controller(connection, controller, stations, self._now(), name=name, password=password)
            self._open(connection, controller, "controller")
        self._make(controller_account(controller, tuple(sorted(set(stations)))), password)
        return password

    def renew(self, kind: Kind, name: str) -> str:
        """Give an account a new password; its link is cut. Raises NotFoundError, AccountError."""
        password = secrets.token_urlsafe(18)
        with self._store.write() as connection:
            registry.set_password(connection, kind, name, password)
            self._note(connection, name, kind, "changed")
            account = _account(connection, kind, name)
        self._accounts.put(account, password)
        self._settle(name, "changed", "made")
        return password

    def remove_station(self, station: str) -> None:
        """Remove a station and cut its link. Raises NotFoundError, ConflictError."""
        with self._store.write() as connection:
            query = select(controller_stations.c.controller).where(controller_stations.c.station == station)
            controller = connection.scalar(query)
            registry.remove_station(connection, station)
            self._note(connection, station, "station", "removing")
            if controller is not None:
                self._note(connection, controller, "controller", "changed")
        self._remove(station, "station")
        if controller is not None:
            self._allow(controller, "controller")

    def remove_controller(self, controller: str) -> None:
        """Remove a Local Controller and cut its link; its stations stay. Raises NotFoundError."""
        with self._store.write() as connection:
            registry.remove_controller(connection, controller)
            self._note(connection, controller, "controller", "removing")
        self._remove(controller, "controller")

    def reconcile(self) -> None:
        """Do what is left to do, and once compare what the broker has with what it shall have. Raises AccountError."""
        for name, kind in self._claim():
            self._remove(name, kind)
        with self._store.read() as connection:
            query = select(broker_accounts.c.name, broker_accounts.c.kind).where(broker_accounts.c.state == "changed")
            changed = [tuple(row) for row in connection.execute(query)]
        for name, kind in changed:
            self._allow(name, kind)
        if not self._compared:
            self._compare()
            self._compared = True

    def _open(self, connection: Connection, name: str, kind: Kind) -> None:
        if name in self._reserved:
            raise ConflictError("reserved", f"{name} is the name of another account at the broker")
        query = select(broker_accounts).where(broker_accounts.c.name == name)
        row = connection.execute(query).first()
        if row is not None and row.state == "removing":
            raise ConflictError("busy", f"{name} is still being removed: try again in a moment")
        if row is not None and row.state != "gone":
            raise ConflictError("exists", f"there is a {row.kind} {name} already")
        self._note(connection, name, kind, "new")

    def _make(self, account: Account, password: str) -> None:
        try:
            self._accounts.put(account, password)
        except AccountError:
            with self._store.write() as connection:
                _unregister(connection, account.kind, account.name)
                self._note(connection, account.name, account.kind, "gone")
            raise
        self._settle(account.name, "new", "made")

    def _remove(self, name: str, kind: Kind) -> None:
        try:
            self._accounts.remove(name, kind)
        except AccountError as error:
            log.error("an account is not removed at the broker yet", account=name, why=str(error))
            self._settle(name, "removing", "gone")
            return
        with self._store.write() as connection:
            mine = (broker_accounts.c.name == name) & (broker_accounts.c.state == "removing")
            connection.execute(delete(broker_accounts).where(mine))

    def _allow(self, name: str, kind: Kind) -> None:
        with self._store.read() as connection:
            account = _account(connection, kind, name)
        try:
            self._accounts.allow(account)
        except AccountError as error:
            log.error("the rights of an account are not changed at the broker yet", account=name, why=str(error))
            return
        self._settle(name, "changed", "made")

    def _claim(self) -> list[tuple[str, Kind]]:
        """What is to be removed, so that no other process does it too."""
        now = self._now()
        late = broker_accounts.c.state.in_(("new", "removing")) & (broker_accounts.c.since <= now - PATIENCE)
        with self._store.write() as connection:
            query = select(broker_accounts).where((broker_accounts.c.state == "gone") | late).with_for_update()
            rows = connection.execute(query).all()
            for row in rows:
                if row.state == "new":
                    _unregister(connection, row.kind, row.name)
                self._note(connection, row.name, row.kind, "removing")
        return [(row.name, cast(Kind, row.kind)) for row in rows]

    def _compare(self) -> None:
        found = self._accounts.found()
        if found is None:
            return
        # Read after the broker's: an account is written down here before the broker hears of it.
        with self._store.write() as connection:
            rows = connection.execute(select(broker_accounts.c.name, broker_accounts.c.state)).all()
            known = {row.name for row in rows}
            orphans = sorted(found.keys() - known)
            for name in orphans:
                self._note(connection, name, found[name], "removing")
        for name in orphans:
            log.warning("the broker has an account that nobody registered; it is removed", account=name)
            self._remove(name, found[name])
        missing = sorted(row.name for row in rows if row.state == "made" and row.name not in found)
        if missing:
            log.error("the broker has lost accounts: give each new credentials", accounts=missing[:20])

    def _note(self, connection: Connection, name: str, kind: str, state: str) -> None:
        _note(connection, name, kind, state, self._now())

    def _settle(self, name: str, before: str, state: str) -> None:
        with self._store.write() as connection:
            mine = (broker_accounts.c.name == name) & (broker_accounts.c.state == before)
            connection.execute(update(broker_accounts).where(mine).values(state=state, since=self._now()))


def note_made(connection: Connection, name: str, kind: Kind, now: datetime) -> None:
    """Write down that the broker has this account already."""
    _note(connection, name, kind, "made", now)


def _note(connection: Connection, name: str, kind: str, state: str, now: datetime) -> None:
    values = {"kind": kind, "state": state, "since": now}
    statement = insert_into(connection, broker_accounts).values(name=name, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["name"], set_=values))


def _account(connection: Connection, kind: str, name: str) -> Account:
    if kind == "station":
        return station_account(name)
    query = select(controller_stations.c.station).where(controller_stations.c.controller == name)
    return controller_account(name, tuple(connection.scalars(query.order_by(controller_stations.c.station))))


def _unregister(connection: Connection, kind: str, name: str) -> None:
    try:
        if kind == "station":
            registry.remove_station(connection, name)
        else:
            registry.remove_controller(connection, name)
    except NotFoundError:
        pass  # somebody has removed it meanwhile


class Reconciler:
    """Calls `reconcile` at the start and again and again, on a thread of its own."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._said = False

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="broker-accounts", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(1)

    def _run(self) -> None:
        while True:
            try:
                self._registrar.reconcile()
                self._said = False
            except (AccountError, SQLAlchemyError) as error:
                if not self._said:
                    log.error("accounts cannot be compared with the broker's; it is tried again", why=str(error))
                self._said = True
            if self._stopping.wait(EVERY_S):
                return
