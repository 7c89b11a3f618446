"""Simulated drivers: they come to an EVSE, plug in, tap, charge a while, tap again and leave. Chance is passed in."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Annotated, Protocol

import msgspec

from hardware.emulators.vehicle import Vehicle

#: From, to: a time is drawn between them, s.
Span = tuple[Annotated[float, msgspec.Meta(ge=0)], Annotated[float, msgspec.Meta(ge=0)]]


class Habits(msgspec.Struct, frozen=True):
    """How long things take, s. away: until the next driver comes. tap: from plugging in to tapping. stay: charging.

    leave: from tapping again to unplugging. patience: how long a driver waits for power before leaving.
    """

    away: Span = (60.0, 3_600.0)
    tap: Span = (5.0, 30.0)
    stay: Span = (900.0, 7_200.0)
    leave: Span = (5.0, 60.0)
    patience: float = 60.0


class Place(Protocol):
    """What drivers do at a station, and what they see."""

    def plug(self, vehicle: Vehicle, evse: int = 1, connector: int = 1) -> None: ...

    def unplug(self, evse: int = 1) -> None: ...

    def tap(self, uid: str) -> None: ...

    def has_power(self, evse: int = 1) -> bool: ...


class Drivers:
    """The drivers of one EVSE, one after the other. cards: UIDs that they have. draw: chance."""

    def __init__(self, place: Place, evse: int, cards: Sequence[str], habits: Habits, draw: random.Random) -> None:
        self._place = place
        self._evse = evse
        self._cards = cards
        self._habits = habits
        self._draw = draw
        self._step = "away"
        self._uid = ""

    def act(self) -> float:
        """Do what is due. Answers in how many seconds the next thing is."""
        match self._step:
            case "away":
                return self._go_on("coming", self._habits.away)
            case "coming":
                self._uid = self._draw.choice(self._cards)
                self._place.plug(_vehicle(self._draw), self._evse)
                return self._go_on("plugged", self._habits.tap)
            case "plugged":
                self._place.tap(self._uid)
                return self._go_on("waiting", (self._habits.patience, self._habits.patience))
            case "waiting" if self._place.has_power(self._evse):
                return self._go_on("charging", self._habits.stay)
            case "charging":
                self._place.tap(self._uid)
                return self._go_on("leaving", self._habits.leave)
        self._place.unplug(self._evse)  # done, or out of patience
        return self._go_on("coming", self._habits.away)

    def _go_on(self, step: str, span: Span) -> float:
        self._step = step
        return self._draw.uniform(*span)


def _vehicle(draw: random.Random) -> Vehicle:
    """Some car: its battery's size and how full it is."""
    return Vehicle(
        battery_wh=1_000.0 * draw.choice((24, 37, 50, 58, 77)),
        soc_pct=draw.uniform(12, 55),
        max_current_a=draw.choice((16.0, 20.0, 32.0)),
    )
