"""The books on PostgreSQL: several workers at once on the same stations keep what one alone would."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import func, select

from cloud.csms import Csms
from cloud.series.sqlite import SqliteSeries
from cloud.store.queue import queue_call
from cloud.store.registry import ConnectorSpec, EvseSpec, add_station
from cloud.store.store import Store
from cloud.store.tables import calls, events, frames, metadata, refusals, sessions, station_variables
from protocol.envelope import Call, CallResult, decode, encode
from protocol.mqtt import Message
from protocol.topics import Topic
from tests.support.csms_world import HEARTBEAT_S, NOON, UNHURRIED, metered, status
from tests.support.postgres import a_postgres

STATIONS = [f"cs-{number}" for number in range(1, 7)]
EVENTS = 40


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with a_postgres() as url:
        yield url


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    opened = Store(url)
    opened.start()
    with opened.write() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(table.delete())
        for station in STATIONS:
            add_station(connection, station, [EvseSpec(1, (ConnectorSpec(1),))], NOON)
    yield opened
    opened.stop()


class Worker:
    """A CSMS with a connection of its own."""

    def __init__(self, store: Store, url: str, series: SqliteSeries) -> None:
        self.store = Store(url)
        self.store.start()
        self.answers: list[bytes] = []
        self.waited = 0
        self.csms = Csms(
            self.store,
            series,
            self.publish,
            now=lambda: NOON,
            heartbeat_s=HEARTBEAT_S,
            limits=UNHURRIED,
            pause=self.pause,
        )

    def publish(self, topic: Topic, payload: bytes, *, expiry_s: int | None = None) -> None:
        self.answers.append(payload)

    def pause(self, seconds: float) -> bool:
        self.waited += 1
        return False


@pytest.fixture
def workers(store: Store, url: str, tmp_path: Path) -> Iterator[list[Worker]]:
    series = SqliteSeries(tmp_path / "series.sqlite")
    series.start()
    made = [Worker(store, url, series) for _ in range(3)]
    yield made
    for worker in made:
        worker.store.stop()
    series.stop()


def message(station: str, call: Call) -> Message:
    return Message(f"cs/{station}/up", encode(call), False, lambda: None)


def share(workers: list[Worker], messages: list[Message], per_batch: int) -> None:
    """All of them at once: each worker takes every third message, and ticks between its batches."""

    def work(worker: Worker, mine: list[Message]) -> None:
        for start in range(0, len(mine), per_batch):
            worker.csms.take(mine[start : start + per_batch])
            worker.csms.tick()

    threads = [
        threading.Thread(target=work, args=(worker, messages[number :: len(workers)]))
        for number, worker in enumerate(workers)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not any(thread.is_alive() for thread in threads)


@pytest.mark.parametrize("seed", [1, 2])
def test_workers_that_share_the_events_of_the_same_sessions_lose_none(
    store: Store, workers: list[Worker], seed: int
) -> None:
    chance = random.Random(seed)
    messages = []
    for station in STATIONS:
        for n in range(EVENTS):
            kind = "Started" if n == 0 else "Ended" if n == EVENTS - 1 else "Updated"
            call = Call(f"{station}-{n}", "TransactionEvent", metered(kind, n, 1_000 + 5 * n))
            messages += [message(station, call)] * chance.choice([1, 1, 2])
        messages.append(message(station, Call("s", "StatusNotification", status("Occupied", evse=2))))
    for station in ("nobody", "nobody-else"):
        messages += [message(station, Call("x", "Heartbeat", {}))] * 20
    chance.shuffle(messages)
    share(workers, messages, per_batch=10)
    with store.read() as connection:
        rows = connection.execute(select(sessions)).all()
        kept = connection.scalar(select(func.count()).select_from(events))
        refused = {(row.station, row.code): row.count for row in connection.execute(select(refusals))}
    assert sorted((row.station, row.state, row.energy_wh, row.complete, row.flags) for row in rows) == [
        (station, "ended", 5 * (EVENTS - 1), True, "") for station in STATIONS
    ]
    assert kept == len(STATIONS) * EVENTS
    assert refused == {("", "SecurityError"): 40}
    answers = [decode(answer) for worker in workers for answer in worker.answers]
    assert sum(isinstance(answer, CallResult) for answer in answers) == len(messages) - 40
    assert [worker.waited for worker in workers] == [0, 0, 0]


def test_a_call_is_sent_by_one_of_them(store: Store, workers: list[Worker]) -> None:
    with store.write() as connection:
        for station in STATIONS:
            for _ in range(2):
                queue_call(connection, station, "ClearCache", b"{}", now=NOON, expires_at=NOON + timedelta(seconds=10))
    messages = [Message("csms/calls", b"{}", False, lambda: None)] * 30
    share(workers, messages, per_batch=1)
    sent = [decode(answer) for worker in workers for answer in worker.answers]
    assert len(sent) == len({frame.message_id for frame in sent}) == len(STATIONS)
    with store.read() as connection:
        states = connection.scalars(select(calls.c.state)).all()
    assert sorted(states) == ["queued"] * len(STATIONS) + ["sent"] * len(STATIONS)


def test_reports_messages_and_the_log_work_there_too(store: Store, workers: list[Worker]) -> None:
    data = {
        "component": {"name": "EVSE"},
        "variable": {"name": "Power"},
        "variableAttribute": [{"value": "1"}],
    }
    payload = {"requestId": 1, "generatedAt": NOON, "seqNo": 0, "reportData": [data]}
    calls_made = [
        Call("1", "NotifyReport", payload),
        Call("2", "NotifyReport", payload),
        Call("3", "DataTransfer", {"vendorId": "x"}),
        Call("4", "FirmwareStatusNotification", {"status": "Idle"}),
        Call("5", "FirmwareStatusNotification", {"status": "Installed"}),
        Call("6", "DataTransfer", msgspec.Raw(b'{"vendorId":"a\\u0000b"}')),
    ]
    workers[0].csms.take([message("cs-1", call) for call in calls_made])
    workers[0].csms.tick()
    assert [getattr(decode(answer), "code", "") for answer in workers[0].answers] == [""] * 5 + [
        "PropertyConstraintViolation"
    ]
    with store.read() as connection:
        assert connection.scalars(select(station_variables.c.variable)).all() == ["Power"]
        assert connection.scalar(select(func.count()).select_from(frames)) == 12


def test_processes_that_start_together_make_the_tables_once(url: str) -> None:
    opened = Store(url)
    opened.start()
    metadata.drop_all(opened.engine)
    stores = [Store(url) for _ in range(4)]
    threads = [threading.Thread(target=store.start) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    with opened.read() as connection:
        assert connection.scalar(select(func.count()).select_from(sessions)) == 0
    for store in (*stores, opened):
        store.stop()
