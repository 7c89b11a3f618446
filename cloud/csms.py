"""How the CSMS handles what arrives: a batch of messages in, one commit, then the answers out and the acknowledgements.

Nothing is answered or acknowledged before the commit that holds it (integrity rule 1). One bad frame hurts nobody
(rule 8): a frame that cannot be accepted is answered with CALLERROR; one whose handling fails is tried alone, so that
the rest of its batch goes on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec
import structlog
from sqlalchemy import update
from sqlalchemy.exc import InterfaceError, OperationalError

from cloud import outgoing
from cloud.domain.measurands import utc
from cloud.handlers import HANDLERS
from cloud.series.port import Point, SeriesError, SeriesStore
from cloud.store.store import Store
from cloud.store.tables import stations
from cloud.unit import Unit
from protocol import topics
from protocol.envelope import Call, CallError, CallResult, Frame, decode, encode
from protocol.errors import ProtocolError
from protocol.messages import Sender, Version, make_response, read_request
from protocol.mqtt import Message
from protocol.topics import Topic

log = structlog.get_logger(__name__)

#: The broker drops an answer that could not be delivered for this long, s: the station asks again by then.
ANSWER_EXPIRY_S = 60
#: Pause before a batch is tried again when the database cannot be used, s.
RETRY_S = 1.0
#: At most so many different refusals are written to the log by one process; all are counted in the database.
MAX_LOGGED = 10_000

#: The database is locked, full or away: what is asked of it will work later.
_AWAY = (OperationalError, InterfaceError)

Publication = tuple[Topic, bytes, int | None]


class Publish(Protocol):
    def __call__(self, topic: Topic, payload: bytes, *, expiry_s: int | None = None) -> None: ...


class Link(msgspec.Struct):
    """The payload of `cs/{station}/link`. since: when it became so; a last will, written in advance, has none."""

    online: bool
    since: datetime | None = None


class Csms:
    """publish: sends a message (protocol.mqtt.Link.publish). now: the clock. heartbeat_s: what stations are told.

    announce: told after each commit which sessions and which stations changed. pause: waits so many seconds before a
    database that is away is tried again, and answers whether to give up because the process is to end.
    """

    def __init__(
        self,
        store: Store,
        series: SeriesStore,
        publish: Publish,
        *,
        now: Callable[[], datetime],
        heartbeat_s: int,
        announce: Callable[[set[str], set[str]], None] = lambda sessions, stations: None,
        pause: Callable[[float], bool] = lambda seconds: threading.Event().wait(seconds),
    ) -> None:
        self._store = store
        self._series = series
        self._publish = publish
        self._now = now
        self._heartbeat_s = heartbeat_s
        self._announce = announce
        self._pause = pause
        self._logged: set[tuple[str, str]] = set()
        self._away = False

    def take(self, batch: Sequence[Message]) -> None:
        """Handle a batch. When it returns, all of it is committed, answered and acknowledged.

        Or, where `pause` said to give up, none of it: the broker delivers it again.
        """
        while True:
            try:
                self._take(batch)
                return
            except _AWAY as error:
                # Nothing was answered, so nothing is lost by waiting.
                self._say_away(str(error.orig))
                if self._pause(RETRY_S):
                    return
            except Exception:
                if len(batch) <= 1:
                    self._give_up(batch)
                    return
                log.exception("a batch failed; its frames are tried one by one", frames=len(batch))
                for message in batch:
                    self.take([message])
                return

    def tick(self) -> None:
        """What must happen though nothing arrives: calls and sessions whose time is over. Call it every second."""
        try:
            with self._store.write() as connection:
                unit = Unit(connection, self._now(), self._heartbeat_s)
                outgoing.lapse(unit)
                out: list[Publication] = list(outgoing.due(unit))
        except _AWAY as error:
            self._say_away(str(error.orig))
            return
        self._send(unit, out)

    def _take(self, batch: Sequence[Message]) -> None:
        frames = [_Arrived(message) for message in batch]
        with self._store.write() as connection:
            unit = Unit(connection, self._now(), self._heartbeat_s)
            unit.load_stations(frame.station for frame in frames if frame.station is not None)
            unit.books.load(frame.transaction for frame in frames if frame.transaction is not None)
            out: list[Publication] = []
            for frame in frames:
                self._one(unit, frame, out)
            unit.flush()
            if unit.calls_moved:
                out.extend(outgoing.due(unit))
        if self._write_points(_sound(unit.points)):
            self._send(unit, out)
            for message in batch:
                message.ack()

    def _write_points(self, points: Sequence[Point]) -> bool:
        """Whether they are safe: they are, unless `pause` said to give up."""
        while True:
            try:
                self._series.write(points)
            except SeriesError as error:
                self._say_away(f"time series: {error}")
                if self._pause(RETRY_S):
                    return False
                continue
            if self._away:
                self._away = False
                log.info("the database can be used again")
            return True

    def _send(self, unit: Unit, out: list[Publication]) -> None:
        for topic, payload, expiry_s in out:
            self._publish(topic, payload, expiry_s=expiry_s)
        sessions = unit.changed_sessions.union(unit.books.changed)
        if sessions or unit.changed_stations:
            self._announce(sessions, unit.changed_stations)

    def _one(self, unit: Unit, arrived: _Arrived, out: list[Publication]) -> None:
        station = arrived.station
        if arrived.topic == topics.CALLS_WAIT.name:
            unit.calls_moved = True
        elif station is None:
            self._log_once("", "topic", f"no station id in {arrived.topic[:80]!r}")
        elif arrived.topic.endswith("/link"):
            self._link(unit, station, arrived)
        else:
            answer = self._frame(unit, station, arrived)
            if answer is not None:
                out.append((topics.down(station), encode(answer), ANSWER_EXPIRY_S))

    def _frame(self, unit: Unit, station: str, arrived: _Arrived) -> Frame | None:
        try:
            if arrived.error is not None:
                raise arrived.error
            if not unit.is_registered(station):
                raise ProtocolError("SecurityError", f"station {station} is not registered")
            unit.hear(station)
            frame = arrived.frame
            if not isinstance(frame, Call):
                assert frame is not None
                outgoing.resolve(unit, station, frame)
                return None
            handler = HANDLERS.get(frame.action)
            request = arrived.request
            if request is None:
                request = read_request(Version.V201, frame, Sender.STATION)
            if handler is None:
                raise ProtocolError("NotSupported", f"{frame.action} is not handled here")
            response = handler(unit, station, request, bytes(frame.payload))
            return CallResult(frame.message_id, make_response(Version.V201, frame.action, response))
        except ProtocolError as error:
            unit.refuse(station, error)
            self._log_once(station, error.code, error.description)
            if arrived.frame is not None and not isinstance(arrived.frame, Call):
                return None  # an answer is not answered
            message_id = error.message_id if arrived.frame is None else arrived.frame.message_id
            return CallError(message_id, error.code, error.description, error.details)

    def _link(self, unit: Unit, station: str, arrived: _Arrived) -> None:
        if not unit.is_registered(station):
            return
        try:
            link = msgspec.json.decode(arrived.payload, type=Link)
            since = unit.now if link.since is None else min(utc(link.since), unit.now)
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, ProtocolError):
            self._log_once(station, "link", "not a link message")
            return
        changed = unit.connection.execute(
            update(stations)
            .where(stations.c.id == station, stations.c.link_up != link.online)
            .values(link_up=link.online, link_since=since)
        )
        if link.online and not arrived.retained:  # what the broker remembers was not said now
            unit.hear(station)
        if changed.rowcount:
            unit.changed_stations.add(station)

    def _give_up(self, batch: Sequence[Message]) -> None:
        """A single frame that a handler choked on: say so to its station, and go on."""
        for message in batch:
            log.exception("a frame could not be handled", topic=message.topic)
            arrived = _Arrived(message)
            if isinstance(arrived.frame, Call) and arrived.station is not None:
                error = CallError(arrived.frame.message_id, "InternalError", "the frame could not be handled")
                self._publish(topics.down(arrived.station), encode(error), expiry_s=ANSWER_EXPIRY_S)
            message.ack()

    def _say_away(self, why: str) -> None:
        if not self._away:
            self._away = True
            log.error("the database cannot be used", why=why)

    def _log_once(self, station: str, code: str, text: str) -> None:
        key = (station, code)
        if key not in self._logged and len(self._logged) < MAX_LOGGED:
            self._logged.add(key)
            log.warning("refused; further ones like it are only counted", station=station, code=code, why=text)


class _Arrived:
    """A message taken apart as far as it goes, before the transaction is opened."""

    __slots__ = ("error", "frame", "payload", "request", "retained", "station", "topic", "transaction")

    def __init__(self, message: Message) -> None:
        self.topic = message.topic
        self.payload = message.payload
        self.retained = message.retained
        self.station = topics.station_of(message.topic)
        self.frame: Frame | None = None
        self.error: ProtocolError | None = None
        self.request: object | None = None
        self.transaction: tuple[str, str] | None = None
        if not self.topic.endswith("/up") or self.station is None:
            return
        try:
            self.frame = decode(message.payload)
            if isinstance(self.frame, Call) and self.frame.action == "TransactionEvent":
                request = read_request(Version.V201, self.frame, Sender.STATION)
                self.request = request
                self.transaction = (self.station, request.transaction_info.transaction_id)
        except ProtocolError as error:
            self.error = error


def _sound(points: Sequence[Point]) -> list[Point]:
    """Only what a database can hold: a time in this or the next century, as a meter without a clock may say 1970."""
    return [point for point in points if 1970 <= point.at.year < 2200]
