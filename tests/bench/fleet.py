"""Stations of one process: what a station costs that charges with a sample every 10 s, in seconds of CPU per second.

Real frames through a real broker to a real CSMS worker, each in a process of its own; only our own CPU counts. The
reference is the link alone: as many frames of the same size, sent and received, with nothing behind them.
"""

from __future__ import annotations

import secrets
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

from edge.authorization import SqliteTokenMemory
from edge.fleet.clock import VirtualClock
from edge.fleet.drivers import Habits
from edge.fleet.fleet import Fleet, Memory
from edge.fleet.memory import MemoryOutbox, MemoryTokens
from edge.outbox import SqliteOutbox
from edge.station.state import Settings
from protocol.mqtt import Broker, Link, Message
from protocol.topics import Topic
from tests.bench.frames import frame
from tests.bench.ingest import mosquitto
from tests.support.worker import CsmsWorker

STATIONS = 500
#: Fewer: each has six files open.
ON_DISK = 100
SAMPLE_S = 10.0
#: So many virtual seconds are measured, so much faster than real ones.
MEASURED_S, SPEED = 120.0, 8.0
CARD = "04A1B2C3D4E5F6"
#: Everybody comes at once and stays.
STAYING = Habits(away=(0.0, SAMPLE_S), tap=(0.0, 1.0), stay=(1e6, 1e6))
PER_STATION_SECOND = 1 / SAMPLE_S


def run() -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        broker = stack.enter_context(mosquitto(Path(folder)))
        ids, disk_ids = [f"memory-{number}" for number in range(STATIONS)], [f"disk-{n}" for n in range(ON_DISK)]
        worker = CsmsWorker(Path(folder) / "csms", broker, ids + disk_ids, [CARD])
        worker.start()
        stack.callback(worker.stop)
        reference = link_alone(broker)
        in_memory = cost(broker, ids, lambda clock: lambda id: (MemoryOutbox(), MemoryTokens()))
        on_disk = cost(broker, disk_ids, lambda clock: on_disk_in(Path(folder), clock, stack))
    print(f"{STATIONS} stations that charge ({ON_DISK} on disk), a sample every {SAMPLE_S:g} s")
    tell("a station of the fleet, outbox in memory", in_memory, reference)
    tell("a station of the fleet, outbox in SQLite", on_disk, reference)
    tell("reference: the link alone, a frame out and one in", reference, reference)


def tell(what: str, cpu: float, reference: float) -> None:
    """cpu: seconds per station and second."""
    print(
        f"{what:<50} {cpu / PER_STATION_SECOND * 1e6:6.0f} us CPU per sample  {1 / cpu:8.0f} stations per core"
        f"  {cpu / reference:5.2f} times the reference"
    )


def on_disk_in(folder: Path, clock: VirtualClock, stack: ExitStack) -> Callable[[str], Memory]:
    boot_id = secrets.token_hex(16)

    def make(id: str) -> Memory:
        outbox = SqliteOutbox(folder / id / "station.sqlite", clock.now, boot_id)
        tokens = SqliteTokenMemory(folder / id / "tokens.sqlite")
        for memory in (outbox, tokens):
            memory.start()
            stack.callback(memory.stop)
        return outbox, tokens

    return make


def cost(broker: Broker, ids: list[str], memory: Callable[[VirtualClock], Callable[[str], Memory]]) -> float:
    """Seconds of CPU per station and second."""
    clock = VirtualClock(datetime.now(UTC))
    settings = Settings(sample_s=SAMPLE_S, answer_s=600, authorize_s=600)
    fleet = Fleet(ids, broker, clock, speed=SPEED, settings=settings, memory=memory(clock))
    fleet.start()
    fleet.settle(lambda: all(station.core.station.booted for station in fleet.stations), 60)
    fleet.let_drivers_come([CARD], STAYING, 1)
    while not all(station.has_power() for station in fleet.stations):
        fleet.pass_time(SAMPLE_S)
    fleet.pass_time(2 * SAMPLE_S)
    cpu, real, sent = time.process_time(), time.perf_counter(), sum(station.sent for station in fleet.stations)
    fleet.pass_time(MEASURED_S)
    cpu, real = time.process_time() - cpu, time.perf_counter() - real
    sent = sum(station.sent for station in fleet.stations) - sent
    print(f"  {sent} frames in {real:.1f} s, {MEASURED_S / real:.1f} times real time")
    fleet.stop()
    return cpu / len(ids) / MEASURED_S


def link_alone(broker: Broker, frames: int = 5_000) -> float:
    """The same for the link: a station sends a frame and gets one every SAMPLE_S."""
    topic, data = Topic("bench/echo", 1, False), frame("a-transaction", 7)
    came, all_came = 0, threading.Event()

    def arrived(message: Message) -> None:
        nonlocal came
        message.ack()
        came += 1
        if came == frames:
            all_came.set()

    link = Link(broker, "echo", on_message=arrived, subscriptions=(topic,), session_expiry_s=0)
    link.start()
    assert link.wait_up(5)
    time.sleep(0.5)  # for the subscription to be made
    cpu = time.process_time()
    for _ in range(frames):
        link.publish(topic, data)
    assert all_came.wait(60)
    cpu = time.process_time() - cpu
    link.stop()
    return cpu / frames * PER_STATION_SECOND


if __name__ == "__main__":
    run()
