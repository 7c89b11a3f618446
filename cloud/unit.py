"""One batch of frames while it is handled: what its handlers read and write, all in one transaction."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from cloud.domain import facts
from cloud.domain.measurands import Sampled
from cloud.domain.sessions import Fact
from cloud.limits import Limits
from cloud.series.port import Point
from cloud.store.books import Books
from cloud.store.notices import Notices
from cloud.store.tables import refusals, stations
from cloud.store.trail import Trail
from cloud.store.upsert import insert_into
from protocol.messages import Version, actions

#: How old `seen_at` may be before it is written again: it is only read in heartbeat intervals.
SEEN_EVERY = timedelta(seconds=5)


class Unit:
    """connection: the open transaction. now: when the batch was taken. heartbeat_s: what stations are told at boot."""

    def __init__(self, connection: Connection, now: datetime, heartbeat_s: int, limits: Limits) -> None:
        self.connection = connection
        self.now = now
        self.heartbeat_s = heartbeat_s
        self.limits = limits
        self.books = Books(connection, now, _read_fact, gap_patience_s=limits.gap_patience_s)
        #: What people are to be told.
        self.notices = Notices(connection, now)
        #: What is kept to be looked at.
        self.trail = Trail(connection, now, limits)
        #: What was measured; written to the time series after the commit.
        self.points: list[Point] = []
        #: Stations whose EVSEs look different now.
        self.changed_stations: set[str] = set()
        #: Sessions that changed other than by the books.
        self.changed_sessions: set[str] = set()
        #: Whether a call that waits may be sent now.
        self.calls_moved = False
        self._seen: dict[str, datetime | None] = {}
        self._heard: set[str] = set()
        self._refused: dict[tuple[str, str], tuple[int, str]] = {}

    def load_stations(self, ids: Iterable[str]) -> None:
        """Fetch at once which of these stations are registered, and keep other workers off them until the commit.

        Everything that a station's frames change belongs to that station, so that nobody else changes it meanwhile.
        All of a batch are locked by one statement, in one order: two workers never wait for each other. SQLite has no
        such locks and needs none: it has one writer at a time.
        """
        wanted = [station for station in set(ids) if station not in self._seen]
        if wanted:
            query = select(stations.c.id, stations.c.seen_at).where(stations.c.id.in_(wanted)).order_by(stations.c.id)
            # key_share: a row that only refers to a station may be added by others meanwhile.
            for row in self.connection.execute(query.with_for_update(key_share=True)):
                self._seen[row.id] = row.seen_at

    def is_registered(self, station: str) -> bool:
        if station not in self._seen:
            self.load_stations([station])
        return station in self._seen

    def hear(self, station: str) -> None:
        """Note that a registered station has just said something."""
        self._heard.add(station)

    def measure(self, station: str, evse: int, samples: Iterable[Sampled]) -> None:
        """What was measured at an EVSE."""
        self.points.extend(
            Point(station, evse, one.at, {sample.field: sample.value for sample in one.samples})
            for one in samples
            if one.samples
        )

    def refuse(self, station: str, code: str, text: str) -> None:
        """Count a frame that was refused. code: why, in one word."""
        key = (station if station in self._seen else "", code)
        count, _ = self._refused.get(key, (0, ""))
        self._refused[key] = (count + 1, text[:200])

    def flush(self) -> None:
        """Write all that was gathered; the commit follows."""
        for entry in self.books.flush():
            assert entry.session.evse is not None
            for payload in self.books.payloads(entry):
                self.measure(entry.station, entry.session.evse, facts.sampled(_read_request(payload)))
        self.notices.flush(self.books.touched)
        due = [
            {"key": station, "at": self.now}
            for station in self._heard
            if (seen := self._seen.get(station)) is None or self.now - seen >= SEEN_EVERY
        ]
        if due:
            statement = update(stations).where(stations.c.id == bindparam("key"))
            self.connection.execute(statement.values(seen_at=bindparam("at")), due)
        for (station, code), (count, text) in sorted(self._refused.items()):  # in one order: see load_stations
            self._count_refusal(station, code, count, text)
        self.trail.flush()

    def _count_refusal(self, station: str, code: str, count: int, text: str) -> None:
        values: dict[str, Any] = {"last_at": self.now, "last_text": text}
        statement = insert_into(self.connection, refusals).values(station=station, code=code, count=count, **values)
        self.connection.execute(
            statement.on_conflict_do_update(
                index_elements=["station", "code"], set_={"count": refusals.c.count + count, **values}
            )
        )


def _read_request(payload: bytes) -> Any:
    return actions(Version.V201)["TransactionEvent"].decode_request.decode(payload)


def _read_fact(payload: bytes) -> Fact:
    request = _read_request(payload)
    return facts.fact(request, facts.sampled(request))
