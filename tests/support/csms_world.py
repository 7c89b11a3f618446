"""A CSMS core on real stores in a folder: frames go in, what it publishes and acknowledges is written down in order."""

from __future__ import annotations

import atexit
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Row, delete, select

from cloud.csms import Csms
from cloud.limits import Limits
from cloud.series.sqlite import SqliteSeries
from cloud.store.registry import ConnectorSpec, EvseSpec, add_station, put_id_token
from cloud.store.store import Store
from cloud.store.tables import connectors, frames, refusals, sessions, stations
from protocol.envelope import Call, CallError, CallResult, Frame, decode, encode
from protocol.mqtt import Message
from protocol.topics import CALLS_WAIT, Topic

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEARTBEAT_S = 60
#: The clock of a world stands still, so that the rate of its stations has no bound unless a test says so.
UNHURRIED = Limits(frames_per_s=0)
CARD = {"idToken": "04A1B2C3", "type": "ISO14443"}


@dataclass(frozen=True)
class Published:
    topic: str
    payload: bytes
    expiry_s: int | None

    @property
    def frame(self) -> Frame:
        return decode(self.payload)


@dataclass(frozen=True)
class Acked:
    """number: of the message, counted from the first that the world was given."""

    number: int


@dataclass
class World:
    """deeds: everything that the CSMS did towards the broker, in order.

    on_publish: called before each message goes out. on_pause: called instead of waiting when a database cannot be used;
    its answer is whether to give up.
    """

    folder: Path
    store: Store
    series: SqliteSeries
    now: datetime = NOON
    deeds: list[Published | Acked] = field(default_factory=list)
    on_publish: Callable[[], None] = lambda: None
    on_pause: Callable[[], bool] = lambda: True
    given: int = 0
    limits: Limits = UNHURRIED

    def __post_init__(self) -> None:
        self.csms = Csms(
            self.store,
            self.series,
            self.publish,
            now=self.clock,
            heartbeat_s=HEARTBEAT_S,
            limits=self.limits,
            pause=lambda seconds: self.on_pause(),
        )

    # -- what the CSMS is given --

    def publish(self, topic: Topic, payload: bytes, *, expiry_s: int | None = None) -> None:
        self.on_publish()
        self.deeds.append(Published(topic.name, payload, expiry_s))

    def clock(self) -> datetime:
        return self.now

    # -- what the world does --

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def message(self, topic: str, payload: bytes) -> Message:
        number, self.given = self.given, self.given + 1
        return Message(topic, payload, False, lambda: self.deeds.append(Acked(number)))

    def frame(self, frame: Frame | bytes, station: str = "cs-1") -> Message:
        return self.message(f"cs/{station}/up", frame if isinstance(frame, bytes) else _bytes(frame))

    def link(self, payload: bytes = b'{"online":true}', station: str = "cs-1") -> None:
        self.csms.take([self.message(f"cs/{station}/link", payload)])

    def take(self, *frames: Frame | bytes, station: str = "cs-1") -> list[Frame]:
        """Give it these frames as one batch; what it answers to the station."""
        before = len(self.deeds)
        self.csms.take([self.frame(frame, station) for frame in frames])
        return self.to_station(station, before)

    def ask(self, action: str, payload: Mapping[str, Any], station: str = "cs-1") -> dict[str, Any]:
        """The payload that one call of a station is answered with."""
        (answer,) = self.take(Call(f"ask-{self.given}", action, payload), station=station)
        assert isinstance(answer, CallResult), answer
        return dict(msgspec.json.decode(answer.payload))

    def refusal(self, action: str, payload: Mapping[str, Any] | msgspec.Raw, station: str = "cs-1") -> str:
        """The error code that one call of a station is answered with."""
        (answer,) = self.take(Call("the-id", action, payload), station=station)
        assert isinstance(answer, CallError), answer
        assert answer.message_id == "the-id"
        return answer.code

    def wake(self) -> list[Call]:
        """A call waits: tell the CSMS, and answer the calls that it sends."""
        before = len(self.deeds)
        self.csms.take([self.message(CALLS_WAIT.name, b"{}")])
        return self.calls(before)

    def tick(self) -> list[Call]:
        before = len(self.deeds)
        self.csms.tick()
        return self.calls(before)

    # -- what can be seen --

    def to_station(self, station: str = "cs-1", since: int = 0) -> list[Frame]:
        topic = f"cs/{station}/down"
        return [deed.frame for deed in self.deeds[since:] if isinstance(deed, Published) and deed.topic == topic]

    def calls(self, since: int = 0) -> list[Call]:
        frames = [deed.frame for deed in self.deeds[since:] if isinstance(deed, Published)]
        return [frame for frame in frames if isinstance(frame, Call)]

    def acked(self) -> list[int]:
        return [deed.number for deed in self.deeds if isinstance(deed, Acked)]

    def refused(self) -> dict[tuple[str, str], int]:
        """(station, code) -> how often."""
        with self.store.read() as connection:
            return {(row.station, row.code): row.count for row in connection.execute(select(refusals))}

    def session(self, transaction_id: str = "tx-1") -> Row[Any]:
        (row,) = self.sessions(transaction_id)
        return row

    def sessions(self, transaction_id: str | None = None) -> Sequence[Row[Any]]:
        query = select(sessions).order_by(sessions.c.no)
        if transaction_id is not None:
            query = query.where(sessions.c.transaction_id == transaction_id)
        with self.store.read() as connection:
            return connection.execute(query).all()

    def station(self, station: str = "cs-1") -> Row[Any]:
        with self.store.read() as connection:
            return connection.execute(select(stations).where(stations.c.id == station)).one()

    def connector(self, evse: int = 1, number: int = 1) -> Row[Any]:
        where = (connectors.c.station == "cs-1") & (connectors.c.evse == evse) & (connectors.c.number == number)
        with self.store.read() as connection:
            return connection.execute(select(connectors).where(where)).one()

    def samples(self, field: str, evse: int = 1) -> list[tuple[datetime, float]]:
        day = timedelta(days=1)
        return [tuple(value) for value in self.series.read("cs-1", evse, field, NOON - day, NOON + day)]


