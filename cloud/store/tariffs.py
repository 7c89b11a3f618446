"""Tariffs in the database: their versions, where they are in force, and which a session has agreed to.

What was in force at a moment is never changed afterwards: a session has the same tariff whenever its events come.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Connection, and_, func, insert, or_, select, update

from cloud.domain.tariffs import Agreed, Tariff
from cloud.errors import ConflictError, NotFoundError
from cloud.store.store import new_id
from cloud.store.tables import sites, stations, tariff_places, tariff_versions, tariffs

#: From the narrowest to the widest. The narrowest place that has a tariff of its own decides.
SCOPES = ("evse", "station", "site", "default")
EVSE, STATION, SITE, DEFAULT = SCOPES
#: Where nobody said where a station is.
NO_ZONE = "UTC"

_read = msgspec.json.Decoder(Tariff).decode


@dataclass(frozen=True, slots=True)
class Listed:
    """A tariff as it is now. is_default: it is in force where no other is."""

    id: str
    name: str
    version: int
    since: datetime
    created_at: datetime
    is_default: bool
    tariff: Tariff


def create(connection: Connection, key: str | None, name: str, tariff: Tariff, now: datetime) -> str:
    """Add a tariff and answer its id. Raises ConflictError for an id that is taken."""
    key = key or new_id(now)
    if connection.scalar(select(tariffs.c.id).where(tariffs.c.id == key)) is not None:
        raise ConflictError("exists", f"there is a tariff {key} already")
    connection.execute(insert(tariffs).values(id=key, name=name, version=1, created_at=now))
    _add_version(connection, key, 1, tariff, now)
    return key


def change(connection: Connection, key: str, name: str, tariff: Tariff, now: datetime) -> None:
    """From now on a tariff is this. Sessions that have begun keep what they had. Raises NotFoundError."""
    # Locked, where the database knows that: two who change it make one version after the other.
    there = connection.execute(select(tariffs).where(tariffs.c.id == key).with_for_update()).first()
    if there is None:
        raise NotFoundError(f"no tariff {key[:60]}")
    version = there.version
    if get(connection, key).tariff != tariff:
        version += 1
        _add_version(connection, key, version, tariff, now)
    connection.execute(update(tariffs).where(tariffs.c.id == key).values(name=name, version=version))


def get(connection: Connection, key: str) -> Listed:
    """Raises NotFoundError."""
    found = listed(connection, only=key)
    if not found:
        raise NotFoundError(f"no tariff {key[:60]}")
    return found[0]


def listed(
    connection: Connection, *, only: str | None = None, after: str | None = None, limit: int | None = None
) -> list[Listed]:
    """Tariffs by id. only: this one. after: an id."""
    latest = and_(tariff_versions.c.tariff == tariffs.c.id, tariff_versions.c.version == tariffs.c.version)
    query = select(tariffs, tariff_versions.c.since, tariff_versions.c.content).join(tariff_versions, latest)
    if only is not None:
        query = query.where(tariffs.c.id == only)
    if after is not None:
        query = query.where(tariffs.c.id > after)
    default = placed(connection, DEFAULT, [""]).get("")
    return [
        Listed(row.id, row.name, row.version, row.since, row.created_at, row.id == default, _read(row.content))
        for row in connection.execute(query.order_by(tariffs.c.id).limit(limit))
    ]


def place(connection: Connection, scope: str, where: str, key: str | None, now: datetime) -> None:
    """From now on this tariff is in force there; None: no tariff of its own. Raises NotFoundError for no tariff."""
    if key is not None and connection.scalar(select(tariffs.c.id).where(tariffs.c.id == key)) is None:
        raise NotFoundError(f"no tariff {key[:60]}")
    if placed(connection, scope, [where]).get(where) != key:
        connection.execute(insert(tariff_places).values(scope=scope, place=where, tariff=key, since=now))


def placed(connection: Connection, scope: str, places: list[str]) -> Mapping[str, str | None]:
    """Which tariffs these places have of their own now."""
    newest = (
        select(func.max(tariff_places.c.no))
        .where(tariff_places.c.scope == scope, tariff_places.c.place.in_(places))
        .group_by(tariff_places.c.place)
    )
    rows = connection.execute(select(tariff_places).where(tariff_places.c.no.in_(newest)))
    return {row.place: row.tariff for row in rows}


def in_force(connection: Connection, station: str, evse: int, at: datetime) -> Agreed | None:
    """The tariff of an EVSE at that time, None where there was none."""
    row = connection.execute(
        select(stations.c.site, sites.c.time_zone)
        .outerjoin(sites, sites.c.id == stations.c.site)
        .where(stations.c.id == station)
    ).first()
    site, zone = (None, None) if row is None else row
    where = {EVSE: f"{station}:{evse}", STATION: station, SITE: site, DEFAULT: ""}
    here = or_(
        *(
            and_(tariff_places.c.scope == scope, tariff_places.c.place == name)
            for scope, name in where.items()
            if name is not None
        )
    )
    query = select(tariff_places.c.scope, tariff_places.c.tariff).where(here, tariff_places.c.since <= at)
    # The later overwrites the earlier.
    by_scope = {row.scope: row.tariff for row in connection.execute(query.order_by(tariff_places.c.no))}
    key = next((by_scope[scope] for scope in SCOPES if by_scope.get(scope) is not None), None)
    if key is None:
        return None
    version = connection.execute(
        select(tariff_versions, tariffs.c.name)
        .join(tariffs, tariffs.c.id == tariff_versions.c.tariff)
        .where(tariff_versions.c.tariff == key, tariff_versions.c.since <= at)
        .order_by(tariff_versions.c.version.desc())
        .limit(1)
    ).first()
    if version is None:
        return None
    return Agreed(key, version.version, version.name, zone or NO_ZONE, _read(version.content))


def _add_version(connection: Connection, key: str, version: int, tariff: Tariff, now: datetime) -> None:
    content = msgspec.json.encode(tariff).decode()
    connection.execute(insert(tariff_versions).values(tariff=key, version=version, since=now, content=content))
