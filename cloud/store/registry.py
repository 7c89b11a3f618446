"""Writing down stations, users and id tokens: what an operator, the demo and the tests set up with."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec
from argon2 import PasswordHasher
from sqlalchemy import Connection, insert, select, update

from cloud.domain import codes
from cloud.errors import ConflictError
from cloud.store.store import new_id
from cloud.store.tables import connectors, evses, id_tokens, stations, users
from protocol.topics import check_station_id

#: What a station may claim to have. The largest sites known have hundreds of EVSEs, each a station of its own or few.
MAX_EVSES = 256
MAX_CONNECTORS = 16

passwords = PasswordHasher()


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


def put_id_token(connection: Connection, id_token: str, kind: str, **columns: Any) -> None:
    """Add an id token, or change the columns that are given of one that is there. kind: OCPP's IdTokenEnumType."""
    key = (id_tokens.c.id_token == id_token) & (id_tokens.c.type == kind)
    if connection.execute(select(id_tokens.c.id_token).where(key)).first() is None:
        connection.execute(insert(id_tokens).values(id_token=id_token, type=kind, **columns))
    elif columns:
        connection.execute(update(id_tokens).where(key).values(**columns))


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
