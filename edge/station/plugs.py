"""Plugs: a switch that says in or out, or a control pilot that says more (IEC 61851-1, annex A)."""

from __future__ import annotations

from edge.station.authorization import Bearer
from edge.station.changes import get_evse, with_evse
from edge.station.places import why_not
from edge.station.ports import PilotChanged, PlugChanged
from edge.station.settle import OVER_CURRENT
from edge.station.state import Evse, Station
from hardware.ports import PilotState

PILOT_LOST = "PilotLost"
PILOT_FAULT = "PilotFault"
VENTILATION = "VentilationRequired"
#: What a pilot may say is wrong: at most one of them holds at a time.
_PROBLEMS = frozenset({PILOT_LOST, PILOT_FAULT, VENTILATION})
#: A vehicle is there.
_PLUGGED = (PilotState.B, PilotState.C, PilotState.D)


def pilot_changed(station: Station, event: PilotChanged) -> Station:
    """A pilot that cannot be measured, or says what it should not, is a fault; the plug is believed to be as it was."""
    evse = get_evse(station, event.evse)
    asks = event.state is PilotState.C or (event.state is PilotState.D and station.settings.ventilated)
    ready = evse.ready | {event.connector} if asks else evse.ready - {event.connector}
    problem = _problem(station, event.state)
    problems = evse.pilot_problems - {(event.connector, name) for name in _PROBLEMS}
    if problem is not None:
        problems |= {(event.connector, problem)}
    faults = evse.faults - _PROBLEMS | {name for _, name in problems}
    station = with_evse(station, event.evse, ready=ready, faults=faults, pilot_problems=problems)
    if event.state is None or event.state in (PilotState.E, PilotState.F):
        return station
    return plug_changed(station, PlugChanged(event.evse, event.connector, event.state in _PLUGGED))


def plug_changed(station: Station, event: PlugChanged) -> Station:
    """Only one connector of an EVSE can be in use: the first one that was plugged in keeps it."""
    evse = get_evse(station, event.evse)
    plugs = evse.plugs | {event.connector} if event.plugged else evse.plugs - {event.connector}
    plugged = evse.plugged if evse.plugged in plugs else min(plugs, default=None)
    if plugged == evse.plugged:
        return station if plugs == evse.plugs else with_evse(station, event.evse, plugs=plugs)
    # Whoever drew too much has gone.
    faults = evse.faults - {OVER_CURRENT}
    changes = {"plugs": plugs, "plugged": plugged, "finishing": False, "soc_pct": None, "faults": faults}
    station = with_evse(station, event.evse, **changes)
    return station if plugged is None else _hand_over(station, get_evse(station, event.evse))


def _hand_over(station: Station, evse: Evse) -> Station:
    """A card is read for the whole station: its holder may choose another EVSE than the one we thought of."""
    for other in station.evses:
        waiting = other.authorization
        if waiting is None or waiting.remote_start_id is not None or other.plugged is not None:
            continue
        if waiting.evses and evse.number not in waiting.evses:
            continue
        freed = with_evse(station, other.number, authorization=None)  # it may be what keeps this one reserved
        if why_not(freed, evse, Bearer(waiting.id_token, waiting.group_id)) is None:
            return with_evse(freed, evse.number, authorization=waiting)
    return station


def _problem(station: Station, state: PilotState | None) -> str | None:
    if state is None:
        return PILOT_LOST
    if state in (PilotState.E, PilotState.F):
        return PILOT_FAULT
    return VENTILATION if state is PilotState.D and not station.settings.ventilated else None
