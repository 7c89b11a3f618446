"""Bad input on the real wire: what a broken or hostile station may send, and what its account may not touch."""

from __future__ import annotations

import json
import queue
import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest

from protocol import topics
from protocol.mqtt import Broker, Link, Message
from protocol.topics import Topic
from tests.support import wait_for
from tests.support.demo import Demo


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("wire"), "--no-visitors", "--stations", "2", "--broker", "mosquitto")
    running.start()
    running.wait_status("cs-1", "available", 60)
    yield running
    running.stop()


class Wire:
    """A client with a station's own account. It sees what goes down to that station, too."""

    def __init__(self, demo: Demo, account: str, *subscriptions: Topic) -> None:
        password = json.loads((demo.data / "secrets.json").read_text())[account]
        self.arrived: queue.Queue[Message] = queue.Queue()
        broker = Broker(port=demo.port + 2, username=account, password=password)
        self.link = Link(
            broker,
            f"wire-{account}",
            on_message=self.arrived.put,
            subscriptions=subscriptions or (topics.down(account),),
            session_expiry_s=0,
        )
        self._account = account

    def __enter__(self) -> Wire:
        self.link.start()
        assert self.link.wait_up(5)
        return self

    def __exit__(self, *error: object) -> None:
        self.link.stop()

    def ask(self, frame: bytes, message_id: str) -> list[Any]:
        """Send a frame as the station would; answer the answer to it."""
        self.link.publish(topics.up(self._account), frame)
        while True:
            message = self.arrived.get(timeout=30)
            message.ack()
            answer: list[Any] = json.loads(message.payload)
            if answer[1] == message_id:
                return answer


def refusals(demo: Demo, station: str) -> dict[str, int]:
    with sqlite3.connect(demo.data / "csms" / "csms.sqlite") as books:
        return dict(books.execute("SELECT code, count FROM refusals WHERE station = ?", [station]))


HUGE = b'[2,"id-5","Heartbeat",{"customData":{"vendorId":"' + b"x" * 70_000 + b'"}}]'
BAD = {
    "not JSON": (b"hello", "-1", "RpcFrameworkError"),
    "not an array": (b'{"a": 1}', "-1", "RpcFrameworkError"),
    "an unknown action": (b'[2,"id-1","Explode",{}]', "id-1", "NotImplemented"),
    "an action of the CSMS's": (b'[2,"id-2","Reset",{"type":"Immediate"}]', "id-2", "NotSupported"),
    "a field that is missing": (b'[2,"id-3","Authorize",{}]', "id-3", "OccurrenceConstraintViolation"),
    "a field of the wrong type": (b'[2,"id-4","Authorize",{"idToken":7}]', "id-4", "TypeConstraintViolation"),
    "too large": (
        b'[2,"id-5","Heartbeat",{"customData":{"vendorId":"' + b"x" * 70_000 + b'"}}]',
        "-1",
        "FormatViolation",
    ),
    "a billion connectors": (
        b'[2,"id-6","StatusNotification",{"timestamp":"2026-01-01T00:00:00Z","connectorStatus":"Available",'
        b'"evseId":1,"connectorId":1000000000}]',
        "id-6",
        "PropertyConstraintViolation",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_frame_is_answered_with_its_code_and_counted_and_the_next_one_works(demo: Demo, what: str) -> None:
    frame, message_id, code = BAD[what]
    before = refusals(demo, "cs-2").get(code, 0)
    with Wire(demo, "cs-2") as wire:
        answer = wire.ask(frame, message_id)
        assert answer[:3] == [4, message_id, code]
        assert refusals(demo, "cs-2")[code] == before + 1
        assert wire.ask(b'[2,"next","Heartbeat",{}]', "next")[0] == 3


def test_a_stations_account_may_neither_read_nor_write_the_topics_of_another(demo: Demo) -> None:
    with Wire(demo, "cs-2", topics.down("cs-1"), topics.up("cs-1"), topics.down("cs-2")) as wire:
        wire.link.publish(topics.up("cs-1"), b'[2,"forged","Heartbeat",{}]')
        wire.ask(b'[2,"own","Heartbeat",{}]', "own")
        with Wire(demo, "cs-1") as owner:
            owner.ask(b'[2,"theirs","Heartbeat",{}]', "theirs")
            assert owner.arrived.empty()
        assert wire.arrived.empty()


def test_a_broker_that_is_there_lets_nobody_in_without_a_password(demo: Demo) -> None:
    link = Link(Broker(port=demo.port + 2), "nobody", on_message=lambda message: None)
    link.start()
    assert link.wait_up(1) is False
    link.stop()


def test_a_station_that_is_switched_off_is_inoperative_with_since_when(demo: Demo) -> None:
    demo.wait_status("cs-1", "available")
    old = demo.kill("cs-1")
    offline = wait_for(lambda: found if (found := demo.evse("cs-1"))["detail"] == "Offline" else None, 20, 0.02)
    assert offline["status"] == "inoperative"
    demo.restarted("cs-1", old)
    assert demo.wait_status("cs-1", "available")["detail"] == "Available"
