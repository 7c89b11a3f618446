"""How the CSMS handles what arrives: a batch of messages in, one commit, then the answers out and the acknowledgements.

Nothing is answered or acknowledged before the commit that holds it (integrity rule 1). One bad frame hurts nobody
(rule 8): a frame that cannot be accepted is answered with CALLERROR and kept as a dead letter; one whose handling fails
is tried alone, so that the rest of its batch goes on; a station that sends too many is refused, and counted.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Protocol

import msgspec
import structlog
from sqlalchemy import update
from sqlalchemy.exc import DatabaseError, InterfaceError, OperationalError, SQLAlchemyError

from cloud import local_lists, outgoing, reconcile
from cloud.domain.measurands import utc
from cloud.handlers import HANDLERS
from cloud.limits import DEFAULTS, Limits
from cloud.local_lists import NO_LISTS, Tokens
from cloud.rates import Rates
from cloud.series.port import Point, SeriesError, SeriesStore
from cloud.store.store import Store
from cloud.store.tables import stations
from cloud.store.trail import IN, OUT, Trimmer
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

#: What a refusal for too many frames is called in the counts. The station is told GenericError: it may try again.
TOO_MANY = "TooMany"

Publication = tuple[Topic, bytes, int | None]


class Publish(Protocol):
    def __call__(self, topic: Topic, payload: bytes, *, expiry_s: int | None = None) -> None: ...


class Link(msgspec.Struct):
    """The payload of `cs/{station}/link`. since: when it became so; a last will, written in advance, has none."""

    online: bool
    since: datetime | None = None


class Csms:
    """publish: sends a message (protocol.mqtt.Link.publish). now: the clock. heartbeat_s: what stations are told.

    limits: how much is kept, and how fast a station may talk. tokens: what stations are sent of the id tokens.

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
        limits: Limits = DEFAULTS,
        tokens: Tokens = NO_LISTS,
        announce: Callable[[set[str], set[str]], None] = lambda sessions, stations: None,
        pause: Callable[[float], bool] = lambda seconds: threading.Event().wait(seconds),
    ) -> None:
        self._store = store
        self._series = series
        self._publish = publish
        self._now = now
        self._heartbeat_s = heartbeat_s
        self._limits = limits
        self._tokens = tokens
        self._rates = Rates(limits.frames_per_s, limits.frames_burst)
        self._trimmer = Trimmer(limits.kept_frames)
        self._reconciled: datetime | None = None
        self._announce = announce
        self._pause = pause
        self._logged: set[tuple[str, str]] = set()
        self._away = False

    def take(self, batch: Sequence[Message]) -> None:
        """Handle a batch. When it returns, all of it is committed, answered and acknowledged.

        Or, where `pause` said to give up, none of it: the broker delivers it again.
        """
        now = self._now()
        self._handle([_Arrived(message, self._rates, now) for message in batch])

    def tick(self) -> None:
        """What must happen though nothing arrives: calls and sessions whose time is over. Call it every second."""
        steps = [outgoing.lapse_calls, outgoing.lapse_sessions]
        now = self._now()
        if self._reconciled is None or abs(now - self._reconciled) >= reconcile.EVERY:
            self._reconciled = now
            steps += [reconcile.ask, reconcile.close]
        if self._tokens.local_lists:
            steps.append(lambda unit: local_lists.push(unit, self._tokens))
        # One transaction each: in one, they would lock stations in an order that is not that of a batch.
        try:
            for step in (*steps, None):
                with self._store.write() as connection:
                    unit = Unit(connection, now, self._heartbeat_s, self._limits)
                    out: list[Publication] = []
                    if step is not None:
                        step(unit)
                    else:
                        out.extend(outgoing.due(unit))
                    unit.flush()
                    self._trimmer.trim(connection)
                self._trimmer.note(unit.trail.logged)
                self._send(unit, out)
        except SQLAlchemyError as error:
            if not is_away(error):
                raise
            self._say_away(str(error))

    def _handle(self, frames: Sequence[_Arrived]) -> None:
        failed = False
        while True:
            try:
                if failed:
                    self._give_up(frames[0])
                else:
                    self._take(frames)
                return
            except Exception as error:
                if is_away(error):
                    # Nothing was answered, so nothing is lost by waiting.
                    self._say_away(str(error))
                    if self._pause(RETRY_S):
                        return
                elif len(frames) > 1:
                    log.exception("a batch failed; its frames are tried one by one", frames=len(frames))
                    for frame in frames:
                        self._handle([frame])
                    return
                elif failed:
                    raise
                else:
                    log.exception("a frame could not be handled", topic=frames[0].topic)
                    failed = True

    def _take(self, frames: Sequence[_Arrived]) -> None:
        with self._store.write() as connection:
            unit = Unit(connection, self._now(), self._heartbeat_s, self._limits)
            unit.load_stations(frame.station for frame in frames if frame.station is not None)
            unit.books.load(frame.transaction for frame in frames if frame.transaction is not None)
            out: list[Publication] = []
            for frame in frames:
                self._one(unit, frame, out)
            if unit.calls_moved:
                out.extend(outgoing.due(unit))
            unit.flush()
        self._trimmer.note(unit.trail.logged)
        if self._write_points(_sound(unit.points)):
            self._send(unit, out)
            for frame in frames:
                frame.ack()

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
            answer, action = self._frame(unit, station, arrived)
            logged = unit.is_registered(station) and not arrived.too_many
            if logged:
                unit.trail.frame(station, IN, arrived.payload, arrived.frame, action)
            if answer is not None:
                data = encode(answer)
                if logged:
                    unit.trail.frame(station, OUT, data, answer, action)
                out.append((topics.down(station), data, ANSWER_EXPIRY_S))

    def _frame(self, unit: Unit, station: str, arrived: _Arrived) -> tuple[Frame | None, str]:
        """The answer, and the action that it is about."""
        action = ""
        try:
            if arrived.error is not None:
                raise arrived.error
            if not unit.is_registered(station):
                raise ProtocolError("SecurityError", f"station {station} is not registered")
            unit.hear(station)
            frame = arrived.frame
            if not isinstance(frame, Call):
                assert frame is not None
                return None, outgoing.resolve(unit, station, frame)
            action = frame.action
            handler = HANDLERS.get(action)
            request = arrived.request
            if request is None:
                request = read_request(Version.V201, frame, Sender.STATION)
            if handler is None:
                raise ProtocolError("NotSupported", f"{action} is not handled here")
            response = handler(unit, station, request, bytes(frame.payload))
            return CallResult(frame.message_id, make_response(Version.V201, action, response)), action
        except ProtocolError as error:
            return self._refuse(unit, station, arrived, error), action

    def _refuse(self, unit: Unit, station: str, arrived: _Arrived, error: ProtocolError) -> Frame | None:
        code = TOO_MANY if arrived.too_many else error.code
        unit.refuse(station, code, error.description)
        self._log_once(station, code, error.description)
        if not arrived.too_many:  # they would drive out what matters
            owner = station if unit.is_registered(station) else ""
            unit.trail.dead_letter(owner, arrived.topic, code, error.description, arrived.payload)
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

    def _give_up(self, arrived: _Arrived) -> None:
        """A single frame that a handler choked on: keep it, say so to its station, and go on."""
        with self._store.write() as connection:
            unit = Unit(connection, self._now(), self._heartbeat_s, self._limits)
            if arrived.station is not None:
                registered = unit.is_registered(arrived.station)
                what = "the frame could not be handled; the log of the CSMS has more"
                owner = arrived.station if registered else ""
                unit.trail.dead_letter(owner, arrived.topic, "InternalError", what, arrived.payload)
                unit.refuse(arrived.station, "InternalError", what)
            unit.flush()
        if isinstance(arrived.frame, Call) and arrived.station is not None:
            error = CallError(arrived.frame.message_id, "InternalError", "the frame could not be handled")
            self._publish(topics.down(arrived.station), encode(error), expiry_s=ANSWER_EXPIRY_S)
        arrived.ack()

    def _say_away(self, why: str) -> None:
        if not self._away:
            self._away = True
            log.error("the database cannot be used", why=why)

    def _log_once(self, station: str, code: str, text: str) -> None:
        key = (station, code)
        if key not in self._logged and len(self._logged) < MAX_LOGGED:
            self._logged.add(key)
            log.warning("refused; further ones like it are only counted", station=station, code=code, why=text)


