"""Fans events out to the browsers and programs that listen. Lives on the event loop; knows nothing of HTTP.

Every listener has a bounded queue. One that does not keep up is dropped, so that it costs no memory: it connects again
and reads afresh.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import msgspec
import structlog

from cloud.web import visible
from cloud.web.auth import Person
from protocol.mqtt import Message

log = structlog.get_logger(__name__)

#: Events that wait for one listener before it is dropped.
QUEUE = 1_024


@dataclass(frozen=True, slots=True)
class Event:
    """One change, ready to send. public: what drivers may see; None for nothing. driver: whose it is.

    private: nobody else's business, not even an operator's.
    """

    whole: bytes
    public: bytes | None = None
    driver: str | None = None
    private: bool = False

    def shown_to(self, person: Person) -> bytes | None:
        if (person.is_operator and not self.private) or (self.driver is not None and self.driver == person.id):
            return self.whole
        return self.public


class Listener:
    """One who listens. closed: set when there will be no more, because it was too slow or because we stop."""

    def __init__(self, person: Person) -> None:
        self.person = person
        self.queue: asyncio.Queue[bytes] = asyncio.Queue(QUEUE)
        self.closed = asyncio.Event()


class Hub:
    """loop: where the listeners are; `receive` may be called from any thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._listeners: set[Listener] = set()
        self._closed = False

    def __len__(self) -> int:
        return len(self._listeners)

    def receive(self, message: Message) -> None:
        """Take a message from the broker."""
        kind = message.topic.removeprefix("csms/event/").partition("/")[0]
        try:
            event = read(kind, message.payload)
        except (msgspec.MsgspecError, KeyError, TypeError) as error:
            log.warning("an event that cannot be read", topic=message.topic, why=str(error))
            return
        self._loop.call_soon_threadsafe(self.send, event)

    def send(self, event: Event) -> None:
        """Put an event into the queue of everyone who may see it."""
        for listener in self._listeners:
            shown = event.shown_to(listener.person)
            if shown is None:
                continue
            try:
                listener.queue.put_nowait(shown)
            except asyncio.QueueFull:
                listener.closed.set()

    @contextmanager
    def listen(self, person: Person) -> Iterator[Listener]:
        listener = Listener(person)
        if self._closed:
            listener.closed.set()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def close(self) -> None:
        """Tell all listeners that it is over."""
        self._closed = True
        for listener in self._listeners:
            listener.closed.set()


def read(kind: str, payload: bytes) -> Event:
    """An event from what was published. Raises MsgspecError, KeyError or TypeError for what is none."""
    data = msgspec.json.decode(payload)
    whole = _encode(kind, data)
    if kind == "evse":
        return Event(whole, public=_encode(kind, visible.told(data)))
    if kind in ("session", "notification"):
        return Event(whole, driver=data["driver"], private=kind == "notification")
    return Event(whole)


def _encode(kind: str, data: object) -> bytes:
    # JSON has no line break of its own, so that it is one line of an event.
    return b"event: " + kind.encode() + b"\ndata: " + msgspec.json.encode(data) + b"\n\n"
