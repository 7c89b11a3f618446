"""Frames through broker, CSMS and durable commits: a worker drains a backlog, against a C subscriber that only reads.

Both drain the same frames from the same mosquitto in the same run; the worker checks, folds, commits, answers.
"""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import func, select

from cloud.series.sqlite import SqliteSeries
from cloud.store import registry
from cloud.store.registry import ConnectorSpec, EvseSpec
from cloud.store.store import Store
from cloud.store.tables import events
from cloud.worker import Worker
from deploy.local.broker import find_mosquitto
from protocol import topics
from protocol.mqtt import Broker, Link
from tests.bench.frames import frame
from tests.support import free_port, wait_for

STATIONS = 1_000
EVENTS = 20
FRAMES = STATIONS * EVENTS


def run() -> None:
    with tempfile.TemporaryDirectory() as folder, mosquitto(Path(folder)) as broker:
        reference = drain_with_c(broker)
        ours, cpu = drain_with_worker(broker, Path(folder))
    print(f"{FRAMES} TransactionEvents of {STATIONS} stations, waiting at the broker")
    print(f"CSMS worker (validate, fold, commit, answer, acknowledge)  {ours:8.0f} /s  {cpu * 1e6:6.1f} us CPU each")
    print(
        f"reference: mosquitto_sub, reads only                       {reference:8.0f} /s  {ours / reference:.0%} of it"
    )


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """A broker of our own on loopback, with room for the backlog."""
    program = find_mosquitto()
    assert program is not None, "mosquitto is not installed"
    port = free_port()
    config = folder / "bench.conf"
    config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nlog_dest none\n")
    process = subprocess.Popen([program, "-c", str(config)], stderr=subprocess.DEVNULL)
    broker = Broker(port=port)
    probe = Link(broker, "probe", on_message=lambda message: None, session_expiry_s=0)
    probe.start()
    assert probe.wait_up(10)
    probe.stop()
    try:
        yield broker
    finally:
        process.terminate()
        process.wait(5)


def fill(broker: Broker) -> None:
    """Publish every frame and wait until the broker has taken all of them."""
    loader = Link(broker, "loader", on_message=lambda message: None)
    loader.start()
    assert loader.wait_up(5)
    for number in range(EVENTS):
        for station in range(STATIONS):
            loader.publish(topics.up(f"s{station}"), frame(f"t{station}", number))
    wait_for(lambda: not loader._client._out_messages, 120)
    loader.stop()


def drain_with_c(broker: Broker) -> float:
    command = ["mosquitto_sub", "-V", "5", "-p", str(broker.port), "-q", "1", "-c", "-x", "3600", "-i", "reference"]
    command += ["-t", "cs/+/up"]
    subprocess.run([*command, "-E"], check=True)  # subscribe, and leave: the session stays
    fill(broker)
    started = time.perf_counter()
    subprocess.run([*command, "-C", str(FRAMES)], check=True, stdout=subprocess.DEVNULL)
    return FRAMES / (time.perf_counter() - started)


def drain_with_worker(broker: Broker, folder: Path) -> tuple[float, float]:
    """Frames per second, and seconds of CPU per frame."""
    store, series = Store(f"sqlite:///{folder / 'bench.sqlite'}"), SqliteSeries(folder / "series.sqlite")
    store.start()
    series.start()
    now = datetime.now(UTC)
    with store.write() as connection:
        for station in range(STATIONS):
            registry.add_station(connection, f"s{station}", [EvseSpec(1, (ConnectorSpec(1),))], now)
    session = Link(
        broker, "bench-worker", on_message=lambda message: None, subscriptions=(topics.ALL_UP, topics.ALL_CALLS_WAIT)
    )
    session.start()
    assert session.wait_up(5)
    time.sleep(0.5)  # for the subscription to be made
    session.stop()
    fill(broker)
    worker = Worker(store, series, broker, name="bench-worker", now=lambda: datetime.now(UTC), heartbeat_s=60)
    stopping = threading.Event()
    thread = threading.Thread(target=worker.run, args=(stopping,))
    started, cpu = time.perf_counter(), time.process_time()
    thread.start()
    wait_for(lambda: kept(store) >= FRAMES, 300, 0.1)
    taken, cpu = time.perf_counter() - started, time.process_time() - cpu
    stopping.set()
    thread.join()
    series.stop()
    store.stop()
    return FRAMES / taken, cpu / FRAMES


def kept(store: Store) -> int:
    with store.read() as connection:
        return connection.scalar(select(func.count()).select_from(events)) or 0
