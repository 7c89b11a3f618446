"""The link: one MQTT 5 connection on paho-mqtt that loses nothing it was asked to keep.

The session is persistent and messages are acknowledged by hand: `Message.ack` is called after the commit that holds
the message, so one that was being handled when the process died is delivered again. A lost connection is taken up again
for ever, with a jittered, growing pause. Loss and return are logged once each.
"""

from __future__ import annotations

import random
import socket
import ssl
import threading
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import msgspec
import structlog
from paho.mqtt.client import Client, ConnectFlags, DisconnectFlags, MQTTMessage
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from protocol.errors import SettingsError
from protocol.topics import Topic

log = structlog.get_logger(__name__)

#: Messages handed to paho and not yet acknowledged, at most; fewer where the broker asks for fewer. paho searches them
#: all at every acknowledgement, so that more would cost more than they gain.
WINDOW = 50
#: Messages that wait behind those, at most. The oldest goes: nobody waits for it any more.
WAITING = 100_000
#: How long `stop` waits for what is on its way, s.
GOODBYE_S = 1.0
FIRST_PAUSE_S = 0.25
LONGEST_PAUSE_S = 30.0


class Broker(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where the MQTT 5 broker is and how to log in.

    host: name or address. port: TCP port (1883 plain, 8883 with TLS by custom). username, password: empty for none.
    ca: PEM file of the authorities that may sign the broker's certificate; given, TLS is used. certificate, key: PEM
    files of our own, where the broker asks for them. keepalive_s: seconds after which a silent link counts as lost.
    """

    host: Annotated[str, msgspec.Meta(min_length=1)] = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 1883
    username: str = ""
    password: str = ""
    ca: str = ""
    certificate: str = ""
    key: str = ""
    keepalive_s: Annotated[int, msgspec.Meta(ge=1, le=65_535)] = 20


@dataclass(frozen=True, slots=True)
class Message:
    """A message that arrived. ack: call it once what the message says is safe; a no-op for QoS 0."""

    topic: str
    payload: bytes
    retained: bool
    ack: Callable[[], None]


def pause_s(attempt: int, draw: Callable[[], float] = random.random) -> float:
    """Seconds to wait before attempt number `attempt` (from 1): between half and all of a time that doubles."""
    longest = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0 ** min(attempt - 1, 16))
    return longest * (0.5 + 0.5 * draw())


class Link:
    """One connection to the broker.

    client_id: the session's name at the broker; the same one takes the session up again. on_message: called on the
    link's own thread; while it blocks nothing more is read. on_change: called with True when connected (subscriptions
    are asked for already) and False when lost. will: what the broker says for us when we die. session_expiry_s: how
    long the broker keeps messages for us while we are away. receive_maximum: how many unacknowledged messages the
    broker may have on the way to us. Raises SettingsError for certificates that cannot be read.
    """

    def __init__(
        self,
        broker: Broker,
        client_id: str,
        *,
        on_message: Callable[[Message], None],
        on_change: Callable[[bool], None] = lambda up: None,
        subscriptions: Sequence[Topic] = (),
        will: tuple[Topic, bytes] | None = None,
        session_expiry_s: int = 86_400,
        receive_maximum: int = 1_000,
    ) -> None:
        self._broker = broker
        self._client_id = client_id
        self._on_message = on_message
        self._on_change = on_change
        self._subscriptions = tuple(subscriptions)
        self._will = will
        self._session_expiry_s = session_expiry_s
        self._receive_maximum = receive_maximum
        self._stopping = threading.Event()
        self._up = threading.Event()
        self._thread: threading.Thread | None = None
        self._sender: threading.Thread | None = None
        # An acknowledgement names a packet id, which a broker that lost our session may have given to another message:
        # it is only sent on the connection that the message came by.
        self._connection = 0
        self._attempt = 0
        self._said_lost = False
        self._outgoing: deque[tuple[Topic, bytes, int | None]] = deque(maxlen=WAITING)
        self._in_flight = 0
        self._window = WINDOW
        # Guards the three above. Never held while paho is called: paho calls back with its own locks held.
        self._sending = threading.Condition()
        self._client = self._make_client()

    @property
    def up(self) -> bool:
        return self._up.is_set()

    def start(self) -> None:
        """Connect, and stay connected, on a thread of its own."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._run, name=f"mqtt-{self._client_id}", daemon=True)
        self._thread.start()
        self._sender = threading.Thread(target=self._send, name=f"mqtt-send-{self._client_id}", daemon=True)
        self._sender.start()

    def wait_up(self, timeout_s: float) -> bool:
        return self._up.wait(timeout_s)

    def stop(self) -> None:
        """Send what waits if the link is up, say goodbye (the will is not published) and end the threads."""
        if self.up:
            self.flush(GOODBYE_S)
        self._stopping.set()
        with self._sending:
            self._sending.notify_all()
        self._client.disconnect()
        for thread in (self._thread, self._sender):
            if thread is not None:
                thread.join(5)
        self._thread = self._sender = None

    def publish(self, topic: Topic, payload: bytes, *, expiry_s: int | None = None) -> None:
        """Hand a message to the connection. It is not promised to arrive: who needs that waits for an answer.

        expiry_s: seconds after which the broker drops it undelivered.
        """
        with self._sending:
            self._outgoing.append((topic, payload, expiry_s))
            self._sending.notify_all()

    def flush(self, timeout_s: float) -> bool:
        """Wait until the broker has all that was published. Answers whether it has."""
        with self._sending:
            return self._sending.wait_for(lambda: not self._outgoing and not self._in_flight, timeout_s)

    # -- the sender's thread --

    def _send(self) -> None:
        """Hands messages to paho, as many as the window lets through."""
        while True:
            with self._sending:
                self._sending.wait_for(
                    lambda: self._stopping.is_set() or (self._outgoing and self._in_flight < self._window and self.up)
                )
                if self._stopping.is_set():
                    return
                topic, payload, expiry_s = self._outgoing.popleft()
                self._in_flight += 1
            properties = None
            if expiry_s is not None:
                properties = _properties(PacketTypes.PUBLISH)
                properties.MessageExpiryInterval = expiry_s
            self._client.publish(topic.name, payload, qos=topic.qos, retain=topic.retain, properties=properties)

    def _handed_over(
        self, client: Client, userdata: object, mid: int, reason: ReasonCode, properties: Properties
    ) -> None:
        """A message has been acknowledged, or, with QoS 0, written."""
        with self._sending:
            self._in_flight = max(0, self._in_flight - 1)
            self._sending.notify_all()

    # -- the connection's thread --

    def _run(self) -> None:
        connect = _properties(PacketTypes.CONNECT)
        connect.SessionExpiryInterval = self._session_expiry_s
        connect.ReceiveMaximum = self._receive_maximum
        while not self._stopping.is_set():
            self._attempt += 1
            self._connection += 1
            try:
                self._client.connect(
                    self._broker.host,
                    self._broker.port,
                    keepalive=self._broker.keepalive_s,
                    clean_start=False,
                    properties=connect,
                )
                self._client.loop_forever()
            except OSError as error:
                self._say_lost(str(error))
            if not self._stopping.is_set():
                self._stopping.wait(pause_s(self._attempt))

    def _make_client(self) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._client_id,
            protocol=MQTTProtocolVersion.MQTTv5,
            reconnect_on_failure=False,  # paho's own pause has no jitter
            manual_ack=True,
        )
        client.on_connect = self._connected
        client.on_disconnect = self._disconnected
        client.on_message = self._arrived
        client.on_publish = self._handed_over
        client.on_socket_open = _without_delay
        if self._broker.username:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._broker.ca:
            try:
                client.tls_set(
                    ca_certs=self._broker.ca,
                    certfile=self._broker.certificate or None,
                    keyfile=self._broker.key or None,
                    tls_version=ssl.PROTOCOL_TLS_CLIENT,
                )
            except OSError as error:  # as ssl.SSLError is, too
                files = ", ".join(
                    part for part in (self._broker.ca, self._broker.certificate, self._broker.key) if part
                )
                raise SettingsError(f"broker: cannot use {files}: {error}") from error
        if self._will is not None:
            topic, payload = self._will
            client.will_set(topic.name, payload, qos=topic.qos, retain=topic.retain)
        return client

    def _connected(
        self, client: Client, userdata: object, flags: ConnectFlags, reason: ReasonCode, properties: Properties | None
    ) -> None:
        if reason.is_failure:
            self._say_lost(f"the broker refused: {reason}")
            return
        self._attempt = 0
        # Asked for again even where the broker kept the session: its settings may have changed. Retained messages are
        # wanted each time, since they tell what happened while we were away.
        if self._subscriptions:
            client.subscribe([(topic.name, SubscribeOptions(qos=topic.qos)) for topic in self._subscriptions])
        if self._said_lost:
            log.info("link is back", client=self._client_id)
            self._said_lost = False
        with self._sending:
            # Of what was in flight, paho sends again what must be acknowledged.
            self._in_flight = 0
            self._window = min(WINDOW, getattr(properties, "ReceiveMaximum", WINDOW))
            self._up.set()
            self._sending.notify_all()
        self._on_change(True)

    def _disconnected(
        self,
        client: Client,
        userdata: object,
        flags: DisconnectFlags,
        reason: ReasonCode,
        properties: Properties | None,
    ) -> None:
        was_up = self._up.is_set()
        self._up.clear()
        if not self._stopping.is_set():
            self._say_lost(str(reason))
        if was_up:
            self._on_change(False)

    def _arrived(self, client: Client, userdata: object, message: MQTTMessage) -> None:
        connection, mid, qos = self._connection, message.mid, message.qos

        def ack() -> None:
            if qos and connection == self._connection:
                client.ack(mid, qos)

        self._on_message(Message(message.topic, bytes(message.payload), message.retain, ack))

    def _say_lost(self, why: str) -> None:
        if not self._said_lost:
            self._said_lost = True
            log.warning("link is lost", client=self._client_id, host=self._broker.host, port=self._broker.port, why=why)


def _properties(packet: int) -> Properties:
    return Properties(packet)  # type: ignore[no-untyped-call]


def _without_delay(client: Client, userdata: object, sock: Any) -> None:
    """A driver waits for the answer: a small frame must not wait for the acknowledgement of the one before."""
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
