"""The books do not depend on the road: sessions that were recorded, told in order, and told as badly as can be.

Told badly: every event at least twice, in another order, some long after the session's end, through a real broker to
a real worker that is killed again and again. What must come out is the same, to the watt-hour and the cent.
`COLONNINA_SEED` chooses another recording; `COLONNINA_SESSIONS` and `COLONNINA_REPLAY_KILLS` how much of it.
"""

from __future__ import annotations

import os
import queue
import random
import sqlite3
import time
from collections import deque
from collections.abc import Iterable
from contextlib import closing
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
from sqlalchemy import Connection, insert, update

from cloud.domain.tariffs import Element, Tariff
from cloud.store import registry, tariffs
from cloud.store.tables import sites, stations
from protocol import topics
from protocol.envelope import CallError, decode
from protocol.mqtt import Broker, Link, Message
from protocol.topics import Topic
from tests.conftest import BrokerProcess
from tests.support.recorded import START, Recorded, record
from tests.support.worker import CsmsWorker

SEED = int(os.environ.get("COLONNINA_SEED", "20260105"))
SESSIONS = int(os.environ.get("COLONNINA_SESSIONS", "1000"))
KILLS = int(os.environ.get("COLONNINA_REPLAY_KILLS", "20"))

STATIONS = [f"cs-{number}" for number in range(1, 26)]
CARDS = [f"04A1B2{number:02X}" for number in range(20)]
DRIVERS = 10
#: How far an event may be moved, in events, and which part of them comes after all others.
MOVED, LAST = 3_000, 0.03
#: Frames that wait for their answer at most, and how long each is waited for, in s.
WINDOW, PATIENCE_S = 600, 3.0
#: What may differ: how a session is called, and when we worked on it.
OURS = {"no", "id", "created_at", "updated_at"}
#: Of a session without Ended, when it was over is only guessed from when others were heard of: see Books._supersede.
GUESSED = {"state", "ended_at", "power_w", "flags"}
ALL_DOWN = Topic("cs/+/down", 1, False)

TARIFF = Tariff(
    "EUR",
    energy_per_kwh=Decimal("45.37"),
    charging_per_min=Decimal("0.5"),
    idle_per_min=Decimal("7.25"),
    idle_grace_min=2,
    start_fee=Decimal("50"),
    tax_pct=Decimal("22"),
    tax_included=False,
    elements=(Element(days=(0, 2, 4), from_min=8 * 60, to_min=19 * 60, energy_per_kwh=Decimal("61.5")),),
)


class Frame(NamedTuple):
    """What is sent once. A message id belongs to one frame only, however often that is sent."""

    message_id: str
    event: Recorded


class Books(NamedTuple):
    """sessions: by station and transaction, what is known of each, with its events. points: the whole time series."""

    sessions: dict[tuple[str, str], dict[str, Any]]
    points: list[tuple[Any, ...]]


def test_the_books_are_the_same_however_events_arrive_and_however_often_the_worker_dies(
    mosquitto: BrokerProcess, tmp_path: Path
) -> None:
    print(f"COLONNINA_SEED={SEED}")
    recording = record(SEED, SESSIONS, STATIONS, CARDS)
    in_order = [Frame(f"clean-{number}", event) for number, event in enumerate(recording.events)]
    clean = replay(mosquitto.broker, tmp_path / "clean", in_order, [])

    energy = {key: session["energy_wh"] for key, session in clean.sessions.items()}
    assert {key: energy[key] for key in recording.energy_wh} == recording.energy_wh
    assert len(clean.sessions) == SESSIONS
    assert sum(session["cost"] or 0 for session in clean.sessions.values()) > 100 * SESSIONS

    chance = random.Random(SEED + 1)
    badly = shuffled(recording.events, chance)
    kills = sorted(chance.sample(range(len(badly)), KILLS))
    dirty = replay(mosquitto.broker, tmp_path / "dirty", badly, kills)

    for key in recording.unended:
        for books in (clean, dirty):
            assert books.sessions[key]["complete"] == 0
            for name in GUESSED:
                del books.sessions[key][name]
    assert differences(clean, dirty) == []
    assert dirty == clean


def shuffled(events: list[Recorded], chance: random.Random) -> list[Frame]:
    """Each at least twice under different message ids, a few under the same one too, all of them moved."""
    places = []
    for number, event in enumerate(events):
        copies = [f"dirty-{number}-{copy}" for copy in range(chance.choice([2, 2, 2, 3]))]
        copies += copies[:1] if chance.random() < 0.05 else []
        for message_id in copies:
            last = chance.random() < LAST
            place = len(events) + MOVED if last else number
            places.append((place + chance.uniform(0, MOVED), Frame(message_id, event)))
    return [frame for _, frame in sorted(places, key=lambda place: place[0])]


