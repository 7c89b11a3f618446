"""Calls on their way to stations: one in flight per station, with a time-out, and late replies recognised."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import Row, Select, func, select, update

from cloud import local_lists, reconcile
from cloud.store.tables import calls, sessions
from cloud.store.trail import OUT
from cloud.unit import Unit
from protocol import topics
from protocol.envelope import Call, CallError, CallResult, encode
from protocol.errors import ProtocolError
from protocol.messages import Version, read_response
from protocol.topics import Topic

log = structlog.get_logger(__name__)

#: A session that a person asked for and that never began is given up after this long. Stations give up earlier:
#: their EVConnectionTimeOut is seldom above two minutes.
PENDING_FOR = timedelta(minutes=5)


def due(unit: Unit) -> list[tuple[Topic, bytes, int]]:
    """The calls to publish now, marked as sent: for each station the oldest that waits, if none is in flight.

    Each with the seconds after which the broker must not deliver it any more, so that an old start never fires late.
    """
    busy = select(calls.c.station).where(calls.c.state == "sent")
    waiting = (calls.c.state == "queued") & (calls.c.expires_at > unit.now) & calls.c.station.not_in(busy)
    oldest = select(func.min(calls.c.no)).where(waiting).group_by(calls.c.station)
    result = []
    for row in unit.connection.execute(select(calls).where(calls.c.no.in_(oldest)).order_by(calls.c.no)).all():
        claim = update(calls).where(calls.c.no == row.no, calls.c.state == "queued")
        if unit.connection.execute(claim.values(state="sent", sent_at=unit.now)).rowcount:
            call = Call(row.id, row.action, msgspec.Raw(row.payload))
            frame = encode(call)
            unit.trail.frame(row.station, OUT, frame, call)
            left = max(1, int((row.expires_at - unit.now).total_seconds()))
            result.append((topics.down(row.station), frame, left))
            if row.session is not None:  # one that was just asked for takes its EVSE: tell who watches
                unit.changed_sessions.add(row.session)
                unit.changed_stations.add(row.station)
    return result


def resolve(unit: Unit, station: str, frame: CallResult | CallError) -> str:
    """Take a station's answer to one of our calls, and tell which action that was.

    Raises ProtocolError when its schema refuses it, or when there was no such call.
    """
    row = unit.connection.execute(
        select(calls).where(calls.c.id == frame.message_id, calls.c.station == station)
    ).first()
    if row is None:
        raise ProtocolError("RpcFrameworkError", f"an answer to {frame.message_id!r}, a call that was never made")
    if row.state != "sent":
        log.info("a late answer", station=station, action=row.action, state=row.state)
        return str(row.action)
    if isinstance(frame, CallError):
        _finish(unit, row, "error", {"code": frame.code, "description": frame.description, "details": frame.details})
        return str(row.action)
    try:
        read_response(Version.V201, row.action, frame.payload, frame.message_id)
    except ProtocolError as error:
        _finish(unit, row, "error", {"code": error.code, "description": error.description, "details": {}})
        raise
    response = msgspec.json.decode(frame.payload)
    _finish(unit, row, "answered", response)
    if row.action == reconcile.ACTION and row.session is not None:
        reconcile.answered(unit, row, response)
    return str(row.action)


def lapse_calls(unit: Unit) -> None:
    """End the calls whose time is over."""
    over = select(calls).where(calls.c.state.in_(("queued", "sent")), calls.c.expires_at <= unit.now)
    for row in _alone(unit, over):
        _finish(unit, row, "timeout", None)


def lapse_sessions(unit: Unit) -> None:
    """Give up the sessions that somebody asked for and that never began."""
    forgotten = select(sessions).where(
        sessions.c.state == "pending",
        sessions.c.transaction_id.is_(None),
        sessions.c.created_at <= unit.now - PENDING_FOR,
    )
    for row in _alone(unit, forgotten):
        _fail_session(unit, row, "Timeout", unit.now)


def _alone(unit: Unit, wanted: Select[Any]) -> Sequence[Row[Any]]:
    """These rows, read so that no other worker may be at their stations."""
    found = unit.connection.execute(wanted).all()
    unit.load_stations(row.station for row in found)
    return unit.connection.execute(wanted).all() if found else ()


def _finish(unit: Unit, row: Row[Any], state: str, response: dict[str, Any] | None) -> None:
    text = None if response is None else json.dumps(response)  # msgspec would refuse an integer above 64 bits
    unit.connection.execute(
        update(calls).where(calls.c.no == row.no).values(state=state, done_at=unit.now, response=text)
    )
    unit.calls_moved = True
    if row.action == local_lists.ACTION:
        local_lists.answered(unit, row, state, response)
    accepted = state == "answered" and (response or {}).get("status") == "Accepted"
    if row.action == "RequestStartTransaction" and row.session is not None and not accepted:
        session = unit.connection.execute(select(sessions).where(sessions.c.id == row.session)).first()
        if session is not None and session.transaction_id is None and session.state == "pending":
            _fail_session(unit, session, "Rejected" if state == "answered" else state.capitalize(), unit.now)


def _fail_session(unit: Unit, row: Row[Any], reason: str, now: datetime) -> None:
    unit.connection.execute(
        update(sessions)
        .where(sessions.c.no == row.no)
        .values(state="failed", stop_reason=reason, ended_at=now, updated_at=now)
    )
    unit.changed_sessions.add(row.id)
    unit.changed_stations.add(row.station)
