"""A link that many stations share: real frames on each station's own topics, without two threads for each station."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from protocol import topics
from protocol.mqtt import Broker, Link, Message

#: How long the broker keeps frames for a fleet that is away, s. A fleet that has ended leaves nothing behind for long.
SESSION_EXPIRY_S = 600


class SharedLink:
    """arrived, changed: called on the link's own thread with (station, message), and when it came up or was lost.

    It has no last will, as it could have only one: of a fleet that is killed the CSMS learns by missing heartbeats.
    """

    def __init__(
        self,
        broker: Broker,
        stations: Sequence[str],
        arrived: Callable[[str, Message], None],
        changed: Callable[[SharedLink, bool], None],
    ) -> None:
        self.stations = tuple(stations)
        self.up = False  # as the fleet's own thread has noticed
        self._arrived = arrived
        self._changed = changed
        self._ups = {station: topics.up(station) for station in stations}
        self._downs = {topics.down(station).name: station for station in stations}
        self._link = Link(
            broker,
            f"fleet-{stations[0]}-{len(stations)}",
            on_message=self._on_message,
            on_change=self._on_change,
            subscriptions=[topics.down(station) for station in stations],
            session_expiry_s=SESSION_EXPIRY_S,
        )

    def start(self) -> None:
        self._link.start()

    def stop(self, at: datetime) -> None:
        if self._link.up:
            for station in self.stations:
                self.say(station, False, at)
        self._link.stop()

    def send(self, station: str, frame: bytes) -> None:
        self._link.publish(self._ups[station], frame)

    def say(self, station: str, online: bool, at: datetime) -> None:
        """What a station says when it connects, and when it leaves."""
        payload = b'{"online":%s,"since":"%s"}' % (
            b"true" if online else b"false",
            at.isoformat(timespec="milliseconds").encode(),
        )
        self._link.publish(topics.link(station), payload)

    def _on_message(self, message: Message) -> None:
        station = self._downs.get(message.topic)
        if station is None:
            message.ack()  # of a fleet before us that had our name
            return
        self._arrived(station, message)

    def _on_change(self, up: bool) -> None:
        self._changed(self, up)
