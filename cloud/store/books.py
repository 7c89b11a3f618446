"""The books: sessions and their events.

A session is loaded when an event names it, and all that changed are written back together at the end of the batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, insert, select, tuple_, update

from cloud.domain.sequence import Arrival, Sequence
from cloud.domain.sessions import NO_START, Fact, Session, fold, fold_all
from cloud.store.store import new_id
from cloud.store.tables import events, id_tokens, sessions
from protocol.errors import ProtocolError

#: A station's word for a transaction: its id there.
Key = tuple[str, str]


class _Folded(msgspec.Struct, omit_defaults=True):
    """What the `folded` column holds: how far the fold has come, and which driver asked for the session, if one did."""

    session: Session = Session()
    last: int = -1
    missing: tuple[tuple[int, int], ...] = ()
    asked_by: str | None = None


_decode = msgspec.json.Decoder(_Folded).decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Entry:
    """One session while a batch is being handled.

    asked_by: the driver who started it from afar. stale: an event came late, so that the fold must be made anew.
    unplaced: it has an event that did not say at which EVSE, when nobody knew that yet.
    """

    no: int
    id: str
    station: str
    driver: str | None
    created_at: datetime
    session: Session
    sequence: Sequence
    asked_by: str | None = None
    id_token: str | None = None
    unplaced: bool = False
    stale: bool = False
    changed: bool = False


class Books:
    """read_fact: the Fact in a payload that was kept; needed when an event comes late."""

    def __init__(self, connection: Connection, now: datetime, read_fact: Callable[[bytes], Fact]) -> None:
        self._connection = connection
        self._now = now
        self._read_fact = read_fact
        self._entries: dict[Key, Entry] = {}
        self._appended: list[dict[str, Any]] = []

    @property
    def changed(self) -> list[str]:
        """Ids of the sessions that this batch changed."""
        return [entry.id for entry in self._entries.values() if entry.changed]

    def load(self, keys: Iterable[Key]) -> None:
        """Fetch these sessions at once, so that `post` need not one by one."""
        wanted = [key for key in set(keys) if key not in self._entries]
        for start in range(0, len(wanted), 500):
            part = wanted[start : start + 500]
            query = select(sessions).where(tuple_(sessions.c.station, sessions.c.transaction_id).in_(part))
            for row in self._connection.execute(query):
                self._entries[row.station, row.transaction_id] = _entry(row)

    def post(self, station: str, transaction_id: str, fact: Fact, payload: bytes) -> Entry:
        """Enter one event. Posting it again changes nothing. Answers the session's entry.

        When an event came late, the entry's session is only right after `flush`: it is folded anew once for a batch.
        """
        key = (station, transaction_id)
        self.load([key])
        entry = self._entries.get(key)
        if entry is None:
            entry = self._entries[key] = self._open(station, transaction_id, fact)
        try:
            arrival, entry.sequence = entry.sequence.arrive(fact.seq_no)
        except ValueError as error:
            raise ProtocolError("PropertyConstraintViolation", str(error)) from error
        if arrival is Arrival.REPEATED:
            return entry
        self._appended.append(
            {"session": entry.no, "seq_no": fact.seq_no, "received_at": self._now, "payload": payload}
        )
        if arrival is Arrival.LATE:
            entry.stale = True
        elif not entry.stale:
            entry.session = fold(entry.session, fact)
        if fact.remote_start_id is not None:
            self._take_over_pending(entry, fact.remote_start_id)
        entry.unplaced = entry.unplaced or (fact.evse is None and entry.session.evse is None)
        entry.changed = True
        return entry

    def flush(self) -> list[Entry]:
        """Write what `post` changed. Answers the sessions with events whose EVSE has only become known now."""
        self._append()
        changed = [entry for entry in self._entries.values() if entry.changed]
        for entry in changed:
            if entry.stale:
                entry.session, entry.stale = fold_all(map(self._read_fact, self.payloads(entry))), False
            if entry.asked_by is not None:
                entry.driver = entry.asked_by
            elif entry.session.id_token is not None and entry.session.id_token != entry.id_token:
                entry.driver = self._driver_of(entry.session.id_token)
        rows = [_row(entry, self._now) for entry in changed]
        if rows:
            statement = update(sessions).where(sessions.c.no == bindparam("key"))
            values: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "key"}
            self._connection.execute(statement.values(values), rows)
        return [entry for entry in changed if entry.unplaced and entry.session.evse is not None]

    def payloads(self, entry: Entry) -> Iterable[bytes]:
        """Every event of a session, as it came."""
        return self._connection.scalars(select(events.c.payload).where(events.c.session == entry.no))

    def _open(self, station: str, transaction_id: str, fact: Fact) -> Entry:
        pending = self._pending(station, fact.remote_start_id)
        if pending is not None:
            self._connection.execute(
                update(sessions).where(sessions.c.no == pending.no).values(transaction_id=transaction_id)
            )
            entry = _entry(pending)
            entry.asked_by = pending.driver
            return entry
        session = new_id(self._now)
        no = self._connection.execute(
            insert(sessions)
            .values(
                id=session,
                station=station,
                transaction_id=transaction_id,
                state="pending",
                created_at=self._now,
                updated_at=self._now,
            )
            .returning(sessions.c.no)
        ).scalar_one()
        return Entry(no, session, station, None, self._now, Session(), Sequence())

    def _pending(self, station: str, remote_start_id: int | None) -> Row[Any] | None:
        """The session that a person asked for and that has no transaction yet."""
        if remote_start_id is None:
            return None
        return self._connection.execute(
            select(sessions).where(
                sessions.c.remote_start_id == remote_start_id,
                sessions.c.station == station,
                sessions.c.transaction_id.is_(None),
            )
        ).first()

    def _take_over_pending(self, entry: Entry, remote_start_id: int) -> None:
        """Started came after another event, which opened a session of its own: it is the one that was asked for."""
        pending = self._pending(entry.station, remote_start_id)
        if pending is not None:
            self._connection.execute(delete(sessions).where(sessions.c.no == pending.no))
            entry.id, entry.asked_by, entry.created_at = pending.id, pending.driver, pending.created_at

    def _driver_of(self, id_token: str) -> str | None:
        known = id_tokens.c.id_token.in_({id_token, id_token.upper()})  # as Authorize compares them
        query = select(id_tokens.c.driver).where(known, id_tokens.c.driver.is_not(None))
        return self._connection.scalar(query.limit(1))

    def _append(self) -> None:
        if self._appended:
            self._connection.execute(insert(events), self._appended)
            self._appended = []


def _entry(row: Row[Any]) -> Entry:
    folded = _decode(row.folded) if row.folded else _Folded()
    sequence = Sequence(folded.last, folded.missing)
    return Entry(
        row.no,
        row.id,
        row.station,
        row.driver,
        row.created_at,
        folded.session,
        sequence,
        asked_by=folded.asked_by,
        id_token=folded.session.id_token,
        unplaced=folded.session.evse is None and folded.last >= 0,
    )


def _row(entry: Entry, now: datetime) -> dict[str, Any]:
    session, sequence = entry.session, entry.sequence
    flags = session.flags if session.started else (*session.flags, NO_START)
    return {
        "key": entry.no,
        "id": entry.id,
        "evse": session.evse,
        "connector": session.connector,
        "driver": entry.driver,
        "id_token": session.id_token,
        "state": session.state,
        "created_at": entry.created_at,
        "started_at": session.started_at,
        "ended_at": session.ended_at,
        "updated_at": now,
        "start_wh": session.start_wh,
        "energy_wh": session.energy_wh,
        "power_w": session.power_w,
        "soc_pct": session.soc_pct,
        "stop_reason": session.stop_reason,
        "complete": session.ended and session.started and sequence.complete,
        "flags": ",".join(flags),
        "remote_start_id": session.remote_start_id,
        "folded": _encode(_Folded(session, sequence.last, sequence.missing, entry.asked_by)),
    }
