"""What several handlers read in the same way: numbers and places of the device model, as a database takes them."""

from __future__ import annotations

from typing import Any

from cloud.domain.facts import MAX_INTEGER
from cloud.domain.measurands import given
from cloud.store.registry import MAX_CONNECTORS, MAX_EVSES
from cloud.store.tables import station_statuses
from cloud.store.upsert import insert_into
from cloud.unit import Unit
from protocol.errors import ProtocolError


def number(value: Any, name: str) -> int | None:
    """An optional integer. Raises ProtocolError for one that no station has a use for."""
    value = given(value)
    if value is not None and abs(value) > MAX_INTEGER:
        raise ProtocolError("PropertyConstraintViolation", f"{name} {str(value)[:30]} is out of range")
    return None if value is None else int(value)


def sequence_number(value: int) -> int:
    """A seqNo. Raises ProtocolError for one that no report has."""
    if not 0 <= value <= MAX_INTEGER:
        raise ProtocolError("PropertyConstraintViolation", f"seqNo {str(value)[:30]} is out of range")
    return value


def evse(value: Any) -> int:
    """The number of an EVSE, 0 for the whole station. Raises ProtocolError for one that no station has."""
    found = given(value) or 0
    if not 0 <= found <= MAX_EVSES:
        raise ProtocolError("PropertyConstraintViolation", f"no station has EVSE {str(found)[:30]}")
    return int(found)


def place(data: Any) -> dict[str, Any]:
    """The columns that say what a report's entry is about. Raises ProtocolError like `evse`."""
    component, variable = data.component, data.variable
    where = given(component.evse)
    connector = 0 if where is None else given(where.connector_id) or 0
    if not 0 <= connector <= MAX_CONNECTORS:
        raise ProtocolError("PropertyConstraintViolation", f"no EVSE has connector {str(connector)[:30]}")
    return {
        "component": component.name,
        "component_instance": given(component.instance) or "",
        "evse": 0 if where is None else evse(where.id),
        "connector": connector,
        "variable": variable.name,
        "variable_instance": given(variable.instance) or "",
    }


def keep_status(unit: Unit, station: str, kind: str, request: Any) -> None:
    """How far a station is with something that takes it long. kind: see station_statuses. Raises ProtocolError."""
    values = {"status": request.status, "request_id": number(request.request_id, "requestId"), "at": unit.now}
    statement = insert_into(unit.connection, station_statuses).values(station=station, kind=kind, **values)
    unit.connection.execute(statement.on_conflict_do_update(index_elements=["station", "kind"], set_=values))
    unit.changed_stations.add(station)
