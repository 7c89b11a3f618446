"""Charging sessions: start, look, export, stop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, Row, Select, func, select

from cloud import present, receipt
from cloud.store.store import Store
from cloud.store.tables import sessions
from cloud.store.vehicles import type_soc
from cloud.web import visible
from cloud.web.api import table
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import NewSession, ProblemDetails, Session, SessionList, SessionQuery
from cloud.web.api.money_models import SessionChange, SessionReceipt
from cloud.web.auth import DRIVER, Person
from cloud.web.login import require
from cloud.web.services import services

blueprint = Blueprint("sessions", __name__)

_LIMIT = 50
_PART = 1_000


@blueprint.post("/sessions")
@endpoint("Sessions", {202: Session, 404: ProblemDetails, 409: ProblemDetails}, body=NewSession)
def post_session(body: NewSession) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Start charging.

    Answers when the station has accepted; the session is pending until a vehicle is plugged in. 409 says why not:
    `reason` is occupied, inoperative, offline or rejected, or battery_unknown when there is a `soc_pct` and your
    preferences do not say how much your battery holds.
    """
    session = services().commands.start_session(body.evse, require(DRIVER).id, body.connector, body.soc_pct)
    return session, 202, {"Location": f"/api/v1/sessions/{session['id']}"}


@blueprint.get("/sessions")
@endpoint("Sessions", {200: SessionList}, query=SessionQuery)
def get_sessions(query: SessionQuery) -> dict[str, Any] | Response:
    """Sessions, newest first: drivers see their own. `Accept: text/csv` exports."""
    ours, wanted = services(), _wanted(query, require(DRIVER))
    if request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv":
        return table.answer(present.session(row) for row in _all(ours.store, wanted, query))
    limit = query.limit or _LIMIT
    with ours.store.read() as connection:
        rows = _part(connection, wanted, query.cursor, limit + 1)
    more = len(rows) > limit
    return {
        "sessions": [present.session(row) for row in rows[:limit]],
        "next": str(rows[limit - 1].no) if more else None,
    }


@blueprint.get("/sessions/<session>")
@endpoint("Sessions", {200: SessionReceipt, 404: ProblemDetails})
def get_session(session: str) -> dict[str, Any]:
    """One session, with its receipt. Drivers see their own only."""
    with services().store.read() as connection:
        return _whole(visible.session(connection, require(DRIVER), session))


@blueprint.patch("/sessions/<session>")
@endpoint("Sessions", {200: SessionReceipt, 404: ProblemDetails, 409: ProblemDetails}, body=SessionChange)
def patch_session(session: str, body: SessionChange) -> dict[str, Any]:
    """Say how full the battery is now, for a vehicle that does not tell it itself.

    From then on it is estimated with the energy that is charged. 409 when the session is over, or when the driver's
    preferences do not say how much the battery holds.
    """
    ours, person = services(), require(DRIVER)
    with ours.store.write() as connection:
        visible.session(connection, person, session)
        type_soc(connection, session, body.soc_pct, ours.now())
        return _whole(visible.session(connection, person, session))


@blueprint.post("/sessions/<session>/stop")
@endpoint("Sessions", {202: Session, 404: ProblemDetails, 409: ProblemDetails})
def stop_session(session: str) -> tuple[dict[str, Any], int]:
    """Stop charging. Answers when the station has accepted; the session ends a moment later."""
    ours = services()
    with ours.store.read() as connection:
        visible.session(connection, require(DRIVER), session)
    return ours.commands.stop_session(session), 202


def _whole(row: Any) -> dict[str, Any]:
    return present.session(row) | receipt.of_session(row)


def _wanted(query: SessionQuery, person: Person) -> Select[Any]:
    began = func.coalesce(sessions.c.started_at, sessions.c.created_at, type_=sessions.c.created_at.type)
    wanted = select(sessions).order_by(sessions.c.no.desc())
    if not person.is_operator:
        wanted = wanted.where(sessions.c.driver == person.id)
    if query.status is not None:
        wanted = wanted.where(sessions.c.state.in_(query.status))
    if query.station is not None:
        wanted = wanted.where(sessions.c.station == query.station)
    if query.start is not None:
        wanted = wanted.where(began >= query.start)
    if query.end is not None:
        wanted = wanted.where(began < query.end)
    return wanted


def _part(connection: Connection, wanted: Select[Any], cursor: int | None, count: int) -> list[Row[Any]]:
    """The next `count` rows after the one that the cursor names by its number."""
    if cursor is not None:
        wanted = wanted.where(sessions.c.no < cursor)
    return list(connection.execute(wanted.limit(count)))


def _all(store: Store, wanted: Select[Any], query: SessionQuery) -> Iterator[Row[Any]]:
    """All rows that are wanted, read part by part so that an export does not hold a transaction open."""
    cursor, left = query.cursor, query.limit
    while left is None or left > 0:
        with store.read() as connection:
            rows = _part(connection, wanted, cursor, _PART if left is None else min(left, _PART))
        yield from rows
        if len(rows) < _PART:
            return
        cursor = rows[-1].no
        left = None if left is None else left - len(rows)
