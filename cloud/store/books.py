"""The books: sessions and their events.

A session is loaded when an event names it, and all that changed are written back together at the end of the batch.

Beside what its events say, two things may be known of a session from outside: `closed_at`, when its EVSE was seen to be
used by another or free, though no Ended came; and `lost`, up to which seqNo what is missing will never come. Neither
touches the fold: an event that comes after all counts as always, and what it refutes no longer shows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, insert, select, tuple_, update

from cloud.domain import soc
from cloud.domain.cost import Cost, prices
from cloud.domain.quarters import Quarters
from cloud.domain.sequence import Arrival, Sequence
from cloud.domain.sessions import ENDED_UNKNOWN, EVENTS_LOST, NO_START, Fact, Session, fold, fold_all
from cloud.domain.tariffs import write
from cloud.store import tariffs
from cloud.store.store import new_id
from cloud.store.tables import events, gaps, id_tokens, sessions
from protocol.errors import ProtocolError

#: A station's word for a transaction: its id there.
Key = tuple[str, str]


class _Folded(msgspec.Struct, omit_defaults=True):
    """What the `folded` column holds: how far the fold has come, and which driver asked for the session, if one did.

    closed_at, lost, gap, agreed_for: as in `Entry`.
    """

    session: Session = Session()
    last: int = -1
    missing: tuple[tuple[int, int], ...] = ()
    asked_by: str | None = None
    closed_at: datetime | None = None
    lost: int = -1
    gap: bool = False
    agreed_for: tuple[int, datetime] | None = None


#: States of a session that has a transaction and is not over.
_RUNNING = ("pending", "charging", "suspended")

_decode = msgspec.json.Decoder(_Folded).decode
_encode = msgspec.json.Encoder().encode


@dataclass(slots=True)
class Entry:
    """One session while a batch is being handled.

    asked_by: the driver who started it from afar. stale: an event came late, so that the fold must be made anew.
    unplaced: it has an event that did not say at which EVSE, when nobody knew that yet. began: its Started is new.
    again: its Started has come once more.

    closed_at: when it was seen to be over, though nobody said so. lost: the seqNo below which what is missing will
    never come. gap: it is in the table of those whose station is to be asked about what is missing.

    tariff: the one in force when it began, as it is kept; None where there was none. agreed_for: the EVSE and the time
    that it was looked up for. typed_pct, typed_wh: the state of charge that its driver typed, and how much energy it
    had then. battery_kwh: how much the battery holds.
    """

    no: int
    id: str
    station: str
    transaction_id: str
    driver: str | None
    created_at: datetime
    updated_at: datetime
    session: Session
    sequence: Sequence
    asked_by: str | None = None
    id_token: str | None = None
    unplaced: bool = False
    stale: bool = False
    changed: bool = False
    began: bool = False
    again: bool = False
    closed_at: datetime | None = None
    lost: int = -1
    gap: bool = False
    tariff: str | None = None
    agreed_for: tuple[int, datetime] | None = None
    typed_pct: float | None = None
    typed_wh: int = 0
    battery_kwh: float | None = None

    @property
    def cost(self) -> Cost | None:
        """What it costs after what is known of it; None without a tariff."""
        return None if self.tariff is None else prices(self.tariff).cost(self.session.quarters)

    @property
    def soc_pct(self) -> float | None:
        """The state of charge: the vehicle's own word where it gives one, else what can be reckoned."""
        if self.session.soc_pct is not None or self.typed_pct is None or self.battery_kwh is None:
            return self.session.soc_pct
        return soc.estimate(self.typed_pct, self.session.energy_wh - self.typed_wh, self.battery_kwh)

    @property
    def soc_source(self) -> str | None:
        """measured or estimated; None where there is no state of charge."""
        if self.session.soc_pct is not None:
            return soc.MEASURED
        return None if self.soc_pct is None else soc.ESTIMATED

    @property
    def closed(self) -> bool:
        """Whether it is over, though nobody said so. What happened in it later than that says that it was not."""
        session = self.session
        if self.closed_at is None or session.ended:
            return False
        return session.last_at is None or session.last_at <= self.closed_at

    @property
    def over(self) -> bool:
        return self.session.ended or self.closed

    @property
    def lacks(self) -> bool:
        """Whether events are missing that may still come."""
        return any(first > self.lost for first, _ in self.sequence.missing) or (
            self.closed and self.lost < self.sequence.last
        )

    @property
    def lost_some(self) -> bool:
        """Whether events are missing that will never come."""
        return any(first <= self.lost for first, _ in self.sequence.missing) or (
            self.closed and self.lost >= self.sequence.last
        )


