"""What the link promises, on every broker that we run: nothing that was not acknowledged is lost.

Tests that are for mosquitto alone say why: iotcore keeps its sessions in memory only, and is for the demo.
"""

from __future__ import annotations

import contextlib
import queue
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from protocol.errors import SettingsError
from protocol.mqtt import Broker, Link, Message
from protocol.topics import Topic
from tests.conftest import BrokerProcess
from tests.support import free_port, wait_for

UP = Topic("cs/cs-1/up", 1, False)
DOWN = Topic("cs/cs-1/down", 1, False)
STATE = Topic("cs/cs-1/link", 1, True)


@dataclass
class Peer:
    """A process at one end: its link, and what came by it. Nothing is acknowledged unless the test does so."""

    link: Link
    arrived: queue.Queue[Message]
    changes: list[bool] = field(default_factory=list)

    def get(self, timeout_s: float = 10) -> Message:
        return self.arrived.get(timeout=timeout_s)

    def up(self) -> None:
        wait_for(lambda: self.link.up)


class Wire:
    """A TCP wire to the broker that can be cut, as a cable can: neither side is told more than that."""

    def __init__(self, broker: Broker) -> None:
        self._target = (broker.host, broker.port)
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._server.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def cut(self) -> None:
        pairs, self._pairs = self._pairs, []
        for pair in pairs:
            for end in pair:
                _cut(end)

    def close(self) -> None:
        self.cut()
        self._server.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._server.accept()
                far = socket.create_connection(self._target)
            except OSError:
                return
            self._pairs.append((near, far))
            for one, other in ((near, far), (far, near)):
                threading.Thread(target=_carry, args=(one, other), daemon=True).start()


