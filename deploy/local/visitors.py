"""Drivers who come and go at an EVSE of the bench: they plug in, tap, charge a while, tap again and leave.

A visitor decides by what can be seen on the bench, so that it goes on sensibly when the bench was started anew.
"""

from __future__ import annotations

import random
import time
from dataclasses import dataclass

from deploy.local.plan import CARDS, UNKNOWN_CARD
from hardware.emulators.bench import StationBench
from hardware.emulators.vehicle import Vehicle

#: A driver who gets no power waits this long, then leaves, s.
PATIENCE_S = 30.0
#: One in so many visitors has a card that nobody knows.
STRANGERS = 12


@dataclass(slots=True)
class Visitor:
    """Who is at an EVSE, or comes next. until: when the next step is due, on the monotonic clock."""

    step: str = "away"
    uid: str = ""
    until: float = 0.0


class Visitors:
    """The drivers of one EVSE. connectors: how many it has. draw: chance. Call `look` every half second or so."""

    def __init__(self, bench: StationBench, evse: int, connectors: int, draw: random.Random, first_s: float) -> None:
        self._bench = bench
        self._evse = evse
        self._connectors = connectors
        self._draw = draw
        self._visitor = Visitor(until=time.monotonic() + first_s)

    def look(self) -> None:
        """Do what is due."""
        now = time.monotonic()
        seen = self._bench.snapshot()["evses"][self._evse - 1]
        visitor = self._visitor
        plugged = seen["plugged_connector"] is not None
        match visitor.step:
            case "away" if plugged:
                # The bench was started anew, or somebody plugged in at the workbench: leave when there is no power.
                visitor.step, visitor.until = "waiting", now + PATIENCE_S
            case "away" if now >= visitor.until:
                self._arrive(visitor, now)
            case "tapping" if now >= visitor.until:
                self._bench.tap(visitor.uid)
                visitor.step, visitor.until = "waiting", now + PATIENCE_S
            case "waiting" if seen["power_w"] > 0:
                visitor.step, visitor.until = "charging", now + self._draw.uniform(60, 240)
            case "waiting" if now >= visitor.until:
                self._leave(visitor, now)
            case "charging" if now >= visitor.until or seen["power_w"] == 0:
                if visitor.uid:
                    self._bench.tap(visitor.uid)
                visitor.step, visitor.until = "leaving", now + self._draw.uniform(3, 8)
            case "leaving" if now >= visitor.until:
                self._leave(visitor, now)

    def _arrive(self, visitor: Visitor, now: float) -> None:
        visitor.uid = UNKNOWN_CARD if self._draw.randrange(STRANGERS) == 0 else self._draw.choice(sorted(CARDS))
        self._bench.plug(self._evse, self._draw.randint(1, self._connectors), new_vehicle(self._draw))
        visitor.step, visitor.until = "tapping", now + self._draw.uniform(1, 3)

    def _leave(self, visitor: Visitor, now: float) -> None:
        self._bench.unplug(self._evse)
        self._visitor = Visitor(until=now + self._draw.uniform(5, 25))


def new_vehicle(draw: random.Random) -> Vehicle:
    """Some car: its battery's size and how full it is."""
    return Vehicle(
        battery_wh=1000.0 * draw.choice((24, 37, 50, 58, 77)),
        soc_pct=draw.uniform(12, 55),
        max_current_a=draw.choice((16.0, 20.0, 32.0)),
    )
