"""What a station has told: its variables, monitors, charging profiles, messages, and the frames themselves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec
from flask import Blueprint
from sqlalchemy import ColumnElement, Connection, Row, Select, Table, select

from cloud.present import time
from cloud.store.tables import (
    dead_letters,
    frames,
    refusals,
    station_messages,
    station_monitors,
    station_profiles,
    station_variables,
    stations,
)
from cloud.store.trail import MAX_LOGGED_BYTES
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import (
    DeadLetterList,
    DeadLetterQuery,
    FrameList,
    FrameQuery,
    MessageList,
    MessageQuery,
    MonitorList,
    PlaceQuery,
    ProblemDetails,
    ProfileList,
    ProfileQuery,
    RefusalList,
    VariableList,
)
from cloud.web.auth import OPERATOR
from cloud.web.problems import not_found
from cloud.web.services import services

blueprint = Blueprint("told", __name__)

_LIMIT = 100
#: No OCPP message is nested deeper, and what writes JSON has a limit.
MAX_DEPTH = 50
_NOT_FOUND = {404: ProblemDetails}


@blueprint.get("/stations/<station>/variables")
@endpoint("Stations", {200: VariableList, **_NOT_FOUND}, role=OPERATOR, query=PlaceQuery)
def get_variables(station: str, query: PlaceQuery) -> dict[str, Any]:
    """A station's variables, as it has reported them.

    Ask it for a report with `POST /stations/{id}/calls/GetBaseReport`; a FullInventory replaces what was known.
    """
    return _of_station(station, "variables", station_variables, query, _at_place(station_variables, query), _variable)


@blueprint.get("/stations/<station>/monitors")
@endpoint("Stations", {200: MonitorList, **_NOT_FOUND}, role=OPERATOR, query=PlaceQuery)
def get_monitors(station: str, query: PlaceQuery) -> dict[str, Any]:
    """The monitors that are set in a station, as it has reported them (GetMonitoringReport)."""
    return _of_station(station, "monitors", station_monitors, query, _at_place(station_monitors, query), _monitor)


@blueprint.get("/stations/<station>/profiles")
@endpoint("Stations", {200: ProfileList, **_NOT_FOUND}, role=OPERATOR, query=ProfileQuery)
def get_profiles(station: str, query: ProfileQuery) -> dict[str, Any]:
    """The charging profiles that are installed in a station, as it has reported them (GetChargingProfiles)."""
    wanted = [] if query.evse is None else [station_profiles.c.evse == query.evse]
    return _of_station(station, "profiles", station_profiles, query, wanted, _profile)


@blueprint.get("/stations/<station>/messages")
@endpoint("Stations", {200: MessageList, **_NOT_FOUND}, role=OPERATOR, query=MessageQuery)
def get_messages(station: str, query: MessageQuery) -> dict[str, Any]:
    """What a station told beside its sessions, newest first: security events, monitors' alerts, limits, and the like.

    The last few of each action are kept.
    """
    columns = station_messages.c
    wanted = [] if query.action is None else [columns.action.in_(query.action)]
    return _of_station(station, "messages", station_messages, query, wanted, _message, newest_first=True)


@blueprint.get("/stations/<station>/frames")
@endpoint("Stations", {200: FrameList, **_NOT_FOUND}, role=OPERATOR, query=FrameQuery)
def get_frames(station: str, query: FrameQuery) -> dict[str, Any]:
    """The last frames from and to a station, newest first. Passwords in calls of ours are hidden."""
    wanted: list[ColumnElement[bool]] = []
    if query.direction is not None:
        wanted.append(frames.c.direction == query.direction)
    if query.kind is not None:
        wanted.append(frames.c.kind.in_(query.kind))
    if query.action is not None:
        wanted.append(frames.c.action.in_(query.action))
    if query.message_id is not None:
        wanted.append(frames.c.message_id == query.message_id)
    if query.start is not None:
        wanted.append(frames.c.at >= query.start)
    if query.end is not None:
        wanted.append(frames.c.at < query.end)
    return _of_station(station, "frames", frames, query, wanted, _frame, newest_first=True)


@blueprint.get("/dead-letters")
@endpoint("Stations", {200: DeadLetterList}, role=OPERATOR, query=DeadLetterQuery)
def get_dead_letters(query: DeadLetterQuery) -> dict[str, Any]:
    """Frames that were refused or could not be handled, newest first: the last of each station, as they came."""
    wanted = [] if query.station is None else [dead_letters.c.station == query.station]
    with services().store.read() as connection:
        return _list(connection, "dead_letters", dead_letters, query, wanted, _dead_letter, newest_first=True)


@blueprint.get("/refusals")
@endpoint("Stations", {200: RefusalList}, role=OPERATOR)
def get_refusals() -> dict[str, Any]:
    """How many frames were refused, by station and reason; TooMany is a station that sends too fast."""
    with services().store.read() as connection:
        rows = connection.execute(select(refusals).order_by(refusals.c.station, refusals.c.code)).all()
    shown = [
        {
            "station": row.station or None,
            "code": row.code,
            "count": row.count,
            "last_at": time(row.last_at),
            "last_text": row.last_text,
        }
        for row in rows
    ]
    return {"refusals": shown}


def _at_place(table: Table, query: PlaceQuery) -> list[ColumnElement[bool]]:
    wanted = []
    if query.component is not None:
        wanted.append(table.c.component == query.component)
    if query.variable is not None:
        wanted.append(table.c.variable == query.variable)
    if query.evse is not None:
        wanted.append(table.c.evse == query.evse)
    return wanted


def _of_station(
    station: str,
    name: str,
    table: Table,
    query: Any,
    wanted: Sequence[ColumnElement[bool]],
    show: Callable[[Row[Any]], dict[str, Any]],
    *,
    newest_first: bool = False,
) -> dict[str, Any]:
    """A part of a station's rows. Raises Problem 404 when there is no such station."""
    with services().store.read() as connection:
        if connection.scalar(select(stations.c.id).where(stations.c.id == station)) is None:
            not_found(f"station {station[:60]}")
        mine = [table.c.station == station, *wanted]
        return _list(connection, name, table, query, mine, show, newest_first=newest_first)


