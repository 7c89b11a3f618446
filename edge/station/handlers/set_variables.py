"""SetVariables (OCPP 2.0.1, B05): the CSMS changes how the station behaves. Each variable is set, or not, by itself."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.station.device_model import ITEMS_PER_MESSAGE, Model, View, set_variable, within_limit
from edge.station.device_model.values import BadValueError
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    wanted = call.request.set_variable_data
    if not within_limit(call, len(wanted), ITEMS_PER_MESSAGE, actions):
        return station
    model = Model(View(station, now, call.listed))
    results = []
    for one in wanted:
        station, result = _set(station, model, one)
        attribute = "Actual" if one.attribute_type is msgspec.UNSET else one.attribute_type  # B05.FR.12
        about = {"component": one.component, "variable": one.variable, "attributeType": attribute}
        results.append({**msgspec.to_builtins(about), **result})
    actions.append(Reply(call.message_id, call.action, {"setVariableResult": results}))
    return station


def _set(station: Station, model: Model, wanted: Any) -> tuple[Station, dict[str, Any]]:
    found = model.find(wanted.component, wanted.variable)
    if isinstance(found, str):
        return station, {"attributeStatus": found}
    if wanted.attribute_type not in (msgspec.UNSET, "Actual"):  # B05.FR.06
        return station, {"attributeStatus": "NotSupportedAttributeType"}
    try:
        return set_variable(station, found.row, wanted.attribute_value), {"attributeStatus": "Accepted"}
    except BadValueError as error:
        info = {"reasonCode": error.code, "additionalInfo": str(error)}
        return station, {"attributeStatus": "Rejected", "attributeStatusInfo": info}
