"""docs/reference/station-states.md, written from what was seen on the walk."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import combinations

from edge.station.explore.walk import Seen, walk
from edge.station.settle import LIGHTS
from edge.station.states import State
from hardware.indicator.rgb_led import FAST_S, PATTERNS, SLOW_S, Colour
from hardware.ports import Light

HEAD = """\
# States of a connector

What becomes of a connector in each state, whatever happens. Nobody wrote this table: `edge/station/explore/` tries all
of it on the machine itself, and this page is what it saw. After a change of the machine, `make docs` writes it anew.

The walk begins at a station that is online, accepted by the CSMS and metered, with one connector. After each step a
second passes and the meter is read. A vehicle that is plugged in at a switch draws as soon as it can; at a pilot
it asks first. What can go wrong is looked at one at a time: how it goes when several come together is held by
`tests/unit/test_station_stateful.py`. What changes nothing and is not told is left out. *CSMS* is what it is told:
StatusNotification (status), TransactionEvent (its type and trigger), NotifyEvent (raised, over),
ReservationStatusUpdate (reservation).

The names are those of OCPP 1.6. OCPP 2.0.1 has five, and says Occupied of a connector with a vehicle.
"""
LED = f"""\
## The light

Slow is {SLOW_S:g} s on and {SLOW_S:g} s off, fast {FAST_S:g} s.