class Books:
    """read_fact: the Fact in a payload that was kept; needed when an event comes late.

    gap_patience_s: how long after events are missing their station is to be asked, in seconds.
    """

    def __init__(
        self, connection: Connection, now: datetime, read_fact: Callable[[bytes], Fact], *, gap_patience_s: int
    ) -> None:
        self._connection = connection
        self._now = now
        self._read_fact = read_fact
        self._gap_patience = timedelta(seconds=gap_patience_s)
        self._entries: dict[Key, Entry] = {}
        self._appended: list[dict[str, Any]] = []

    @property
    def changed(self) -> list[str]:
        """Ids of the sessions that this batch changed."""
        return [entry.id for entry in self.touched]

    @property
    def touched(self) -> list[Entry]:
        """The sessions that this batch changed."""
        return [entry for entry in self._entries.values() if entry.changed]

    def load(self, keys: Iterable[Key]) -> None:
        """Fetch these sessions at once, so that `post` need not one by one. Nobody else changes them meanwhile.

        In one statement and one order, so that two workers never wait for each other (see Unit.load_stations).
        """
        wanted = [key for key in set(keys) if key not in self._entries]
        if wanted:
            query = select(sessions).where(tuple_(sessions.c.station, sessions.c.transaction_id).in_(wanted))
            for row in self._connection.execute(query.order_by(sessions.c.no).with_for_update()):
                self._entries[row.station, row.transaction_id] = _entry(row, row.transaction_id)

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
            # We may have died before the samples were written that only this event could place.
            entry.again = entry.again or (fact.kind == "Started" and fact.evse is not None)
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
        entry.began = entry.began or fact.kind == "Started"
        entry.unplaced = entry.unplaced or (fact.evse is None and entry.session.evse is None)
        entry.changed = True
        return entry

    def flush(self) -> list[Entry]:
        """Write what `post` changed. Answers the sessions whose samples are all to be written, some for the first time.

        Those with events whose EVSE has only become known now, and those that began once more.
        """
        self._append()
        for entry in self._entries.values():
            if entry.stale:
                entry.session, entry.stale = fold_all(map(self._read_fact, self.payloads(entry))), False
        self._supersede()
        changed = [entry for entry in self._entries.values() if entry.changed]
        for entry in changed:
            if entry.asked_by is not None:
                entry.driver = entry.asked_by
            elif entry.session.id_token is not None and entry.session.id_token != entry.id_token:
                entry.driver = self._driver_of(entry.session.id_token)
            self._agree(entry)
        self._keep_gaps(changed)
        rows = [_row(entry, self._now) for entry in changed]
        if rows:
            statement = update(sessions).where(sessions.c.no == bindparam("key"))
            values: dict[str, Any] = {name: bindparam(name) for name in rows[0] if name != "key"}
            self._connection.execute(statement.values(values), rows)
        return [
            entry
            for entry in self._entries.values()
            if entry.session.evse is not None and (entry.again or (entry.changed and entry.unplaced))
        ]

    def final_cost(self, entry: Entry) -> Cost | None:
        """What a session costs that is over and whole; None before, or without a tariff."""
        session = entry.session
        if entry.stale or not (session.ended and session.started and entry.sequence.complete):
            return None
        self._agree(entry)
        return entry.cost

    def payloads(self, entry: Entry) -> Iterable[bytes]:
        """Every event of a session, as it came."""
        return self._connection.scalars(select(events.c.payload).where(events.c.session == entry.no))

    def close(self, station: str, transaction_id: str, at: datetime) -> None:
        """This session was seen to be over at that time, though no Ended has come."""
        entry = self._find(station, transaction_id)
        if entry is not None and not entry.over:
            entry.closed_at, entry.changed = max(at, entry.session.last_at or at), True

    def last(self, station: str, transaction_id: str) -> int:
        """The highest seqNo of a session that has come, -1 for none."""
        entry = self._find(station, transaction_id)
        return -1 if entry is None else entry.sequence.last

    def quiet_since(self, station: str, transaction_id: str, at: datetime) -> bool:
        """Whether nothing of this session has come since then."""
        entry = self._find(station, transaction_id)
        return entry is not None and entry.updated_at <= at

    def give_up(self, station: str, transaction_id: str, last: int) -> None:
        """What is missing below that seqNo will never come: the station has nothing more to tell."""
        entry = self._find(station, transaction_id)
        if entry is not None and last > entry.lost:
            entry.lost, entry.changed = last, True

    def _agree(self, entry: Entry) -> None:
        """The tariff is the one that was in force at its EVSE when it began: looked up once these two are known."""
        evse, at = entry.session.evse, entry.session.started_at
        if evse is None or at is None or entry.agreed_for == (evse, at):
            return
        agreed = tariffs.in_force(self._connection, entry.station, evse, at)
        entry.tariff, entry.agreed_for = None if agreed is None else write(agreed), (evse, at)

    def _find(self, station: str, transaction_id: str) -> Entry | None:
        self.load([(station, transaction_id)])
        return self._entries.get((station, transaction_id))

    def _supersede(self) -> None:
        """A session that began where another was thought to be running: that one is over, and its Ended is missing.

        Only one that was heard of later and began later ends another: a clock that was set back ends nothing.
        """
        began = [entry for entry in self._entries.values() if entry.began and entry.session.evse is not None]
        if not began:
            return
        places = {(entry.station, entry.session.evse) for entry in began}
        first = min(entry.session.started_at for entry in began if entry.session.started_at is not None)
        key = select(sessions.c.station, sessions.c.transaction_id).where(sessions.c.transaction_id.is_not(None))
        running = key.where(
            tuple_(sessions.c.station, sessions.c.evse).in_(places),
            sessions.c.state.in_(_RUNNING),
        )
        # Those that were taken for over as well: another may have begun there before the one that ended them.
        closed = key.where(
            sessions.c.station.in_({station for station, _ in places}),
            sessions.c.evse.in_({evse for _, evse in places}),
            sessions.c.ended_at >= first,
            sessions.c.flags.contains(ENDED_UNKNOWN),
        )
        self.load([tuple(row) for query in (running, closed) for row in self._connection.execute(query)])
        by_place: dict[tuple[str, int | None], list[Entry]] = {}
        for entry in self._entries.values():
            if not entry.session.ended:
                by_place.setdefault((entry.station, entry.session.evse), []).append(entry)
        for newer in began:
            at = newer.session.started_at
            assert at is not None
            for entry in by_place.get((newer.station, newer.session.evse), ()):
                last_at = entry.session.last_at or entry.created_at
                known = entry.closed_at if entry.closed else None
                if entry.no < newer.no and last_at <= at and (known is None or at < known):
                    entry.closed_at, entry.changed = at, True

    def _keep_gaps(self, changed: Iterable[Entry]) -> None:
        """Note which of these lack events, and which no longer do."""
        opened, filled = [], []
        for entry in changed:
            if entry.lacks and not entry.gap:
                row = {"session": entry.no, "station": entry.station, "transaction_id": entry.transaction_id}
                opened.append({**row, "next_at": self._now + self._gap_patience})
            elif entry.gap and not entry.lacks:
                filled.append(entry.no)
            entry.gap = entry.lacks
        if opened:
            self._connection.execute(insert(gaps), opened)
        if filled:
            self._connection.execute(delete(gaps).where(gaps.c.session.in_(filled)))

    def _open(self, station: str, transaction_id: str, fact: Fact) -> Entry:
        pending = self._pending(station, fact.remote_start_id)
        if pending is not None:
            self._connection.execute(
                update(sessions).where(sessions.c.no == pending.no).values(transaction_id=transaction_id)
            )
            entry = _entry(pending, transaction_id)
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
        return Entry(no, session, station, transaction_id, None, self._now, self._now, Session(), Sequence())

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
            entry.typed_pct, entry.typed_wh = pending.soc_typed_pct, pending.soc_typed_wh or 0
            entry.battery_kwh = pending.battery_kwh

    def _driver_of(self, id_token: str) -> str | None:
        known = id_tokens.c.id_token.in_({id_token, id_token.upper()})  # as Authorize compares them
        query = select(id_tokens.c.driver).where(known, id_tokens.c.driver.is_not(None))
        return self._connection.scalar(query.limit(1))

    def _append(self) -> None:
        if self._appended:
            self._connection.execute(insert(events), self._appended)
            self._appended = []


