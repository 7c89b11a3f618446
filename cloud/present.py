"""The shapes of api.md: how stations, EVSEs and sessions look to programs, over HTTP and in events alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, select

from cloud.domain import status
from cloud.domain.status import EvseStatus
from cloud.store.tables import connectors, evses, sessions, station_statuses, stations

Json = dict[str, Any]

#: States of a session that is not over.
OPEN = ("pending", "charging", "suspended")


def time(at: datetime | None) -> str | None:
    """RFC 3339 in UTC, to the millisecond."""
    return None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def evse_id(station: str, number: int) -> str:
    """How the API names an EVSE. A station id has no colon."""
    return f"{station}:{number}"


def session(row: Row[Any]) -> Json:
    """One session, from a row of the sessions table."""
    return {
        "id": row.id,
        "transaction_id": row.transaction_id,
        "station": row.station,
        "evse": row.evse,
        "connector": row.connector,
        "driver": row.driver,
        "id_token": row.id_token,
        "state": row.state,
        "created_at": time(row.created_at),
        "started_at": time(row.started_at),
        "ended_at": time(row.ended_at),
        "updated_at": time(row.updated_at),
        "start_wh": row.start_wh,
        "energy_wh": row.energy_wh,
        "power_w": row.power_w,
        "soc_pct": row.soc_pct,
        # A row of before there was such a column has what was measured.
        "soc_source": row.soc_source or (None if row.soc_pct is None else "measured"),
        "cost": row.cost,
        "currency": row.currency,
        "stop_reason": row.stop_reason,
        "complete": row.complete,
        "flags": row.flags.split(",") if row.flags else [],
    }


def station_list(
    connection: Connection, now: datetime, heartbeat_s: int, ids: Sequence[str] | None = None
) -> list[Json]:
    """Stations with their EVSEs and connectors, by id.

    ids: only these; None for all. heartbeat_s: the interval that stations are told at boot.
    """

    def only(query: Any, column: Any) -> Any:
        return query if ids is None else query.where(column.in_(ids))

    sockets: dict[tuple[str, int], list[Row[Any]]] = {}
    for row in connection.execute(
        only(select(connectors), connectors.c.station).order_by(connectors.c.evse, connectors.c.number)
    ):
        sockets.setdefault((row.station, row.evse), []).append(row)
    running = {
        (row.station, row.evse): row
        for row in connection.execute(
            only(select(sessions).where(sessions.c.state.in_(OPEN)), sessions.c.station).order_by(sessions.c.no)
        )
    }
    parts: dict[str, list[Row[Any]]] = {}
    for row in connection.execute(only(select(evses), evses.c.station).order_by(evses.c.number)):
        parts.setdefault(row.station, []).append(row)
    progress: dict[str, Json] = {}
    for row in connection.execute(only(select(station_statuses), station_statuses.c.station)):
        told = {"status": row.status, "request_id": row.request_id, "at": time(row.at)}
        progress.setdefault(row.station, {})[row.kind] = told
    result = []
    for row in connection.execute(only(select(stations), stations.c.id).order_by(stations.c.id)):
        online = status.is_online(row.link_up, row.seen_at, heartbeat_s, now)
        result.append(
            {
                "id": row.id,
                "vendor": row.vendor,
                "model": row.model,
                "firmware": row.firmware,
                "protocol": row.protocol,
                "online": online,
                "since": time(_since(row, online, heartbeat_s)),
                "seen_at": time(row.seen_at),
                "site": row.site,
                "progress": progress.get(row.id, {}),
                "evses": [
                    _evse(part, online, sockets.get((row.id, part.number), []), running.get((row.id, part.number)))
                    for part in parts.get(row.id, [])
                ],
            }
        )
    return result


def _since(row: Row[Any], online: bool, heartbeat_s: int) -> datetime | None:
    """Since when the station is as it is. One that fell silent without a goodbye is offline since it was due."""
    if online or not row.link_up or row.seen_at is None:
        at: datetime | None = row.link_since
        return at
    due: datetime = row.seen_at + timedelta(seconds=status.SILENT_INTERVALS * heartbeat_s)
    return due


def _evse(row: Row[Any], online: bool, sockets: Iterable[Row[Any]], running: Row[Any] | None) -> Json:
    sockets = list(sockets)
    told = [socket.status for socket in sockets]
    problems = row.problems.replace(",", ", ") if "Faulted" in told else ""
    words: EvseStatus = status.evse_status(online, told, session_open=running is not None, reason=problems)
    vehicle: Mapping[str, Any] = {
        "connected": any(socket.status == "Occupied" for socket in sockets),
        "charging": running is not None and running.state == "charging",
        "soc_pct": None if running is None else running.soc_pct,
    }
    return {
        "id": evse_id(row.station, row.number),
        "number": row.number,
        "code": row.code,
        "status": words.status,
        "detail": words.detail,
        "connectors": [
            {
                "number": socket.number,
                "type": socket.type,
                "current": socket.current,
                "max_kw": socket.max_kw,
                "status": socket.status or "Unknown",
            }
            for socket in sockets
        ],
        "vehicle": vehicle,
        "session_id": None if running is None else running.id,
    }
