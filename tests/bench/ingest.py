"""Frames through broker, CSMS and durable commits: how many a second, how long an answer takes, and what takes the CPU.

First a worker drains a backlog, against a C subscriber that only reads: both the same frames from the same mosquitto in
the same run; the worker checks, folds, commits, answers. Then stations that each wait for their answer, as OCPP has it,
against a WebSocket server on PyPI's `ocpp` that keeps nothing. Last, one process does each part alone.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import queue
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sqlalchemy import func, select

from cloud.csms import Csms
from cloud.limits import Limits
from cloud.series.port import Point
from cloud.series.sqlite import SqliteSeries
from cloud.store import registry
from cloud.store.registry import ConnectorSpec, EvseSpec
from cloud.store.store import Store
from cloud.store.tables import events
from cloud.worker import BATCH, Worker
from deploy.local.broker import find_mosquitto
from protocol import topics
from protocol.envelope import decode
from protocol.messages import Sender, Version, read_request
from protocol.mqtt import Broker, Link, Message
from protocol.topics import Topic
from tests.bench.cpu import cpu_s
from tests.bench.frames import START, frame
from tests.support import free_port, wait_for
from tests.support.worker import CsmsWorker

STATIONS = 1_000
EVENTS = 20
FRAMES = STATIONS * EVENTS
LIVE = (1, 100, 1_000)
LIVE_FRAMES = {1: 500, 100: 10_000, 1_000: 20_000}
SERVER = """
import asyncio, sys
from ocpp.routing import on
from ocpp.v201 import ChargePoint, call_result
from websockets.asyncio.server import serve

class Answers(ChargePoint):
    @on("TransactionEvent")
    def answer(self, **payload):
        return call_result.TransactionEvent()

async def talk(connection):
    try:
        await Answers("station", connection).start()
    except Exception:
        pass

async def main():
    async with serve(talk, "127.0.0.1", int(sys.argv[1]), subprotocols=["ocpp2.0.1"]):
        await asyncio.Future()