def replay(broker: Broker, folder: Path, frames: list[Frame], kills: list[int]) -> Books:
    """Tell these to a worker with empty books, and kill it whenever so many have been answered."""
    worker = CsmsWorker(folder, broker, STATIONS, [], prepare=set_up)
    worker.start()
    try:
        Teller(broker, worker).tell(frames, kills)
        return read_books(folder)
    finally:
        worker.stop()


def set_up(connection: Connection) -> None:
    """Cards, some with a driver, and what charging costs, by the clocks of two countries."""
    before = START - timedelta(days=1)
    for number, card in enumerate(CARDS):
        driver = f"driver-{number}@colonnina.test" if number < DRIVERS else None
        if driver is not None:
            registry.add_user(connection, driver, "a password", "driver", before)
        registry.add_card(connection, card, driver)
    connection.execute(insert(sites).values(id="rome", name="Rome", time_zone="Europe/Rome"))
    connection.execute(update(stations).where(stations.c.id.in_(STATIONS[::2])).values(site="rome"))
    key = tariffs.create(connection, None, "by the hour", TARIFF, before)
    tariffs.place(connection, tariffs.DEFAULT, "", key, before)


class Teller:
    """All stations in one: sends, and sends again what was not answered."""

    def __init__(self, broker: Broker, worker: CsmsWorker) -> None:
        self._worker = worker
        self._answers: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._link = Link(broker, "teller", on_message=self._arrived, subscriptions=[ALL_DOWN], session_expiry_s=0)
        self._out: dict[str, tuple[float, Frame]] = {}

    def tell(self, frames: Iterable[Frame], kills: list[int]) -> None:
        waiting, due, answered = deque(frames), deque(kills), 0
        self._link.start()
        assert self._link.wait_up(10)
        try:
            while waiting or self._out:
                while waiting and len(self._out) < WINDOW:
                    self._send(waiting.popleft())
                answered += self._take_answers()
                while due and answered >= due[0]:
                    due.popleft()
                    self._worker.kill()
                    self._worker.restart()
                for since, frame in list(self._out.values()):
                    if time.monotonic() - since > PATIENCE_S:
                        self._send(frame)
        finally:
            self._link.stop()
        assert not due

    def _send(self, frame: Frame) -> None:
        self._out[frame.message_id] = time.monotonic(), frame
        self._link.publish(topics.up(frame.event.station), frame.event.frame(frame.message_id))

    def _take_answers(self) -> int:
        """How many frames have got their answer now. Waits a moment for the first."""
        count = 0
        try:
            answer = self._answers.get(timeout=0.1)
            while True:
                count += self._take(answer)
                answer = self._answers.get_nowait()
        except queue.Empty:
            return count

    def _take(self, payload: bytes) -> int:
        answer = decode(payload)
        if isinstance(answer, CallError) and answer.code == "GenericError":
            return 0  # too fast: it is sent again when its time is up
        assert not isinstance(answer, CallError), (SEED, payload)
        return 0 if self._out.pop(answer.message_id, None) is None else 1

    def _arrived(self, message: Message) -> None:
        message.ack()
        self._answers.put(message.payload)


def read_books(folder: Path) -> Books:
    with closing(sqlite3.connect(folder / "csms.sqlite")) as books:
        books.row_factory = sqlite3.Row
        drivers = dict(books.execute("SELECT id, email FROM users").fetchall())
        found = {}
        for row in books.execute("SELECT * FROM sessions").fetchall():
            session = {name: row[name] for name in row.keys() if name not in OURS}  # noqa: SIM118 - a row has no other
            session["driver"] = drivers.get(row["driver"])
            folded = msgspec.json.decode(row["folded"])  # beside the fold it has notes that no longer count
            session["folded"] = folded["session"], folded["last"], folded.get("missing")
            session["tariff"] = row["tariff"] and {**msgspec.json.decode(row["tariff"]), "id": ""}
            query = "SELECT seq_no, payload FROM events WHERE session = ? ORDER BY seq_no"
            session["events"] = [tuple(event) for event in books.execute(query, [row["no"]])]
            found[row["station"], row["transaction_id"]] = session
    with closing(sqlite3.connect(folder / "series.sqlite")) as series:
        points = series.execute("SELECT station, evse, t, fields FROM points ORDER BY station, evse, t").fetchall()
    return Books(found, [(*place, msgspec.json.decode(fields)) for *place, fields in points])


def differences(clean: Books, dirty: Books) -> list[str]:
    """In words, column by column: a whole session is too much to read."""
    return [
        f"{'/'.join(key)} {name}: {value!r} in order, {other!r} otherwise"
        for key, session in clean.sessions.items()
        for name, value in session.items()
        if value != (other := dirty.sessions.get(key, {}).get(name))
    ]
