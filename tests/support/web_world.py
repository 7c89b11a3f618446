"""A small network for the tests of the web: real stores in a folder, a clock that is advanced, a browserless client."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from flask.testing import FlaskClient
from sqlalchemy import insert, select, update
from werkzeug.test import TestResponse

from cloud.commands import Commands
from cloud.notify.channels import make_channels
from cloud.notify.config import Notify
from cloud.notify.port import Setup
from cloud.series.sqlite import SqliteSeries
from cloud.store.registry import ConnectorSpec, EvseSpec, add_station, passwords
from cloud.store.store import Store, new_id
from cloud.store.tables import calls, connectors, evses, sessions, stations, users
from cloud.web import auth
from cloud.web.app import create_app
from cloud.web.services import Services
from protocol.mqtt import Broker

PASSWORD = "a password"
MAILING = Notify(smtp_host="mail.test", sender="csms@colonnina.test")
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@cache
def _hash() -> str:
    """Of PASSWORD. Made once: hashing is slow on purpose."""
    return passwords.hash(PASSWORD)


@dataclass
class World:
    """Everything behind the web. parts: what /readyz is told."""

    store: Store
    series: SqliteSeries
    now: datetime = NOON
    parts: dict[str, str] = field(default_factory=lambda: {"database": "ok", "broker": "ok"})
    people: dict[str, str] = field(default_factory=dict)
    notify: Notify = MAILING

    @property
    def services(self) -> Services:
        commands = Commands(self.store, now=self.clock, wake=lambda: None, heartbeat_s=60, timeout_s=0.2)
        return Services(
            self.store,
            self.series,
            commands,
            self.clock,
            60,
            lambda: self.parts,
            "secret",
            Broker("broker.test", 1883),
            channels=make_channels(Setup(self.notify, self.store, self.clock)),
            notify=self.notify,
        )

    def clock(self) -> datetime:
        return self.now

    def pass_time(self, **parts: float) -> None:
        self.now += timedelta(**parts)

    def add_person(self, role: str, email: str | None = None) -> str:
        with self.store.write() as connection:
            email = email or f"{role}@colonnina.test"
            self.people[email] = key = new_id(self.now)
            row = {"id": key, "email": email, "name": role.capitalize(), "role": role, "created_at": self.now}
            connection.execute(insert(users).values(**row, password_hash=_hash()))
        return key

    def add_station(self, station: str = "cs-1", *, online: bool = True, evse_count: int = 2) -> None:
        with self.store.write() as connection:
            layout = [EvseSpec(n, (ConnectorSpec(1, "Type2", "AC", 22.0),)) for n in range(1, evse_count + 1)]
            add_station(connection, station, layout, self.now)
            state = {"link_up": online, "link_since": self.now, "seen_at": self.now, "firmware": "1.2"}
            connection.execute(update(stations).where(stations.c.id == station).values(**state))
            connection.execute(update(connectors).where(connectors.c.station == station).values(status="Available"))

    def set_status(self, station: str, evse: int, status: str) -> None:
        with self.store.write() as connection:
            place = (connectors.c.station == station) & (connectors.c.evse == evse)
            connection.execute(update(connectors).where(place).values(status=status))

    def code(self, station: str, number: int) -> str:
        with self.store.read() as connection:
            place = (evses.c.station == station) & (evses.c.number == number)
            return str(connection.scalar(select(evses.c.code).where(place)))

    def add_session(self, station: str = "cs-1", driver: str | None = None, **columns: Any) -> str:
        """A session that charges, unless `columns` say otherwise."""
        key = new_id(self.now)
        values = {"evse": 1, "connector": 1, "state": "charging", "started_at": self.now, "energy_wh": 1500}
        values |= {"power_w": 7000.0, "soc_pct": 40.0, "transaction_id": f"tx-{key}", **columns}
        with self.store.write() as connection:
            row = {"id": key, "station": station, "driver": driver, "created_at": self.now, "updated_at": self.now}
            connection.execute(insert(sessions).values(**row, **values))
        return key


@dataclass
class Client:
    """Somebody who speaks to the API with a bearer token, or with none."""

    http: FlaskClient
    token: str | None = None

    def get(self, path: str, **headers: str) -> TestResponse:
        return self.http.get(path, headers=self._headers() | headers)

    def post(self, path: str, body: Any = None, **more: Any) -> TestResponse:
        return self.http.post(path, json={} if body is None else body, headers=self._headers(), **more)

    def patch(self, path: str, body: Any = None) -> TestResponse:
        return self.http.patch(path, json={} if body is None else body, headers=self._headers())

    def put(self, path: str, body: Any) -> TestResponse:
        return self.http.put(path, json=body, headers=self._headers())

    def upload(self, path: str, data: bytes, kind: str = "text/csv") -> TestResponse:
        return self.http.post(path, data=data, headers=self._headers() | {"Content-Type": kind})

    def delete(self, path: str) -> TestResponse:
        return self.http.delete(path, headers=self._headers())

    def _headers(self) -> dict[str, str]:
        return {} if self.token is None else {"Authorization": f"Bearer {self.token}"}


@contextmanager
def a_world(folder: Path) -> Iterator[World]:
    """A driver, an operator and an admin; no station yet."""
    store, series = Store(f"sqlite:///{folder}/csms.sqlite"), SqliteSeries(folder / "series.sqlite")
    store.start()
    series.start()
    try:
        made = World(store, series)
        for role in ("driver", "operator", "admin"):
            made.add_person(role)
        yield made
    finally:
        series.stop()
        store.stop()


def client(world: World, email: str | None = None) -> Client:
    """A client of a new application, logged in where an e-mail is given."""
    http = create_app(world.services).test_client()
    if email is None:
        return Client(http)
    role = email.partition("@")[0]
    with world.store.write() as connection:
        login = auth.log_in(connection, auth.Person(world.people[email], email, "", role), world.now)
    return Client(http, login.token)


def driver(world: World) -> Client:
    return client(world, "driver@colonnina.test")


def operator(world: World) -> Client:
    return client(world, "operator@colonnina.test")


def admin(world: World) -> Client:
    return client(world, "admin@colonnina.test")


@contextmanager
def worker(world: World, response: Mapping[str, Any], state: str = "answered") -> Iterator[list[dict[str, Any]]]:
    """Stands for the worker and the stations: every call is answered so. Answers the payloads that came."""
    done = threading.Event()
    seen: list[dict[str, Any]] = []

    def work() -> None:
        while not done.wait(0.01):
            with world.store.write() as connection:
                for row in connection.execute(select(calls).where(calls.c.state == "queued")).all():
                    seen.append({"action": row.action, **msgspec.json.decode(row.payload)})
                    answer = {"state": state, "response": msgspec.json.encode(response).decode()}
                    connection.execute(update(calls).where(calls.c.no == row.no).values(**answer))

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield seen
    finally:
        done.set()
        thread.join()