asyncio.run(main())
"""


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with mosquitto(Path(folder)) as broker:
            reference = drain_with_c(broker)
            ours, cpu = drain_with_worker(broker, Path(folder))
        with mosquitto(Path(folder)) as broker:  # one where no other worker is known, which would get its share
            lived = [(count, live(broker, Path(folder) / f"live-{count}", count)) for count in LIVE]
            parts = cpu_by_part(broker, Path(folder) / "parts")
        answers_only = [(count, answers_over_websocket(count)) for count in LIVE[:2]]
    print(f"{FRAMES} TransactionEvents of {STATIONS} stations, waiting at the broker")
    print(f"CSMS worker (validate, fold, commit, answer, acknowledge)  {ours:8.0f} /s  {cpu * 1e6:6.1f} us CPU each")
    print(
        f"reference: mosquitto_sub, reads only                       {reference:8.0f} /s  {ours / reference:.0%} of it"
    )
    print("stations that send the next event when the one before is answered; CPU of the server's process alone")
    for count, result in lived:
        tell(f"CSMS worker over MQTT, {count} stations", *result)
    for count, result in answers_only:
        tell(f"reference: ocpp over WebSocket, keeps nothing, {count} stations", *result)
    print(f"CPU by part, batches of {BATCH}")
    for name, seconds in parts.items():
        print(f"  {name:<45} {seconds * 1e6:7.1f} us")


@contextlib.contextmanager
def mosquitto(folder: Path) -> Iterator[Broker]:
    """A broker of our own on loopback, with room for the backlog."""
    program = find_mosquitto()
    assert program is not None, "mosquitto is not installed"
    port = free_port()
    config = folder / "bench.conf"
    config.write_text(
        f"listener {port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\nset_tcp_nodelay true\nlog_dest none\n"
    )
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
    assert loader.flush(120)
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


def tell(what: str, rate: float, cpu: float, seconds: list[float]) -> None:
    """rate: per second. cpu: seconds for each. seconds: from sending to the answer."""
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    print(
        f"{what:<62} {rate:7.0f} /s  p50 {statistics.median(seconds) * 1e3:6.1f} ms  p99 {p99 * 1e3:6.1f} ms"
        f"  {cpu * 1e6:6.1f} us CPU each"
    )


def live(broker: Broker, folder: Path, count: int) -> tuple[float, float, list[float]]:
    """A worker process, and so many stations that each wait for the answer. All of them share one connection."""
    ids = [f"live-{count}-{number}" for number in range(count)]
    worker = CsmsWorker(folder, broker, ids, [])
    worker.start()
    came: queue.SimpleQueue[tuple[str, float]] = queue.SimpleQueue()

    def arrived(message: Message) -> None:
        came.put((topics.station_of(message.topic) or "", time.perf_counter()))
        message.ack()

    down = Topic("cs/+/down", 1, False)
    link = Link(broker, f"live-{count}", on_message=arrived, subscriptions=[down], session_expiry_s=0)
    link.start()
    assert link.wait_up(5)
    time.sleep(0.5)  # for the subscription to be made
    sent, numbers = dict.fromkeys(ids, 0.0), dict.fromkeys(ids, 0)

    def send(station: str) -> None:
        sent[station] = time.perf_counter()
        link.publish(topics.up(station), frame(f"{station}-tx", numbers[station]))
        numbers[station] += 1

    began, cpu, seconds = time.perf_counter(), cpu_s(worker.pid), []
    try:
        for station in ids:
            send(station)
        while len(seconds) < LIVE_FRAMES[count]:
            station, at = came.get(timeout=60)
            seconds.append(at - sent[station])
            send(station)
        taken, cpu = time.perf_counter() - began, cpu_s(worker.pid) - cpu
    finally:
        link.stop()
        worker.stop()
    return len(seconds) / taken, cpu / len(seconds), seconds


def answers_over_websocket(count: int) -> tuple[float, float, list[float]]:
    """The same from a server that answers and does nothing else."""
    port = free_port()
    with subprocess.Popen([sys.executable, "-c", SERVER, str(port)], stderr=subprocess.DEVNULL) as server:
        try:
            return asyncio.run(_ask_over_websocket(port, server.pid, count))
        finally:
            server.terminate()


async def _ask_over_websocket(port: int, pid: int, count: int) -> tuple[float, float, list[float]]:
    from websockets.asyncio.client import ClientConnection, connect

    async def connected() -> ClientConnection:
        for _ in range(100):
            with contextlib.suppress(OSError):
                return await connect(f"ws://127.0.0.1:{port}/x", subprotocols=["ocpp2.0.1"])  # type: ignore[list-item]
            await asyncio.sleep(0.1)
        raise AssertionError("the reference server does not answer")

    connections = [await connected() for _ in range(count)]
    each, seconds = LIVE_FRAMES[count] // count // 4, []

    async def station(number: int, connection: ClientConnection) -> None:
        for event in range(each):
            sent = time.perf_counter()
            await connection.send(frame(f"ws-{number}", event).decode())
            await connection.recv()
            seconds.append(time.perf_counter() - sent)

    began, cpu = time.perf_counter(), cpu_s(pid)
    await asyncio.gather(*(station(number, connection) for number, connection in enumerate(connections)))
    taken, cpu = time.perf_counter() - began, cpu_s(pid) - cpu
    for connection in connections:
        await connection.close()
    return len(seconds) / taken, cpu / len(seconds), seconds


def cpu_by_part(broker: Broker, folder: Path) -> dict[str, float]:
    """Seconds of CPU for each frame. The link's are for a frame in, its acknowledgement, and an answer out."""
    folder.mkdir()
    frames = [(f"s{station}", frame(f"t{station}", number)) for number in range(5) for station in range(STATIONS)]

    def read() -> None:
        for _, data in frames:
            read_request(Version.V201, decode(data), Sender.STATION)  # type: ignore[arg-type]

    read()
    reading = cpu_of(read) / len(frames)
    store, series = Store(f"sqlite:///{folder / 'bench.sqlite'}"), SqliteSeries(folder / "series.sqlite")
    store.start()
    series.start()
    with store.write() as connection:
        for station in range(STATIONS):
            registry.add_station(connection, f"s{station}", [EvseSpec(1, (ConnectorSpec(1),))], datetime.now(UTC))
    csms = Csms(
        store,
        series,
        lambda topic, payload, *, expiry_s=None: None,
        now=lambda: datetime.now(UTC),
        heartbeat_s=60,
        limits=Limits(frames_per_s=0),
    )
    messages = [Message(f"cs/{station}/up", data, False, lambda: None) for station, data in frames]
    batches = [messages[start : start + BATCH] for start in range(0, len(messages), BATCH)]
    csms.take(batches[0])  # sessions are opened

    def take() -> None:
        for batch in batches[1:]:
            csms.take(batch)

    taking = cpu_of(take) / (len(messages) - len(batches[0]))
    points = [list(_points(batch)) for batch in batches[1:]]

    def write() -> None:
        for batch in points:
            series.write(batch)

    writing = cpu_of(write) / sum(map(len, points))
    series.stop()
    store.stop()
    linking = link_alone(broker)
    return {
        "link: paho, frame in, ack, answer out": linking,
        "decode and validate": reading,
        "time series: a commit of its own": writing,
        "fold, SQL, commit, answer: the rest": taking - reading - writing,
        "all of these": linking + taking,
    }


def link_alone(broker: Broker, count: int = 5_000) -> float:
    """A process that only answers. The sender is another process, so that only one side is counted."""
    code = (
        "import sys, time\n"
        "from protocol.mqtt import Broker, Link\n"
        "from protocol.topics import Topic\n"
        "broker = Broker(port=int(sys.argv[1]))\n"
        "link = Link(broker, 'parts-sender', on_message=lambda message: message.ack(),\n"
        "            subscriptions=[Topic('parts/down', 1, False)], session_expiry_s=0)\n"
        "link.start(); link.wait_up(5)\n"
        f"[link.publish(Topic('parts/up', 1, False), b'x' * 600) for _ in range({count})]\n"
        "link.flush(60); time.sleep(2); link.stop()\n"
    )
    done, came = threading.Event(), 0

    def arrived(message: Message) -> None:
        nonlocal came
        link.publish(Topic("parts/down", 1, False), b"x" * 60)
        message.ack()
        came += 1
        if came == count:
            done.set()

    up = Topic("parts/up", 1, False)
    link = Link(broker, "parts", on_message=arrived, subscriptions=[up], session_expiry_s=0, receive_maximum=4_000)
    link.start()
    assert link.wait_up(5)
    time.sleep(0.5)
    with subprocess.Popen([sys.executable, "-c", code, str(broker.port)], env=os.environ | {"PYTHONPATH": "."}):
        cpu = time.process_time()
        assert done.wait(60)
        link.flush(30)
        cpu = time.process_time() - cpu
    link.stop()
    return cpu / count


def cpu_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _points(batch: list[Message]) -> Iterator[Point]:
    """Points as these frames give, at other times."""
    for number, message in enumerate(batch):
        at = START + timedelta(days=1, seconds=number)
        fields = {"energy_wh": 1_000.0, "power_w": 7_360.0, "current_a": 32.0, "voltage_v": 230.0}
        yield Point(topics.station_of(message.topic) or "", 1, at, fields)
