"""The worker: reads frames from the broker in bounded batches and hands them to the CSMS, one batch after the other."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable
from datetime import datetime

import structlog

from cloud.announcer import PERIOD_S, Announcer
from cloud.csms import Csms, Publish
from cloud.limits import DEFAULTS, Limits
from cloud.local_lists import NO_LISTS, Tokens
from cloud.series.port import SeriesStore
from cloud.store.store import Store
from protocol import topics
from protocol.mqtt import Broker, Link, Message

log = structlog.get_logger(__name__)

#: The most that one commit holds.
BATCH = 1_000
#: Messages that may wait in memory. When they do, nothing more is read from the broker.
WAITING = 4 * BATCH
TICK_S = 1.0


class Worker:
    """name: this worker's session at the broker; the same name takes up what it had not acknowledged."""

    def __init__(
        self,
        store: Store,
        series: SeriesStore,
        broker: Broker,
        *,
        name: str,
        now: Callable[[], datetime],
        heartbeat_s: int,
        limits: Limits = DEFAULTS,
        tokens: Tokens = NO_LISTS,
    ) -> None:
        self._arrived: queue.Queue[Message] = queue.Queue(WAITING)
        self._link = Link(
            broker,
            name,
            on_message=self._arrived.put,
            subscriptions=(topics.ALL_UP, topics.ALL_LINKS, topics.ALL_CALLS_WAIT),
            receive_maximum=WAITING,
        )
        self._announcer = Announcer(store, self._link.publish, now=now, heartbeat_s=heartbeat_s)
        self._store = store
        self._series = series
        self._now = now
        self._heartbeat_s = heartbeat_s
        self._limits = limits
        self._tokens = tokens

    @property
    def publish(self) -> Publish:
        """Sends a message by this worker's connection."""
        return self._link.publish

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping` is set. What was taken is finished; what was not is delivered again next time."""
        csms = Csms(
            self._store,
            self._series,
            self._link.publish,
            now=self._now,
            heartbeat_s=self._heartbeat_s,
            limits=self._limits,
            tokens=self._tokens,
            announce=self._announcer.note,
            pause=stopping.wait,
        )
        self._link.start()
        next_tick = next_announcement = time.monotonic()
        try:
            while not stopping.is_set():
                batch = self._batch(max(0.0, min(next_tick, next_announcement) - time.monotonic()))
                if batch:
                    csms.take(batch)
                now = time.monotonic()
                if now >= next_announcement:
                    self._announcer.announce()
                    next_announcement = now + PERIOD_S
                if now >= next_tick:
                    csms.tick()
                    next_tick = now + TICK_S
        finally:
            self._link.stop()

    def _batch(self, wait_s: float) -> list[Message]:
        try:
            batch = [self._arrived.get(timeout=wait_s) if wait_s > 0 else self._arrived.get_nowait()]
        except queue.Empty:
            return []
        while len(batch) < BATCH:
            try:
                batch.append(self._arrived.get_nowait())
            except queue.Empty:
                break
        return batch
