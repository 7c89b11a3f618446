"""Tap to contactor on the demo's wire: card, reader's bytes, station, broker, CSMS, commit, and back to the coil's pin.

The reference is a bare round trip of a message through the same kind of broker in the same run.
"""

from __future__ import annotations

import statistics
import tempfile
import threading
import time
from pathlib import Path

from protocol.mqtt import Broker, Link
from protocol.topics import Topic
from tests.bench.ingest import mosquitto
from tests.support import wait_for
from tests.support.demo import Demo

TAPS = 40
CARD = "04A1B2C3D4E5F6"


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        with mosquitto(Path(folder)) as broker:
            reference = round_trips(broker)
        demo = Demo(Path(folder) / "demo", "--no-visitors", "--stations", "2", "--broker", "mosquitto")
        demo.start()
        try:
            taps = tap_to_contactor(demo, "cs-2")
            piloted = tap_to_contactor(demo, "cs-1")
        finally:
            demo.stop()
    tell("tap to contactor, decided by the CSMS", taps)
    tell("the same with a control pilot, which the car answers", piloted)
    tell("reference: one message through mosquitto and back", reference)
    print(f"ratio of the medians: {statistics.median(taps) / statistics.median(reference):.1f}")


def tell(what: str, seconds: list[float]) -> None:
    p99 = statistics.quantiles(seconds, n=100, method="inclusive")[98]
    print(f"{what:<52} p50 {statistics.median(seconds) * 1e3:7.1f} ms   p99 {p99 * 1e3:7.1f} ms   n={len(seconds)}")


def tap_to_contactor(demo: Demo, station: str) -> list[float]:
    result = []
    for _ in range(TAPS):
        demo.wait_status(station, "available")
        demo.do(station, "plug", evse=1, connector=1)
        demo.wait_status(station, "occupied")
        tapped = demo.tap(station, CARD)
        contacts = wait_for(lambda: found if (found := coil(demo, station))["commanded"] else None, 10, 0.05)
        result.append(contacts["commanded_at"] - tapped)
        demo.do(station, "unplug", evse=1)
    return result


def coil(demo: Demo, station: str) -> dict[str, float]:
    found: dict[str, float] = demo.seen(station)["connectors"][0]
    return found


def round_trips(broker: Broker) -> list[float]:
    back = threading.Event()
    topic = Topic("bench/echo", 1, False)

    def arrived(message: object) -> None:
        message.ack()  # type: ignore[attr-defined]
        back.set()

    link = Link(broker, "echo", on_message=arrived, subscriptions=(topic,), session_expiry_s=0)
    link.start()
    assert link.wait_up(5)
    result = []
    for _ in range(TAPS + 1):
        back.clear()
        started = time.perf_counter()
        link.publish(topic, b"x" * 375)
        assert back.wait(5)
        result.append(time.perf_counter() - started)
    link.stop()
    return result[1:]  # the first one also waits for the subscription
