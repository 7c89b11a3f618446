"""Sessions that do not come to an end by themselves: events that are missing, and Ended that never comes.

Once in a while the worker asks a station about each session that lacks events (GetTransactionStatus, OCPP 2.0.1, E14).
While the station says that messages wait in its queue, they will come; when it says that none does, what is missing is
lost, and the session is marked so. And a session whose EVSE has been Available for long is taken for over.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Row, func, select, update

from cloud.domain import status
from cloud.store.queue import queue_call
from cloud.store.tables import connectors, gaps, sessions, stations
from cloud.unit import Unit

#: How often to look, and how long a station has to answer.
EVERY = timedelta(seconds=30)
ANSWER_WITHIN = timedelta(seconds=30)
#: A station that does not answer is asked after twice the time, up to this.
SELDOM = timedelta(days=1)
#: At most so many are asked about, or taken for over, at a time.
_MOST = 100
ACTION = "GetTransactionStatus"


def answered(unit: Unit, call: Row[Any], response: dict[str, Any]) -> None:
    """A station has answered what we asked about the session of this call."""
    asked = msgspec.json.decode(call.payload).get("transactionId")
    gap = unit.connection.execute(
        select(gaps).where(gaps.c.station == call.station, gaps.c.transaction_id == asked)
    ).first()
    if gap is None or response["messagesInQueue"]:
        return  # all has come meanwhile, or the rest will: it is asked again later
    if response.get("ongoingIndicator") is False:
        unit.books.close(gap.station, gap.transaction_id, unit.now)
        unit.changed_stations.add(gap.station)
    unit.books.give_up(gap.station, gap.transaction_id, gap.last)


def _reachable(unit: Unit) -> Any:
    silent = timedelta(seconds=status.SILENT_INTERVALS * unit.heartbeat_s)
    return stations.c.link_up.is_(True) & (stations.c.seen_at >= unit.now - silent)


def ask(unit: Unit) -> None:
    """Ask stations about sessions that lack events for long enough."""
    due = (
        select(gaps.c.session, gaps.c.station)
        .join(stations, stations.c.id == gaps.c.station)
        .where(gaps.c.next_at <= unit.now, _reachable(unit))
        .order_by(gaps.c.next_at)
        .limit(_MOST)
    )
    found = unit.connection.execute(due).all()
    unit.load_stations(row.station for row in found)
    # Once more, now that nobody else may ask too.
    again = select(gaps, sessions.c.id).join(sessions, sessions.c.no == gaps.c.session)
    numbers = [row.session for row in found]
    for row in unit.connection.execute(again.where(gaps.c.session.in_(numbers), gaps.c.next_at <= unit.now)).all():
        payload = msgspec.json.encode({"transactionId": row.transaction_id})
        expires_at = unit.now + ANSWER_WITHIN
        queue_call(unit.connection, row.station, ACTION, payload, now=unit.now, expires_at=expires_at, session=row.id)
        wait = min(SELDOM, timedelta(seconds=unit.limits.gap_patience_s) * 2 ** min(row.asked + 1, 20))
        unit.connection.execute(
            update(gaps)
            .where(gaps.c.session == row.session)
            .values(asked=row.asked + 1, next_at=unit.now + wait, last=unit.books.last(row.station, row.transaction_id))
        )


def close(unit: Unit) -> None:
    """Take for over the sessions that nothing was heard of for long, while their EVSE has been Available.

    Only at stations that are online: one that has just come back may still have the end of a session in its queue, and
    gets the same time.
    """
    before = unit.now - timedelta(seconds=unit.limits.stuck_after_s)
    at = func.max(connectors.c.status_at, type_=connectors.c.status_at.type)
    free = (
        select(sessions.c.station, sessions.c.transaction_id, at.label("at"))
        .join(stations, stations.c.id == sessions.c.station)
        .join(connectors, (connectors.c.station == sessions.c.station) & (connectors.c.evse == sessions.c.evse))
        .where(
            sessions.c.state.in_(("pending", "charging", "suspended")),
            sessions.c.transaction_id.is_not(None),
            sessions.c.updated_at <= before,
            stations.c.link_since <= before,
            _reachable(unit),
        )
        .group_by(sessions.c.no, sessions.c.station, sessions.c.transaction_id)
        .having(
            func.min(connectors.c.status) == "Available",
            func.max(connectors.c.status) == "Available",
            func.max(connectors.c.status_at) <= before,
        )
        .order_by(sessions.c.no)
        .limit(_MOST)
    )
    found: list[tuple[str, str, datetime]] = [tuple(row) for row in unit.connection.execute(free)]
    unit.load_stations(station for station, _, _ in found)
    for station, transaction_id, seen_at in found:
        if unit.books.quiet_since(station, transaction_id, before):
            unit.books.close(station, transaction_id, seen_at)
            unit.changed_stations.add(station)