@contextmanager
def a_world(folder: Path, limits: Limits = UNHURRIED) -> Iterator[World]:
    """With station cs-1, which has two EVSEs and is heard of already, and one card."""
    for path in _prepared().iterdir():
        shutil.copy(path, folder / path.name)
    with _opened(folder, limits) as world:
        yield world


@contextmanager
def _opened(folder: Path, limits: Limits = UNHURRIED) -> Iterator[World]:
    store, series = Store(f"sqlite:///{folder / 'csms.sqlite'}"), SqliteSeries(folder / "series.sqlite")
    store.start()
    series.start()
    try:
        yield World(folder, store, series, limits=limits)
    finally:
        series.stop()
        store.stop()


@cache
def _prepared() -> Path:
    """Made once: a database that is safe on disk takes its time."""
    folder = Path(tempfile.mkdtemp(prefix="colonnina-world-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    with _opened(folder) as world:
        add(world, "cs-1")
        with world.store.write() as connection:
            put_id_token(connection, CARD["idToken"], CARD["type"])
    return folder


def add(world: World, station: str, evse_count: int = 2) -> None:
    """Register a station that is online and has told that all of it is available."""
    with world.store.write() as connection:
        layout = [EvseSpec(number, (ConnectorSpec(1, "Type2"),)) for number in range(1, evse_count + 1)]
        add_station(connection, station, layout, world.now)
    world.link(station=station)
    for number in range(1, evse_count + 1):
        world.ask("StatusNotification", status("Available", evse=number), station)
    with world.store.write() as connection:
        connection.execute(delete(frames).where(frames.c.station == station))  # a test's log begins with the test
    world.deeds.clear()


def _bytes(frame: Frame) -> bytes:
    """As a station may write it: msgspec would refuse the integers that a hostile one sends."""
    if isinstance(frame, Call) and isinstance(frame.payload, dict):
        return json.dumps([2, frame.message_id, frame.action, frame.payload], default=datetime.isoformat).encode()
    return encode(frame)


def status(word: str, *, evse: int = 1, connector: int = 1, at: datetime | str = NOON) -> dict[str, Any]:
    return {"timestamp": at, "connectorStatus": word, "evseId": evse, "connectorId": connector}


def meter_value(at: datetime | str, wh: float | None = None, **more: float) -> dict[str, Any]:
    """more: value by measurand, with underscores for dots."""
    values: list[dict[str, Any]] = [] if wh is None else [{"value": wh, "unitOfMeasure": {"unit": "Wh"}}]
    values += [{"measurand": name.replace("_", "."), "value": value} for name, value in more.items()]
    return {"timestamp": at, "sampledValue": values}


def event(
    kind: str,
    seq_no: int,
    *meter_values: Mapping[str, Any],
    transaction: str = "tx-1",
    at: datetime | str | None = None,
    evse: int | None = 1,
    **more: Any,
) -> dict[str, Any]:
    """The payload of a TransactionEvent, ten seconds after the one before. more: further fields, `info` for inside."""
    info = {"transactionId": transaction, "chargingState": "Charging", **more.pop("info", {})}
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": NOON + timedelta(seconds=10 * min(seq_no, 10**6)) if at is None else at,
        "triggerReason": {"Started": "Authorized", "Ended": "EVDeparted"}.get(kind, "MeterValuePeriodic"),
        "seqNo": seq_no,
        "transactionInfo": info,
        **more,
    }
    if evse is not None:
        payload["evse"] = {"id": evse, "connectorId": 1}
    if meter_values:
        payload["meterValue"] = list(meter_values)
    return payload


def metered(kind: str, seq_no: int, wh: float, **more: Any) -> dict[str, Any]:
    """An event with a register, read at the event's own time."""
    return event(kind, seq_no, meter_value(NOON + timedelta(seconds=10 * seq_no), wh), **more)