def _entry(row: Row[Any], transaction_id: str) -> Entry:
    folded = _decode(row.folded) if row.folded else _Folded()
    sequence = Sequence(folded.last, folded.missing)
    return Entry(
        row.no,
        row.id,
        row.station,
        transaction_id,
        row.driver,
        row.created_at,
        row.updated_at,
        folded.session,
        sequence,
        asked_by=folded.asked_by,
        closed_at=folded.closed_at,
        lost=folded.lost,
        gap=folded.gap,
        tariff=row.tariff,
        agreed_for=folded.agreed_for,
        typed_pct=row.soc_typed_pct,
        typed_wh=row.soc_typed_wh or 0,
        battery_kwh=row.battery_kwh,
        id_token=folded.session.id_token,
        unplaced=folded.session.evse is None and folded.last >= 0,
    )


def _row(entry: Entry, now: datetime) -> dict[str, Any]:
    session, sequence = entry.session, entry.sequence
    flags = [*session.flags]
    for flag, raised in (
        (NO_START, not session.started),
        (ENDED_UNKNOWN, entry.closed),
        (EVENTS_LOST, entry.lost_some),
    ):
        if raised:
            flags.append(flag)
    cost = entry.cost
    return {
        "key": entry.no,
        "id": entry.id,
        "evse": session.evse,
        "connector": session.connector,
        "driver": entry.driver,
        "id_token": session.id_token,
        "state": "ended" if entry.closed else session.state,
        "created_at": entry.created_at,
        "started_at": session.started_at,
        "ended_at": entry.closed_at if entry.closed else session.ended_at,
        "updated_at": now,
        "start_wh": session.start_wh,
        "energy_wh": session.energy_wh,
        "power_w": 0.0 if entry.closed else session.power_w,
        "soc_pct": entry.soc_pct,
        "soc_source": entry.soc_source,
        "soc_typed_pct": entry.typed_pct,
        "soc_typed_wh": entry.typed_wh,
        "battery_kwh": entry.battery_kwh,
        "cost": None if cost is None else cost.total,
        "currency": None if cost is None else cost.currency,
        "tariff": entry.tariff,
        "stop_reason": session.stop_reason,
        "complete": session.ended and session.started and sequence.complete,
        "flags": ",".join(flags),
        "remote_start_id": session.remote_start_id,
        "folded": _encode(
            _Folded(
                session,
                sequence.last,
                sequence.missing,
                entry.asked_by,
                entry.closed_at,
                entry.lost,
                entry.gap,
                entry.agreed_for,
            )
        ),
    }


def quarters(row: Row[Any]) -> Quarters:
    """The energy and time of a session by the quarter hour, from its row."""
    return _decode(row.folded).session.quarters if row.folded else ()
