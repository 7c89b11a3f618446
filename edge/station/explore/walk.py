"""Breadth-first through all that can be reached, and what was seen on the way."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from edge.station.explore.stimuli import STIMULI, condition
from edge.station.explore.world import Visit, World, first
from edge.station.ports import Action, Close, Offer, Open, Restart, Send
from edge.station.states import State


class Seen(NamedTuple):
    """One thing that happened in one world. facts: what held before, in words. told: to the CSMS, in order.

    contactor: what it did. offer: by the pilot. restarts: the station starts anew.
    """

    before: State
    facts: frozenset[str]
    stimulus: str
    after: State
    told: tuple[str, ...]
    contactor: tuple[str, ...]
    offer: tuple[str, ...]
    restarts: bool


def walk(piloted: bool) -> list[Seen]:
    """All that can happen to a connector, one condition at a time."""
    start = first(piloted)
    known = {_facts(start)}
    todo = deque([start])
    seen = []
    while todo:
        world = todo.popleft()
        for stimulus in STIMULI:
            if not stimulus.fits(world):
                continue
            visit = Visit(world)
            stimulus.happen(visit)
            visit.pass_time(1)
            seen.append(_look(world, stimulus.name, visit))
            facts = _facts(visit.world)
            leaves = visit.world.station.leaving is not None and visit.world.station.leaving.gone
            if facts not in known and not leaves:
                known.add(facts)
                todo.append(visit.world)
    return seen


def _facts(world: World) -> frozenset[str]:
    """What tells one world from another, in words."""
    evse, wrong = world.evse, condition(world)
    facts = [
        f"state {world.state.value}",
        {"none": "no vehicle", "pauses": "vehicle pauses", "asks": "vehicle asks"}[world.vehicle],
        *(["plugged in"] if world.vehicle != "none" else []),
        *(["let in"] if evse.authorization is not None else ["nobody let in"] if evse.transaction is None else []),
        *(["in a transaction"] if evse.transaction is not None else ["no transaction"]),
        "has charged" if evse.finishing else "has not charged",
        *([wrong] if wrong is not None else ["nothing unusual"]),
    ]
    return frozenset(facts)


def _look(world: World, stimulus: str, visit: Visit) -> Seen:
    offers = ["nothing" if act.limit_a is None else f"{act.limit_a:g} A" for act in _of(visit.actions, Offer)]
    switched = [act for act in visit.actions if isinstance(act, Open | Close)]
    return Seen(
        world.state,
        _facts(world) - {f"state {world.state.value}"},
        stimulus,
        visit.world.state,
        tuple(word for act in _of(visit.actions, Send) for word in _told(act.action, act.payload)),
        tuple("opens" if isinstance(act, Open) else "closes" for act in switched),
        tuple(offers),
        bool(_of(visit.actions, Restart)),
    )


def _of(actions: list[Action], kind: Any) -> list[Any]:
    return [action for action in actions if isinstance(action, kind)]


def _told(action: str, payload: Mapping[str, Any]) -> list[str]:
    return _WORDS[action](payload) if action in _WORDS else []


def _problem(payload: Mapping[str, Any]) -> list[str]:
    return [
        f"{event['variable']['instance']} {'over' if event['cleared'] else 'raised'}" for event in payload["eventData"]
    ]


_WORDS: Mapping[str, Callable[[Mapping[str, Any]], list[str]]] = {
    "StatusNotification": lambda payload: [f"status {payload['connectorStatus']}"],
    "TransactionEvent": lambda payload: [f"{payload['eventType']}: {payload['triggerReason']}"],
    "NotifyEvent": _problem,
    "ReservationStatusUpdate": lambda payload: [f"reservation {payload['reservationUpdateStatus']}"],
}
