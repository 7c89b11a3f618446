"""What a driver may see of what there is: stations without their inside, and nobody else's sessions."""

from __future__ import annotations

from collections.abc import Container

from sqlalchemy import Connection, Row, select

from cloud.present import OPEN, Json
from cloud.store.tables import sessions
from cloud.web.auth import Person
from cloud.web.problems import not_found

_STATION = ("id", "vendor", "model", "online", "since", "site")
_EVSE = ("id", "number", "code", "status", "detail", "connectors")


def station(whole: Json, own: Container[str] = ()) -> Json:
    """A station's public fields. own: ids of sessions that the one who looks may know of."""
    return {name: whole[name] for name in _STATION} | {"evses": [evse(part, own) for part in whole["evses"]]}


def evse(whole: Json, own: Container[str] = ()) -> Json:
    """An EVSE's public fields: what charges there, and how full it is, is its driver's business."""
    known = whole["session_id"] if whole["session_id"] in own else None
    vehicle = whole["vehicle"] if known is not None else whole["vehicle"] | {"soc_pct": None}
    return {name: whole[name] for name in _EVSE} | {"vehicle": vehicle, "session_id": known}


def told(whole: Json) -> Json:
    """A station's public fields in an event, which goes to all drivers alike: no `session_id`, not even one's own."""
    shown = station(whole)
    for part in shown["evses"]:
        del part["session_id"]
    return shown


def open_sessions(connection: Connection, person: Person) -> set[str]:
    """The ids of this person's sessions that are not over."""
    query = select(sessions.c.id).where(sessions.c.driver == person.id, sessions.c.state.in_(OPEN))
    return set(connection.scalars(query))


def session(connection: Connection, person: Person, key: str) -> Row[tuple[object, ...]]:
    """The row of a session that this person may see. Raises Problem 404 for any other."""
    row = connection.execute(select(sessions).where(sessions.c.id == key)).first()
    if row is None or not (person.is_operator or row.driver == person.id):
        not_found(f"session {key[:60]}")
    return row
