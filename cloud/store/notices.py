"""Writes down what people are to be told, in the commit of what they are told of. `cloud.notify.delivery` sends it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, and_, delete, insert, or_, select

from cloud import present
from cloud.domain import notices as domain
from cloud.domain.notices import ENDED, FAULT, SOC
from cloud.notify.channels import ALWAYS
from cloud.store.books import Entry
from cloud.store.store import new_id
from cloud.store.tables import deliveries, evses, notices, preferences, push_subscriptions, sessions, users
from cloud.store.upsert import insert_into

#: Kinds of channel whose places are not in the preferences, but subscriptions of their own.
WEB_PUSH = "web_push"


class Choice(msgspec.Struct, frozen=True, omit_defaults=True):
    """A channel that somebody chose, as the preferences keep it. address: "" where it needs none."""

    kind: str
    address: str = ""


decode_choices = msgspec.json.Decoder(tuple[Choice, ...]).decode


class Fault(NamedTuple):
    """An EVSE that was well until then."""

    station: str
    evse: int
    at: datetime


class Told(NamedTuple):
    """A notice that is due, if it was not made before."""

    user: str
    session: int
    kind: str
    facts: Mapping[str, Any]


class Notices:
    """What one batch has to tell. now: when it was taken."""

    def __init__(self, connection: Connection, now: datetime) -> None:
        self._connection = connection
        self._now = now
        self._faults: list[Fault] = []

    def fault(self, station: str, evse: int, at: datetime) -> None:
        """An EVSE that was well is faulted since then."""
        self._faults.append(Fault(station, evse, at))

    def flush(self, changed: Iterable[Entry]) -> None:
        """Write the notices that these sessions and the faults give. The sessions' rows are written already."""
        mine = {entry.no: entry for entry in changed}
        concerned = {no: entry for no, entry in mine.items() if entry.driver is not None and _may_tell(entry)}
        if not concerned and not self._faults:
            return
        due = self._of_sessions(concerned)
        for fault in self._faults:
            due += self._of_fault(fault, mine)
        self._faults = []
        if due:
            write(self._connection, due, self._now)

    def _of_sessions(self, entries: Mapping[int, Entry]) -> list[Told]:
        if not entries:
            return []
        query = (
            select(sessions, users.c.id.label("user"), preferences.c.soc_threshold_pct)
            .join(users, users.c.id == sessions.c.driver)
            .outerjoin(preferences, preferences.c.user == users.c.id)
            .where(sessions.c.no.in_(entries))
        )
        due = []
        for row in self._connection.execute(query.order_by(sessions.c.no)).all():
            entry = entries[row.no]
            if _crossed(entry, row.soc_threshold_pct):
                due.append(Told(row.user, row.no, SOC, _soc_facts(row)))
            if _ended(entry):
                due.append(Told(row.user, row.no, ENDED, _ended_facts(row, entry)))
        return due

    def _of_fault(self, fault: Fault, changed: Iterable[int]) -> list[Told]:
        """To the driver of the session that it struck, and to the operators who want to know."""
        query = select(sessions.c.no, sessions.c.driver).where(
            sessions.c.station == fault.station,
            sessions.c.evse == fault.evse,
            or_(
                sessions.c.state.in_(present.OPEN),
                and_(sessions.c.no.in_(list(changed)), sessions.c.ended_at >= fault.at),
            ),
            sessions.c.transaction_id.is_not(None),
            sessions.c.started_at <= fault.at,
        )
        struck = self._connection.execute(query.order_by(sessions.c.no.desc()).limit(1)).first()
        if struck is None:
            return []
        problem = self._connection.scalar(
            select(evses.c.problems).where(evses.c.station == fault.station, evses.c.number == fault.evse)
        )
        facts = {"station": fault.station, "evse": fault.evse, "problem": (problem or "").replace(",", ", ")}
        wanting = (
            select(users.c.id)
            .outerjoin(preferences, preferences.c.user == users.c.id)
            .where(
                or_(
                    users.c.id == struck.driver,
                    and_(users.c.role.in_(("operator", "admin")), preferences.c.station_faults.is_(True)),
                )
            )
        )
        return [
            Told(user, struck.no, FAULT, facts | {"operator": user != struck.driver})
            for user in self._connection.scalars(wanting.order_by(users.c.id)).all()
        ]