def _list(
    connection: Connection,
    name: str,
    table: Table,
    query: Any,
    wanted: Sequence[ColumnElement[bool]],
    show: Callable[[Row[Any]], dict[str, Any]],
    *,
    newest_first: bool,
) -> dict[str, Any]:
    limit = query.limit or _LIMIT
    rows: Select[Any] = select(table).where(*wanted).order_by(table.c.no.desc() if newest_first else table.c.no)
    if query.cursor is not None:
        rows = rows.where(table.c.no < query.cursor if newest_first else table.c.no > query.cursor)
    found = connection.execute(rows.limit(limit + 1)).all()
    return {
        name: [show(row) for row in found[:limit]],
        "next": str(found[limit - 1].no) if len(found) > limit else None,
    }


def _place(row: Row[Any]) -> dict[str, Any]:
    return {
        "component": row.component,
        "component_instance": row.component_instance or None,
        "evse": row.evse or None,
        "connector": row.connector or None,
        "variable": row.variable,
        "variable_instance": row.variable_instance or None,
        "at": time(row.at),
    }


def _variable(row: Row[Any]) -> dict[str, Any]:
    return _place(row) | {
        "attribute": row.attribute,
        "value": row.value,
        "mutability": row.mutability,
        "persistent": row.persistent,
        "constant": row.constant,
        "data_type": row.data_type,
        "unit": row.unit,
        "min_limit": row.min_limit,
        "max_limit": row.max_limit,
        "values": None if row.values_list is None else row.values_list.split(","),
        "supports_monitoring": row.supports_monitoring,
    }


def _monitor(row: Row[Any]) -> dict[str, Any]:
    return _place(row) | {
        "id": row.monitor,
        "type": row.type,
        "value": row.value,
        "severity": row.severity,
        "transaction_only": row.transaction_only,
    }


def _profile(row: Row[Any]) -> dict[str, Any]:
    return {
        "id": row.profile,
        "evse": row.evse or None,
        "source": row.source,
        "purpose": row.purpose,
        "stack_level": row.stack_level,
        "transaction_id": row.transaction_id,
        "profile": msgspec.json.decode(row.content),
        "at": time(row.at),
    }


def _message(row: Row[Any]) -> dict[str, Any]:
    return {"at": time(row.at), "action": row.action, **_payload(row.payload)}


def _frame(row: Row[Any]) -> dict[str, Any]:
    shown = {
        "at": time(row.at),
        "direction": row.direction,
        "kind": row.kind,
        "action": row.action or None,
        "message_id": row.message_id or None,
    }
    cut = len(row.data) >= MAX_LOGGED_BYTES
    if row.kind == "bad" or cut:
        return shown | {"payload": None, "text": row.data.decode(errors="replace"), "cut": cut}
    parts = msgspec.json.decode(row.data, type=list[msgspec.Raw])
    told = {"cut": False, **_payload(bytes(parts[-1]))}
    if row.kind == "error":
        code, description = (msgspec.json.decode(part, type=str) for part in parts[2:4])
        told["payload"] = {"code": code, "description": description, "details": told["payload"]}
    return shown | told


def _dead_letter(row: Row[Any]) -> dict[str, Any]:
    return {
        "at": time(row.at),
        "station": row.station or None,
        "topic": row.topic,
        "code": row.code,
        "why": row.text,
        "frame": row.data.decode(errors="replace"),
    }


def _payload(data: bytes) -> dict[str, Any]:
    """As JSON; as text where it is none, or is nested as only an attack is."""
    try:
        payload = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        payload = None
    if payload is None or _is_deep(payload, MAX_DEPTH):
        return {"payload": None, "text": data.decode(errors="replace")}
    return {"payload": payload, "text": None}


def _is_deep(value: Any, left: int) -> bool:
    if not isinstance(value, list | dict):
        return False
    inner = value.values() if isinstance(value, dict) else value
    return left == 0 or any(_is_deep(part, left - 1) for part in inner)
