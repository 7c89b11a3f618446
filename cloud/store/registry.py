"""Writing down stations, users and id tokens: what an operator, the demo and the tests set up with."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from argon2 import PasswordHasher
from sqlalchemy import Connection, delete, insert, select, update

from cloud.domain import codes
from cloud.errors import ConflictError, NotFoundError
from cloud.present import OPEN
from cloud.store.counters import next_number
from cloud.store.store import new_id
from cloud.store.tables import (
    connectors,
    controller_stations,
    controllers,
    evses,
    frames,
    gaps,
    id_token_removals,
    id_tokens,
    sessions,
    stations,
    tariff_places,
    users,
)
from cloud.store.tariffs import EVSE, STATION
from protocol.topics import check_station_id

#: What a station may claim to have. The largest sites known have hundreds of EVSEs, each a station of its own or few.
MAX_EVSES = 256
MAX_CONNECTORS = 16

passwords = PasswordHasher()

#: The type of the tokens that we make for drivers who start by page (OCPP 2.0.1, C01).
CENTRAL = "Central"
#: The counter of changes of id tokens.
TOKENS = "id_tokens"


class ConnectorSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One connector. type: such as Type2, CCS2, CHAdeMO, Schuko. current: AC or DC. max_kw: what it can give, in kW."""

    number: int
    type: str = "Unknown"
    current: str = "AC"
    max_kw: float | None = None


