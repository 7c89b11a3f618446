"""Many stations in one process, on one heap of wake-ups and a few MQTT links.

    fleet = Fleet(["sim-1", "sim-2"], Broker())
    fleet.start()
    fleet.station("sim-1").plug(Vehicle())
    fleet.pass_time(60)

Everything happens on the thread that calls `pass_time` and `settle`; the links' threads only fill a queue.
"""

from __future__ import annotations

import queue
import random
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from functools import partial
from heapq import heappop, heappush
from math import inf
from typing import NamedTuple

from edge.fleet.clock import VirtualClock
from edge.fleet.drivers import Drivers, Habits
from edge.fleet.link import SharedLink
from edge.fleet.memory import MemoryOutbox, MemoryTokens
from edge.fleet.station import LAYOUT, FleetStation
from edge.station import machine
from edge.station.ports import Outbox
from edge.station.state import Settings
from edge.station.tokens import AuthorizationSettings, TokenMemory
from protocol.mqtt import Broker, Message

PER_LINK = 500
#: A station is not woken again sooner than this, virtual s.
SHORTEST_S = 0.02
#: How often a condition is looked at while nothing happens, real s.
LOOK_S = 0.02

PLAIN = Settings()
Memory = tuple[Outbox, TokenMemory]


class _Arrived(NamedTuple):
    station: str
    message: Message


class _LinkChanged(NamedTuple):
    link: SharedLink
    up: bool


class Fleet:
    """stations: their ids. clock: theirs alone. speed: virtual seconds per real second; None: as fast as possible.

    As fast as possible, time stands still while a broker or an answer is awaited, for patience_s real seconds at most.
    memory: makes the outbox and the token memory of a station, started. per_link: stations on one MQTT connection.
    """

    def __init__(
        self,
        stations: Sequence[str],
        broker: Broker,
        clock: VirtualClock | None = None,
        *,
        speed: float | None = None,
        settings: Settings = PLAIN,
        rules: AuthorizationSettings = machine.DEFAULT_RULES,
        memory: Callable[[str], Memory] = lambda id: (MemoryOutbox(), MemoryTokens()),
        layout: tuple[tuple[int, tuple[int, ...]], ...] = LAYOUT,
        per_link: int = PER_LINK,
        patience_s: float = 15.0,
    ) -> None:
        self.clock = clock or VirtualClock(datetime.now(UTC))
        self._speed = speed
        self._patience_s = patience_s
        self._layout = layout
        self._happened: queue.SimpleQueue[_Arrived | _LinkChanged] = queue.SimpleQueue()
        self._heap: list[tuple[float, int, Callable[[], None]]] = []
        self._entries = 0
        self._woken: dict[str, float] = {}
        self._waiting: set[str] = set()
        parts = [stations[start : start + per_link] for start in range(0, len(stations), per_link)]
        self._links = [SharedLink(broker, part, self._arrived, self._link_changed) for part in parts]
        self._stations = {
            id: FleetStation(id, settings, rules, self.clock, *memory(id), link, layout, self._done)
            for link in self._links
            for id in link.stations
        }

    def start(self) -> None:
        for station in self._stations.values():
            station.start()
            self._done(station)
        for link in self._links:
            link.start()

    def stop(self) -> None:
        for link in self._links:
            link.stop(self.clock.now().utc)

    def station(self, id: str) -> FleetStation:
        return self._stations[id]

    @property
    def stations(self) -> Sequence[FleetStation]:
        return list(self._stations.values())

    def after(self, seconds: float, call: Callable[[], None]) -> None:
        """Call this so many virtual seconds from now."""
        self._push(self.clock.mono() + seconds, call)

    def let_drivers_come(self, cards: Sequence[str], habits: Habits, seed: int) -> None:
        """From now on drivers with these cards come and go at every EVSE, the same ones for the same seed."""
        for id, station in self._stations.items():
            for evse, _ in self._layout:
                drivers = Drivers(station, evse, cards, habits, random.Random(f"{seed} {id} {evse}"))
                self._act(drivers)

    def pass_time(self, seconds: float) -> None:
        """Let so much virtual time pass, and deal with all that happens meanwhile."""
        began, from_mono = time.monotonic(), self.clock.mono()
        end = from_mono + seconds
        while True:
            self._take_what_happened()
            if self._speed is None:
                if self._stands_still() and self._wait(self._patience_s):
                    continue
                target = end
            else:
                target = min(end, from_mono + (time.monotonic() - began) * self._speed)
            due = self._heap[0][0] if self._heap else inf
            if due <= target:  # at its own time, however late we are
                self.clock.reach(due)
                self._run_due()
                continue
            self.clock.reach(target)
            if self._speed is None or target >= end:
                return
            self._wait((min(due, end) - target) / self._speed)

    def settle(self, until: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """Time stands still, and what comes is dealt with until this is so. Raises TimeoutError after real seconds.

        Only where nothing comes for patience_s it goes on, to when something is due: a call is made again, say.
        """
        heard = time.monotonic()
        deadline = heard + timeout_s
        while not until():
            now = time.monotonic()
            if now >= deadline:
                raise TimeoutError(f"not within {timeout_s:g} s")
            if self._wait(LOOK_S):
                heard = now
                self._take_what_happened()
            elif self._heap and now - heard >= self._patience_s:
                heard = now
                self.clock.reach(self._heap[0][0])
                self._run_due()

    # -- the links' threads --

    def _arrived(self, station: str, message: Message) -> None:
        self._happened.put(_Arrived(station, message))

    def _link_changed(self, link: SharedLink, up: bool) -> None:
        self._happened.put(_LinkChanged(link, up))

    # -- the fleet's thread --

    def _take_what_happened(self) -> None:
        for _ in range(self._happened.qsize()):
            self._wait(0)

    def _wait(self, seconds: float) -> bool:
        """Deal with the next thing that happens on a link. False: nothing did, for so many real seconds."""
        try:
            happened = self._happened.get(timeout=max(0.0, seconds))
        except queue.Empty:
            return False
        if isinstance(happened, _Arrived):
            self._stations[happened.station].frame(happened.message.payload)
            happened.message.ack()
        else:
            happened.link.up = happened.up
            for id in happened.link.stations:
                self._stations[id].look_at_link()
        return True

    def _stands_still(self) -> bool:
        return bool(self._waiting) or not all(link.up for link in self._links)

    def _run_due(self) -> None:
        while self._heap and self._heap[0][0] <= self.clock.mono():
            heappop(self._heap)[2]()

    def _push(self, mono: float, call: Callable[[], None]) -> None:
        self._entries += 1
        heappush(self._heap, (mono, self._entries, call))

    def _act(self, drivers: Drivers) -> None:
        self.after(drivers.act(), partial(self._act, drivers))

    def _wake(self, station: FleetStation, due: float) -> None:
        if self._woken.get(station.id) == due:  # else it has changed its mind since
            del self._woken[station.id]
            station.wake()

    def _done(self, station: FleetStation) -> None:
        """Something has happened at a station: it may wait for an answer, and want to be woken at another time."""
        (self._waiting.add if station.waits else self._waiting.discard)(station.id)
        due = station.due_mono()
        if due is None:
            self._woken.pop(station.id, None)
            return
        due = max(due, self.clock.mono() + SHORTEST_S)
        if due != self._woken.get(station.id):
            self._woken[station.id] = due
            self._push(due, partial(self._wake, station, due))