def write(connection: Connection, due: Iterable[Told], now: datetime) -> None:
    """Make the notices that are not there yet, each with its deliveries. In one order, so that workers do not lock."""
    due = sorted(due, key=lambda told: (told.user, told.session, told.kind))
    key = (notices.c.user, notices.c.session, notices.c.kind)
    made = select(*key).where(notices.c.session.in_({told.session for told in due}))
    there = {tuple(row) for row in connection.execute(made)}
    for told in due:
        if (told.user, told.session, told.kind) in there:
            continue
        statement = insert_into(connection, notices).values(
            id=new_id(now),
            user=told.user,
            session=told.session,
            kind=told.kind,
            at=now,
            facts=msgspec.json.encode(told.facts),
            moot=False,
        )
        no = connection.scalar(statement.on_conflict_do_nothing().returning(notices.c.no))
        if no is not None:  # else another worker has made it meanwhile
            rows = [
                {"notice": no, "channel": kind, "target": target, "state": "waiting", "next_at": now}
                for kind, target in sorted(_places(connection, told.user))
            ]
            connection.execute(insert(deliveries), rows)


def forget_crossings(connection: Connection, user: str, threshold_pct: int | None, now: datetime) -> None:
    """A person chose another threshold. A session that is at it or above already does not come to it from below."""
    rows = connection.execute(
        select(sessions.c.no, sessions.c.soc_pct).where(
            sessions.c.driver == user, sessions.c.state.in_(present.OPEN), sessions.c.transaction_id.is_not(None)
        )
    ).all()
    numbers = [row.no for row in rows]
    mine = (notices.c.user == user) & (notices.c.kind == SOC) & notices.c.session.in_(numbers)
    connection.execute(delete(notices).where(mine, notices.c.moot.is_(True)))
    for row in rows:
        if threshold_pct is not None and row.soc_pct is not None and row.soc_pct >= threshold_pct:
            values = {"id": new_id(now), "user": user, "session": row.no, "kind": SOC, "at": now, "facts": b"{}"}
            statement = insert_into(connection, notices).values(**values, moot=True)
            connection.execute(statement.on_conflict_do_nothing())


def _places(connection: Connection, user: str) -> set[tuple[str, str]]:
    """Where this person is told: (kind of channel, target)."""
    chosen = connection.scalar(select(preferences.c.channels).where(preferences.c.user == user))
    places = {(kind, "") for kind in ALWAYS}
    for choice in decode_choices(chosen or b"[]"):
        if choice.kind == WEB_PUSH:
            ids = connection.scalars(select(push_subscriptions.c.id).where(push_subscriptions.c.user == user))
            places |= {(WEB_PUSH, key) for key in ids}
        else:
            places.add((choice.kind, choice.address))
    return places


def _charge(entry: Entry) -> domain.Charge | None:
    session, sequence = entry.session, entry.sequence
    if session.soc_first_pct is None:
        return domain.estimated(entry.typed_pct, entry.soc_pct)
    return domain.charge(
        session.soc_first_pct, session.soc_first_no, session.soc_peak_pct, sequence.missing, entry.lost
    )


def _crossed(entry: Entry, threshold_pct: int | None) -> bool:
    charge = _charge(entry)
    return charge is not None and threshold_pct is not None and charge.crossed(threshold_pct)


def _ended(entry: Entry) -> bool:
    """Whether it is over and nothing more can come, so that what is told of it stays true."""
    return entry.over and not entry.lacks


def _may_tell(entry: Entry) -> bool:
    """Whether there could be something to tell: asked of every session that changed, so without the database."""
    charge = _charge(entry)
    return _ended(entry) or (charge is not None and charge.certain and charge.first_pct < charge.peak_pct)


def _soc_facts(row: Row[Any]) -> dict[str, Any]:
    shown = present.session(row)
    return {
        "station": row.station,
        "evse": row.evse,
        "threshold_pct": row.soc_threshold_pct,
        "soc_pct": shown["soc_pct"],
        "soc_source": shown["soc_source"],
    }


def _ended_facts(row: Row[Any], entry: Entry) -> dict[str, Any]:
    shown = present.session(row)
    known = entry.session.ended and row.started_at is not None
    return {
        "station": row.station,
        "evse": row.evse,
        "energy_wh": row.energy_wh,
        "seconds": max(0, int((row.ended_at - row.started_at).total_seconds())) if known else None,
        "cost": shown["cost"],
        "currency": shown["currency"],
        "reason": row.stop_reason,
    }