def _cut(end: socket.socket) -> None:
    with contextlib.suppress(OSError):  # the other side may be quicker
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _carry(one: socket.socket, other: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := one.recv(65536):
            other.sendall(data)
    for end in (one, other):
        _cut(end)


Make = Callable[..., Peer]


@pytest.fixture
def make() -> Iterator[Make]:
    peers: list[Peer] = []

    def peer(broker: Broker, client_id: str, *subscriptions: Topic, wait: bool = True, **more: object) -> Peer:
        arrived: queue.Queue[Message] = queue.Queue()
        changes: list[bool] = []
        link = Link(
            broker,
            client_id,
            on_message=arrived.put,
            on_change=changes.append,
            subscriptions=subscriptions,
            **more,  # type: ignore[arg-type]
        )
        made = Peer(link, arrived, changes)
        peers.append(made)
        link.start()
        if wait:
            made.up()
        return made

    yield peer
    for made in peers:
        made.link.stop()


@pytest.fixture
def wires() -> Iterator[Callable[[Broker], tuple[Wire, Broker]]]:
    made: list[Wire] = []

    def wire(broker: Broker) -> tuple[Wire, Broker]:
        made.append(Wire(broker))
        return made[-1], Broker(port=made[-1].port, username=broker.username, password=broker.password)

    yield wire
    for one in made:
        one.close()


def settled(worker: Peer, sender: Peer, topic: Topic = UP) -> None:
    """Until the subscription is in force and what was published before has come: a last message has."""
    sender.link.publish(topic, b"settled")
    while True:
        message = worker.get()
        message.ack()
        if message.payload == b"settled":
            return


def test_a_message_arrives_with_its_topic_and_its_bytes(any_broker: BrokerProcess, make: Make) -> None:
    worker, sender = make(any_broker.broker, "worker", UP), make(any_broker.broker, "sender")
    settled(worker, sender)
    sender.link.publish(UP, bytes(range(256)))
    message = worker.get()
    assert (message.topic, message.payload, message.retained) == (UP.name, bytes(range(256)), False)


def test_what_was_not_acknowledged_is_delivered_again_and_what_was_is_not(
    any_broker: BrokerProcess, make: Make, wires: Callable[[Broker], tuple[Wire, Broker]]
) -> None:
    wire, through = wires(any_broker.broker)
    worker, sender = make(through, "worker", UP), make(any_broker.broker, "sender")
    settled(worker, sender)
    for payload in (b"one", b"two", b"three"):
        sender.link.publish(UP, payload)
    one, two, three = (worker.get() for _ in range(3))
    assert [message.payload for message in (one, two, three)] == [b"one", b"two", b"three"]
    one.ack()
    written(worker)
    wire.cut()
    assert [worker.get().payload for _ in range(2)] == [b"two", b"three"]
    assert worker.arrived.empty()


def written(worker: Peer) -> None:
    """Until the broker has read what the worker has written so far: it acknowledges what was written last."""
    worker.link.publish(Topic("cs/cs-1/nobody-reads-this", 1, False), b"")
    assert worker.link.flush(5)


def test_the_same_client_id_takes_up_what_a_killed_process_had_not_acknowledged(
    any_broker: BrokerProcess, make: Make, wires: Callable[[Broker], tuple[Wire, Broker]]
) -> None:
    wire, through = wires(any_broker.broker)
    first, sender = make(through, "worker", UP), make(any_broker.broker, "sender")
    settled(first, sender)
    sender.link.publish(UP, b"one")
    assert first.get().payload == b"one"
    wire.close()  # it never comes back
    second = make(any_broker.broker, "worker", UP)
    assert second.get().payload == b"one"


def test_what_is_sent_while_nobody_is_there_waits(any_broker: BrokerProcess, make: Make) -> None:
    worker, sender = make(any_broker.broker, "worker", UP), make(any_broker.broker, "sender")
    settled(worker, sender)
    worker.link.stop()
    sender.link.publish(UP, b"one")
    assert sender.link.flush(5)
    assert make(any_broker.broker, "worker", UP).get().payload == b"one"


def test_an_acknowledgement_by_an_old_connection_does_not_count_for_a_new_message(
    mosquitto: BrokerProcess, make: Make, wires: Callable[[Broker], tuple[Wire, Broker]]
) -> None:
    """A broker that has lost our session counts packets anew: the same number means another message.

    For mosquitto alone: iotcore keeps a session whatever the client asks for, until it ends itself.
    """
    wire, through = wires(mosquitto.broker)
    worker = make(through, "worker", UP, session_expiry_s=0, receive_maximum=5)
    sender = make(mosquitto.broker, "sender")
    sender.link.publish(UP, b"old")
    old = worker.get()
    wire.cut()
    wait_for(lambda: worker.changes == [True, False, True])
    written(worker)  # behind its subscription
    for number in range(6):
        sender.link.publish(UP, b"new %d" % number)
    new = [worker.get() for _ in range(5)]
    assert [message.payload for message in new] == [b"new %d" % number for number in range(5)]
    old.ack()
    written(worker)
    assert worker.arrived.empty()  # had it counted, there would be room for the sixth
    new[0].ack()
    assert worker.get().payload == b"new 5"


def test_an_old_acknowledgement_leaves_the_message_to_be_delivered_again(
    any_broker: BrokerProcess, make: Make, wires: Callable[[Broker], tuple[Wire, Broker]]
) -> None:
    wire, through = wires(any_broker.broker)
    worker, sender = make(through, "worker", UP), make(any_broker.broker, "sender")
    settled(worker, sender)
    sender.link.publish(UP, b"one")
    first = worker.get()
    wire.cut()
    again = worker.get()
    assert again.payload == b"one"
    first.ack()  # the work was done, and its connection is gone
    written(worker)
    wire.cut()
    third = worker.get()
    assert third.payload == b"one"
    third.ack()
    written(worker)
    wire.cut()
    wait_for(lambda: worker.changes[-2:] == [False, True] and len(worker.changes) == 7)
    sender.link.publish(UP, b"two")
    assert worker.get().payload == b"two"


def test_the_last_will_comes_when_the_wire_is_cut(
    any_broker: BrokerProcess, make: Make, wires: Callable[[Broker], tuple[Wire, Broker]]
) -> None:
    wire, through = wires(any_broker.broker)
    watcher = make(any_broker.broker, "watcher", STATE)
    station = make(through, "cs-cs-1", will=(STATE, b"gone"))
    station.link.publish(STATE, b"here")
    assert watcher.get().payload == b"here"
    wire.close()
    assert watcher.get().payload == b"gone"
    assert make(any_broker.broker, "late", STATE).get().payload == b"gone"  # it is retained


def test_a_goodbye_is_not_a_death(any_broker: BrokerProcess, make: Make) -> None:
    watcher = make(any_broker.broker, "watcher", STATE)
    station = make(any_broker.broker, "cs-cs-1", will=(STATE, b"gone"))
    station.link.publish(STATE, b"bye")
    station.link.stop()
    assert watcher.get().payload == b"bye"
    other = make(any_broker.broker, "other")
    other.link.publish(STATE, b"still bye")
    assert watcher.get().payload == b"still bye"


def test_a_message_past_its_time_is_not_delivered(any_broker: BrokerProcess, make: Make) -> None:
    station, sender = make(any_broker.broker, "cs-cs-1", DOWN), make(any_broker.broker, "sender")
    settled(station, sender, DOWN)
    station.link.stop()
    sender.link.publish(DOWN, b"an old start", expiry_s=1)
    sender.link.publish(DOWN, b"in time", expiry_s=60)
    assert sender.link.flush(5)
    threading.Event().wait(2.1)  # the broker's own clock cannot be advanced
    back = make(any_broker.broker, "cs-cs-1", DOWN)
    assert back.get().payload == b"in time"


def test_workers_share_the_load_and_each_message_goes_to_one_of_them(any_broker: BrokerProcess, make: Make) -> None:
    shared = Topic("$share/csms-frames/cs/+/up", 1, False)
    sender = make(any_broker.broker, "sender")
    workers = [make(any_broker.broker, f"worker-{number}", shared) for number in range(2)]
    seen: dict[bytes, int] = {}

    def take() -> bool:
        for worker in workers:
            while not worker.arrived.empty():
                message = worker.get()
                message.ack()
                seen[message.payload] = seen.get(message.payload, 0) + 1
        return len(seen) >= 200

    for number in range(200):
        sender.link.publish(UP, b"%d" % number)
    wait_for(take)
    assert seen == {b"%d" % number: 1 for number in range(200)}


def test_both_workers_get_some_of_it(any_broker: BrokerProcess, make: Make) -> None:
    shared = Topic("$share/csms-frames/cs/+/up", 1, False)
    sender = make(any_broker.broker, "sender")
    workers = [make(any_broker.broker, f"worker-{number}", shared) for number in range(2)]
    for worker in workers:
        wait_for(lambda worker=worker: (sender.link.publish(UP, b"x"), not worker.arrived.empty())[1], period_s=0.05)


def test_loss_and_return_are_told_once_each(
    any_broker: BrokerProcess, make: Make, wires: Callable[[Broker], tuple[Wire, Broker]]
) -> None:
    wire, through = wires(any_broker.broker)
    peer = make(through, "peer")
    wire.cut()
    wait_for(lambda: len(peer.changes) == 3)
    assert peer.changes == [True, False, True]
    peer.link.stop()
    assert peer.changes == [True, False, True, False]


def test_it_finds_a_broker_that_was_killed_and_started_again(any_broker: BrokerProcess, make: Make) -> None:
    worker, sender = make(any_broker.broker, "worker", UP), make(any_broker.broker, "sender")
    settled(worker, sender)
    any_broker.kill()
    wait_for(lambda: not worker.link.up and not sender.link.up)
    any_broker.start()
    worker.up()
    sender.up()
    settled(worker, sender)  # its subscriptions are in force again


def test_it_waits_for_a_broker_that_starts_later(make: Make, any_broker: BrokerProcess) -> None:
    any_broker.kill()
    peer = make(any_broker.broker, "peer", UP, wait=False)
    assert not peer.link.wait_up(0.3)
    any_broker.start()
    peer.up()
    assert peer.changes == [True]


def test_a_broker_that_was_stopped_and_started_again_has_kept_what_was_not_acknowledged(
    mosquitto: BrokerProcess, make: Make
) -> None:
    """For mosquitto alone: iotcore keeps its sessions in memory. The station's outbox needs neither."""
    worker, sender = make(mosquitto.broker, "worker", UP), make(mosquitto.broker, "sender")
    settled(worker, sender)
    sender.link.publish(UP, b"one")
    assert worker.get().payload == b"one"
    worker.link.stop()
    sender.link.publish(UP, b"two")
    assert sender.link.flush(5)
    mosquitto.stop()
    mosquitto.start()
    back = make(mosquitto.broker, "worker", UP)
    assert [back.get().payload for _ in range(2)] == [b"one", b"two"]


def test_a_wrong_password_is_no_link(mosquitto: BrokerProcess, make: Make) -> None:
    """For mosquitto alone: iotcore knows no passwords."""
    wrong = Broker(port=mosquitto.broker.port, username="csms", password="wrong")
    peer = make(wrong, "peer", wait=False)
    assert not peer.link.wait_up(0.5)
    assert peer.changes == []


def test_a_link_that_never_came_up_can_be_stopped_at_once() -> None:
    link = Link(Broker(port=free_port()), "peer", on_message=lambda message: None)
    link.start()
    link.stop()
    assert not link.up


def test_certificates_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match=r"broker: cannot use .*no-such-ca\.pem"):
        Link(Broker(ca=str(tmp_path / "no-such-ca.pem")), "client", on_message=lambda message: None)
