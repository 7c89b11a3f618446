"""Tells live pages and integrations what changed, on `csms/event/...`: at most a few times a second for each thing.

What is announced is the state at that moment, read from the database, so that a burst of changes is one announcement
and handling a frame does not wait for it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

import msgspec
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from cloud import present
from cloud.csms import Publish, is_away
from cloud.store.store import Store
from cloud.store.tables import sessions
from protocol import topics

#: Shortest time between two announcements of the same thing, s.
PERIOD_S = 0.25
_PART = 500


class Announcer:
    """publish: sends a message. now: the clock. heartbeat_s: as stations are told at boot."""

    def __init__(self, store: Store, publish: Publish, *, now: Callable[[], datetime], heartbeat_s: int) -> None:
        self._store = store
        self._publish = publish
        self._now = now
        self._heartbeat_s = heartbeat_s
        self._sessions: set[str] = set()
        self._stations: set[str] = set()

    def note(self, sessions: set[str], stations: set[str]) -> None:
        """These changed."""
        self._sessions |= sessions
        self._stations |= stations

    def announce(self) -> None:
        """Publish what was noted since the last time. Call it every PERIOD_S."""
        changed, self._sessions = sorted(self._sessions), set()
        shown, self._stations = sorted(self._stations), set()
        if not changed and not shown:
            return
        try:
            self._publish_all(changed, shown)
        except SQLAlchemyError as error:
            if not is_away(error):
                raise
            self.note(set(changed), set(shown))  # the database is away: the CSMS has said so; next time, then

    def _publish_all(self, changed: Sequence[str], shown: Sequence[str]) -> None:
        with self._store.read() as connection:
            for start in range(0, len(changed), _PART):
                query = select(sessions).where(sessions.c.id.in_(changed[start : start + _PART]))
                for row in connection.execute(query):
                    self._publish(topics.event("session", row.id), msgspec.json.encode(present.session(row)))
            for start in range(0, len(shown), _PART):
                part = shown[start : start + _PART]
                for station in present.station_list(connection, self._now(), self._heartbeat_s, part):
                    payload = msgspec.json.encode(station)
                    for evse in station["evses"]:
                        self._publish(topics.event("evse", evse["id"]), payload)