| when | light | what it shows |
|---|---|---|
"""
#: The usual way of a charge, and the rest of them with the two states at which it begins.
MAIN = (
    State.AVAILABLE,
    State.PREPARING,
    State.CHARGING,
    State.SUSPENDED_EV,
    State.SUSPENDED_EVSE,
    State.FINISHING,
)
REST = (State.AVAILABLE, State.PREPARING, State.RESERVED, State.UNAVAILABLE, State.FAULTED)
#: Drawn among `REST` only: at each state of a charge they would hide it.
UNUSUAL = frozenset(
    {"reserve", "out of service", "fault", "emergency stop", "vehicle draws too much", "pilot lost", "power cut"}
    | {"reset when idle", "reset at once"}
)
#: The most facts that a case is told by, and those that say most come first.
_MOST_FACTS = 3
_COLOURS: dict[Colour, str] = {
    (0, 0, 0): "dark",
    (0, 1, 0): "green",
    (0, 0, 1): "blue",
    (1, 0, 0): "red",
    (0.6, 0, 1): "violet",
}
_COLOURS[1, 0.6, 0] = "yellow"

_Outcome = tuple[State, tuple[str, ...], tuple[str, ...], tuple[str, ...], bool]
_Row = tuple[str, str, str, str, str]


def markdown() -> str:
    """The page."""
    switch, pilot = walk(False), walk(True)
    same = {(one.before, row) for one, row in _rows(switch)}
    parts = [
        HEAD,
        "## A charge\n",
        _diagram(switch, MAIN, without=UNUSUAL),
        "With a control pilot the vehicle has a word:\n",
        _diagram(pilot, MAIN, without=UNUSUAL),
        "## Out of the ordinary\n",
        _diagram(switch, REST),
        "## With a plug switch\n",
        *_tables(switch, offers=False),
        "## With a control pilot\n",
        "Where it is otherwise than with a switch. *Offer* is what the pilot tells the vehicle that it may draw.\n",
        *_tables(pilot, offers=True, without=same),
        LED + "\n".join(_lights()) + "\n",
    ]
    return "\n".join(parts)


def _diagram(seen: Sequence[Seen], states: Sequence[State], without: frozenset[str] = frozenset()) -> str:
    edges: dict[tuple[State, State], list[str]] = {}
    for one in seen:
        wanted = one.before in states and one.after in states and one.before != one.after
        if wanted and one.stimulus not in without and _usual(one, states):
            labels = edges.setdefault((one.before, one.after), [])
            if one.stimulus not in labels:
                labels.append(one.stimulus)
    lines = ["stateDiagram-v2", f"    [*] --> {State.AVAILABLE.value}"]
    for (before, after), labels in sorted(edges.items(), key=lambda edge: (_place(edge[0][0]), _place(edge[0][1]))):
        lines.append(f"    {before.value} --> {after.value} : {', '.join(labels)}")
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def _usual(one: Seen, states: Sequence[State]) -> bool:
    """Of a charge only what happens when nothing is out of the ordinary but a limit; of the rest, what is."""
    usual = bool(one.facts & {"nothing unusual", "limit 0 A", "limit 10 A"})
    if states is MAIN:
        return usual
    unusual_states = {State.RESERVED, State.UNAVAILABLE, State.FAULTED}
    return one.before in unusual_states or one.after in unusual_states


def _tables(seen: Sequence[Seen], *, offers: bool, without: Iterable[tuple[State, _Row]] = ()) -> Iterator[str]:
    left_out = set(without)
    for state in State:
        rows = [(one, row) for one, row in _rows(seen) if one.before is state and (state, row) not in left_out]
        if not rows:
            continue
        head = ["what happens", "where", "becomes", "CSMS", "contactor", *(["offer"] if offers else [])]
        table = [f"### {state.value}{' (pilot)' if offers else ''}\n", _line(head), "|" + "---|" * len(head)]
        table += [_line([*row, *([", ".join(one.offer)] if offers else [])]) for one, row in rows]
        yield "\n".join(table) + "\n"


def _rows(seen: Sequence[Seen]) -> Iterator[tuple[Seen, _Row]]:
    """(an example, what the page says of it), in the order in which they were seen."""
    cases: dict[tuple[State, str], dict[_Outcome, list[Seen]]] = {}
    for one in seen:
        outcome = (one.after, one.told, one.contactor, one.offer, one.restarts)
        cases.setdefault((one.before, one.stimulus), {}).setdefault(outcome, []).append(one)
    for (before, stimulus), outcomes in cases.items():
        for outcome, found in outcomes.items():
            example = found[0]
            if example.after is before and outcome[1:] == ((), (), (), False):
                continue
            others = [one.facts for key, rest in outcomes.items() if key != outcome for one in rest]
            after = "starts anew" if example.restarts else "stays" if example.after is before else example.after.value
            where = _where([one.facts for one in found], others)
            yield example, (stimulus, where, after, ", ".join(example.told), ", ".join(example.contactor))


def _where(these: Sequence[frozenset[str]], others: Sequence[frozenset[str]]) -> str:
    """The fewest words that tell these from the others."""
    if not others:
        return ""
    left, cases = list(these), []
    names = sorted(frozenset().union(*these))
    telling = [
        frozenset(some)
        for size in range(1, _MOST_FACTS + 1)
        for some in combinations(names, size)
        if not any(facts.issuperset(some) for facts in others)
    ]
    while left:
        best = max(
            telling, key=lambda some: (sum(some <= facts for facts in left), -len(some)), default=frozenset({"?"})
        )
        if not any(best <= facts for facts in left):
            cases.append("sometimes")  # by what is not among the facts
            break
        cases.append(" and ".join(sorted(best)))
        left = [facts for facts in left if not best <= facts]
    return "; or ".join(cases)


def _lights() -> Iterator[str]:
    for state, light in LIGHTS.items():
        yield _line([state.value, light.value, _pattern(light)])
    yield _line(["a card was turned away, for a moment", Light.REFUSED.value, _pattern(Light.REFUSED)])
    yield _line(["a card was read, and the CSMS is asked", Light.WAITING.value, _pattern(Light.WAITING)])
    nobody = "Available, but the CSMS has not accepted the station, or is out of reach and nobody would be let in"
    yield _line([nobody, Light.UNAVAILABLE.value, _pattern(Light.UNAVAILABLE)])


def _pattern(light: Light) -> str:
    pattern = PATTERNS[light]
    speed = {None: "steady", SLOW_S: "slow blink", FAST_S: "fast blink"}[pattern.half_period_s]
    return f"{_colour(pattern.colour)}, {speed}"


def _colour(colour: Colour) -> str:
    return _COLOURS[colour]


def _place(state: State) -> int:
    return list(State).index(state)


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"