def is_away(error: Exception) -> bool:
    """Whether the database is what is wrong: locked, full, away or damaged. What is asked of it may work later.

    Its other errors are kinds of DatabaseError too, but come of what it was given. A damaged SQLite file is exactly
    DatabaseError.
    """
    return isinstance(error, OperationalError | InterfaceError) or type(error) is DatabaseError


class _Arrived:
    """A message taken apart as far as it goes, before the transaction is opened. Each counts against its station."""

    __slots__ = (
        "ack",
        "error",
        "frame",
        "payload",
        "request",
        "retained",
        "station",
        "too_many",
        "topic",
        "transaction",
    )

    def __init__(self, message: Message, rates: Rates, now: datetime) -> None:
        self.topic = message.topic
        self.payload = message.payload
        self.retained = message.retained
        self.ack = message.ack
        self.station = topics.station_of(message.topic)
        self.frame: Frame | None = None
        self.error: ProtocolError | None = None
        self.request: object | None = None
        self.transaction: tuple[str, str] | None = None
        self.too_many = False
        if not self.topic.endswith("/up") or self.station is None:
            return
        self.too_many = not rates.allows(self.station, now)
        try:
            self.frame = decode(message.payload)
            if self.too_many:
                raise ProtocolError("GenericError", "too many frames: send more slowly")
            if b"\\u0000" in message.payload:  # no database keeps it in a text, and no text needs it
                raise ProtocolError("PropertyConstraintViolation", "a text with a NUL character")
            if isinstance(self.frame, Call) and self.frame.action == "TransactionEvent":
                request = read_request(Version.V201, self.frame, Sender.STATION)
                self.request = request
                self.transaction = (self.station, request.transaction_info.transaction_id)
        except ProtocolError as error:
            self.error = error


def _sound(points: Sequence[Point]) -> list[Point]:
    """Only what a database can hold: a time in this or the next century, as a meter without a clock may say 1970."""
    return [point for point in points if 1970 <= point.at.year < 2200]
