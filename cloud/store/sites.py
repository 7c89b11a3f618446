"""Sites: where stations are, and by which clock their time of day goes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from typing import Any
from zoneinfo import available_timezones

from sqlalchemy import Connection, Row, insert, select, update

from cloud.errors import ConflictError, NotFoundError
from cloud.store.store import new_id
from cloud.store.tables import sites, stations


@cache
def time_zones() -> frozenset[str]:
    """The time zones that this machine knows, such as Europe/Rome."""
    return frozenset(available_timezones())


def add(connection: Connection, key: str | None, now: datetime, **columns: Any) -> str:
    """Add a site and answer its id. Raises ConflictError for an id that is taken."""
    key = key or new_id(now)
    if connection.scalar(select(sites.c.id).where(sites.c.id == key)) is not None:
        raise ConflictError("exists", f"there is a site {key} already")
    connection.execute(insert(sites).values(id=key, **columns))
    return key


def change(connection: Connection, key: str, **columns: Any) -> None:
    """Raises NotFoundError."""
    if connection.scalar(select(sites.c.id).where(sites.c.id == key)) is None:
        raise NotFoundError(f"no site {key[:60]}")
    if columns:
        connection.execute(update(sites).where(sites.c.id == key).values(**columns))


def put_station(connection: Connection, station: str, site: str | None) -> None:
    """Say at which site a station is, None for none."""
    connection.execute(update(stations).where(stations.c.id == station).values(site=site))


def put_stations(connection: Connection, site: str, wanted: Sequence[str]) -> list[str]:
    """These stations and no others are at the site. Answers those that are not there; then nothing is changed."""
    known = set(connection.scalars(select(stations.c.id).where(stations.c.id.in_(wanted))))
    strangers = sorted(set(wanted) - known)
    if not strangers:
        connection.execute(update(stations).where(stations.c.site == site).values(site=None))
        connection.execute(update(stations).where(stations.c.id.in_(wanted)).values(site=site))
    return strangers


def site_of(connection: Connection, station: str) -> str | None:
    """Raises NotFoundError for a station that is not there."""
    row = connection.execute(select(stations.c.site).where(stations.c.id == station)).first()
    if row is None:
        raise NotFoundError(f"no station {station[:60]}")
    site: str | None = row.site
    return site


def listed(
    connection: Connection, *, only: str | None = None, after: str | None = None, limit: int | None = None
) -> Sequence[Row[Any]]:
    """Sites by id. only: this one. after: an id."""
    query = select(sites).order_by(sites.c.id).limit(limit)
    if only is not None:
        query = query.where(sites.c.id == only)
    if after is not None:
        query = query.where(sites.c.id > after)
    return connection.execute(query).all()


def stations_of(connection: Connection, keys: Sequence[str]) -> dict[str, list[str]]:
    """The stations at each of these sites."""
    result: dict[str, list[str]] = {key: [] for key in keys}
    query = select(stations.c.site, stations.c.id).where(stations.c.site.in_(keys)).order_by(stations.c.id)
    for row in connection.execute(query):
        result[row.site].append(row.id)
    return result
