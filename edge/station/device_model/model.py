"""The variables of one station: the table's rows, for each EVSE and connector that it has."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

import msgspec

from edge.station.device_model.row import Row, Tier, View
from edge.station.device_model.table import ROWS

#: name, instance, EVSE, connector. Names count in whatever case.
ComponentKey = tuple[str, str, int | None, int | None]
#: name, instance.
VariableKey = tuple[str, str]


class Variable(NamedTuple):
    """One variable. value: "" where it is not known now."""

    row: Row
    view: View
    instance: str | None
    value: str

    @property
    def component_key(self) -> ComponentKey:
        evse = self.view.evse
        return (self.row.component.casefold(), "", None if evse is None else evse.number, self.view.connector)

    @property
    def variable_key(self) -> VariableKey:
        return (self.row.variable.casefold(), (self.instance or "").casefold())

    def report(self) -> dict[str, Any]:
        """OCPP's ReportDataType."""
        return {
            "component": self._component(),
            "variable": {"name": self.row.variable, **({} if self.instance is None else {"instance": self.instance})},
            "variableAttribute": [
                {
                    "type": "Actual",
                    "value": self.value,
                    "mutability": "ReadWrite" if self.row.writable else "ReadOnly",
                    "persistent": self.row.persistent,
                    "constant": self.row.constant,
                }
            ],
            "variableCharacteristics": self._characteristics(),
        }

    def _component(self) -> dict[str, Any]:
        evse, connector = self.view.evse, self.view.connector
        if evse is None:
            return {"name": self.row.component}
        place = {"id": evse.number} if connector is None else {"id": evse.number, "connectorId": connector}
        return {"name": self.row.component, "evse": place}

    def _characteristics(self) -> dict[str, Any]:
        row = self.row
        most = row.most(self.view) if callable(row.most) else row.most
        optional = {"unit": row.unit, "minLimit": row.least, "maxLimit": most, "valuesList": ",".join(row.values)}
        given = {name: value for name, value in optional.items() if value not in (None, "")}
        return {"dataType": row.type, "supportsMonitoring": False, **given}


class Model:
    """All variables of a station, as they are in a view of the whole of it."""

    def __init__(self, view: View) -> None:
        self.variables = tuple(_variables(view))
        self._by_key = {(variable.component_key, variable.variable_key): variable for variable in self.variables}
        self._components = {component for component, _ in self._by_key}

    def find(self, component: Any, variable: Any) -> Variable | Literal["UnknownComponent", "UnknownVariable"]:
        """The variable that a typed ComponentType and VariableType name, exactly (B06.FR.14, B06.FR.15)."""
        key = component_key(component)
        if key not in self._components:
            return "UnknownComponent"
        return self._by_key.get((key, variable_key(variable)), "UnknownVariable")


def component_key(component: Any) -> ComponentKey:
    """Of a typed ComponentType."""
    evse = connector = None
    if component.evse is not msgspec.UNSET:
        evse = component.evse.id
        connector = None if component.evse.connector_id is msgspec.UNSET else component.evse.connector_id
    return (component.name.casefold(), _text(component.instance), evse, connector)


def variable_key(variable: Any) -> VariableKey:
    """Of a typed VariableType."""
    return (variable.name.casefold(), _text(variable.instance))


def _text(instance: Any) -> str:
    return "" if instance is msgspec.UNSET else str(instance).casefold()


def _variables(view: View) -> Iterator[Variable]:
    for place in _places(view):
        for row in ROWS:
            if row.at is not _tier(place):
                continue
            instances = [row.instance] if row.instances is None else row.instances(place)
            for instance in instances:
                here = place._replace(instance=instance)
                value = row.read(here)
                if value is not None:
                    yield Variable(row, here, instance, value)


def _places(view: View) -> Iterator[View]:
    yield view
    for evse in view.station.evses:
        yield view._replace(evse=evse)
        for connector in evse.connectors:
            yield view._replace(evse=evse, connector=connector)


def _tier(view: View) -> Tier:
    if view.evse is None:
        return Tier.STATION
    return Tier.EVSE if view.connector is None else Tier.CONNECTOR