class EvseSpec(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One EVSE with its connectors, numbered from 1."""

    number: int
    connectors: tuple[ConnectorSpec, ...]


def add_station(
    connection: Connection, station: str, layout: Sequence[EvseSpec], now: datetime, *, password: str = ""
) -> None:
    """Register a station. Raises StationIdError for an id that is none, ConflictError for one that is taken."""
    check_station_id(station)
    if connection.scalar(select(stations.c.id).where(stations.c.id == station)) is not None:
        raise ConflictError("exists", f"there is a station {station} already")
    hashed = passwords.hash(password) if password else ""
    connection.execute(insert(stations).values(id=station, registered_at=now, password_hash=hashed))
    for evse in layout:
        add_evse(connection, station, evse.number)
        for connector in evse.connectors:
            add_connector(connection, station, evse.number, connector)


def remove_station(connection: Connection, station: str) -> None:
    """Forget a station. Its sessions stay. Raises NotFoundError, or ConflictError while somebody charges there."""
    if connection.scalar(select(stations.c.id).where(stations.c.id == station)) is None:
        raise NotFoundError(f"no station {station[:60]}")
    running = select(sessions.c.id).where(sessions.c.station == station, sessions.c.state.in_(OPEN))
    if connection.execute(running.limit(1)).first() is not None:
        raise ConflictError("session_open", f"somebody is charging at {station}: stop that session first")
    for table in (connectors, frames, gaps):  # what refers to it by a key of the database goes by itself
        connection.execute(delete(table).where(table.c.station == station))
    mine = (tariff_places.c.scope == STATION) & (tariff_places.c.place == station)
    of_evses = (tariff_places.c.scope == EVSE) & tariff_places.c.place.startswith(f"{station}:", autoescape=True)
    connection.execute(delete(tariff_places).where(mine | of_evses))
    connection.execute(delete(stations).where(stations.c.id == station))


def add_controller(
    connection: Connection, controller: str, behind: Sequence[str], now: datetime, *, name: str = "", password: str
) -> None:
    """Register a Local Controller. behind: its stations. Raises StationIdError, ConflictError, NotFoundError."""
    check_station_id(controller)
    if connection.scalar(select(controllers.c.id).where(controllers.c.id == controller)) is not None:
        raise ConflictError("exists", f"there is a controller {controller} already")
    row = {"id": controller, "name": name, "registered_at": now, "password_hash": passwords.hash(password)}
    connection.execute(insert(controllers).values(**row))
    set_controller_stations(connection, controller, behind)


def set_controller_stations(connection: Connection, controller: str, behind: Sequence[str]) -> None:
    """Say which stations are behind a controller. Raises NotFoundError, ConflictError for one that is elsewhere."""
    connection.execute(delete(controller_stations).where(controller_stations.c.controller == controller))
    for station in sorted(set(behind)):
        if connection.scalar(select(stations.c.id).where(stations.c.id == station)) is None:
            raise NotFoundError(f"no station {station[:60]}")
        query = select(controller_stations.c.controller).where(controller_stations.c.station == station)
        other = connection.scalar(query)
        if other is not None:
            raise ConflictError("elsewhere", f"station {station} is behind controller {other}")
        connection.execute(insert(controller_stations).values(station=station, controller=controller))


def remove_controller(connection: Connection, controller: str) -> None:
    """Forget a Local Controller; its stations stay. Raises NotFoundError."""
    if connection.execute(delete(controllers).where(controllers.c.id == controller)).rowcount == 0:
        raise NotFoundError(f"no controller {controller[:60]}")


def set_password(connection: Connection, kind: str, name: str, password: str) -> None:
    """Keep the hash of a new password. kind: station or controller. Raises NotFoundError."""
    table = stations if kind == "station" else controllers
    changed = connection.execute(update(table).where(table.c.id == name).values(password_hash=passwords.hash(password)))
    if changed.rowcount == 0:
        raise NotFoundError(f"no {kind} {name[:60]}")


def add_evse(connection: Connection, station: str, number: int) -> None:
    """Add an EVSE with a code of its own. Raises ConflictError for a number that no station has."""
    if not 1 <= number <= MAX_EVSES:
        raise ConflictError("layout", f"EVSE {number}: numbers are 1 to {MAX_EVSES}")
    code = codes.make(secrets.choice)
    while connection.scalar(select(evses.c.code).where(evses.c.code == code)) is not None:
        code = codes.make(secrets.choice)
    connection.execute(insert(evses).values(station=station, number=number, code=code))


def add_connector(connection: Connection, station: str, evse: int, spec: ConnectorSpec) -> None:
    """Add a connector. Raises ConflictError for a number that no EVSE has."""
    if not 1 <= spec.number <= MAX_CONNECTORS:
        raise ConflictError("layout", f"connector {spec.number}: numbers are 1 to {MAX_CONNECTORS}")
    connection.execute(insert(connectors).values(station=station, evse=evse, **msgspec.structs.asdict(spec)))


def add_user(connection: Connection, email: str, password: str, role: str, now: datetime, *, name: str = "") -> str:
    """Add a user and answer its id. role: driver, operator or admin. Raises ConflictError for an e-mail in use."""
    email = email.strip().lower()
    if connection.scalar(select(users.c.id).where(users.c.email == email)) is not None:
        raise ConflictError("exists", f"there is a user {email} already")
    user = new_id(now)
    connection.execute(
        insert(users).values(
            id=user, email=email, name=name, role=role, password_hash=passwords.hash(password), created_at=now
        )
    )
    return user


def find_user(connection: Connection, reference: str) -> str | None:
    """The id of a user by that id or by e-mail."""
    wanted = (users.c.id == reference) | (users.c.email == reference.strip().lower())
    return connection.scalar(select(users.c.id).where(wanted))


def put_id_token(connection: Connection, id_token: str, kind: str, **columns: Any) -> bool:
    """Add an id token, or change the columns that are given of one that is there. Answers whether that changed it.

    kind: OCPP's IdTokenEnumType. What stations may keep in their lists gets a new revision: see cloud.local_lists.
    """
    key = (id_tokens.c.id_token == id_token) & (id_tokens.c.type == kind)
    row = connection.execute(select(id_tokens).where(key)).first()
    if row is not None and all(row._mapping[name] == value for name, value in columns.items()):
        return False
    if kind != CENTRAL:  # no reader of a station ever sees one
        columns["revision"] = next_number(connection, TOKENS)
    if row is not None:
        connection.execute(update(id_tokens).where(key).values(**columns))
        return True
    gone = (id_token_removals.c.id_token == id_token) & (id_token_removals.c.type == kind)
    connection.execute(delete(id_token_removals).where(gone))
    connection.execute(insert(id_tokens).values(id_token=id_token, type=kind, **columns))
    return True


def remove_id_token(connection: Connection, id_token: str, kind: str) -> bool:
    """Forget an id token. Answers whether there was one."""
    key = (id_tokens.c.id_token == id_token) & (id_tokens.c.type == kind)
    if connection.execute(delete(id_tokens).where(key)).rowcount == 0:
        return False
    if kind != CENTRAL:
        revision = next_number(connection, TOKENS)
        connection.execute(insert(id_token_removals).values(id_token=id_token, type=kind, revision=revision))
    return True


def add_card(connection: Connection, uid: str, driver: str | None) -> None:
    """Let an NFC card charge. uid: hexadecimal, 4, 7 or 10 bytes. driver: e-mail of its owner. Raises ConflictError."""
    normal = uid.replace(":", "").replace(" ", "").upper()
    if len(normal) not in (8, 14, 20) or any(character not in "0123456789ABCDEF" for character in normal):
        raise ConflictError("uid", f"{uid!r} is not a card's UID: 8, 14 or 20 hexadecimal digits")
    user = None
    if driver is not None:
        user = connection.scalar(select(users.c.id).where(users.c.email == driver.strip().lower()))
        if user is None:
            raise ConflictError("driver", f"there is no user {driver}")
    put_id_token(connection, normal, "ISO14443", status="Accepted", driver=user)
