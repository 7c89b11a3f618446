"""NotifyEvent (OCPP 2.0.1, N07): what a station's monitors say. What is wrong with an EVSE is shown at it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import select, update

from cloud.store.tables import evses
from cloud.unit import Unit

#: Problems of one EVSE that are kept, and the length of one's name: a station that lies cannot fill a row.
MAX_PROBLEMS, MAX_LENGTH = 8, 40


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    for event in request.event_data:
        evse = event.component.evse
        if (event.component.name, event.variable.name) == ("EVSE", "Problem") and evse is not msgspec.UNSET:
            problem = "Problem" if event.variable.instance is msgspec.UNSET else event.variable.instance
            over = event.actual_value.lower() == "false" or event.cleared is True
            _keep(unit, station, evse.id, problem.replace(",", " ")[:MAX_LENGTH], over)
    unit.trail.message(station, "NotifyEvent", payload)
    return {}


def _keep(unit: Unit, station: str, evse: int, problem: str, over: bool) -> None:
    where = (evses.c.station == station) & (evses.c.number == evse) if abs(evse) < 2**31 else None
    known = None if where is None else unit.connection.execute(select(evses.c.problems).where(where)).first()
    if where is None or known is None:
        return  # an EVSE that nobody knows
    problems = {part for part in known.problems.split(",") if part} - {problem}
    if not over and len(problems) < MAX_PROBLEMS:
        problems.add(problem)
    unit.connection.execute(update(evses).where(where).values(problems=",".join(sorted(problems))))
    unit.changed_stations.add(station)
