"""GetVariables (OCPP 2.0.1, B06): the CSMS asks for the values of some variables."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.station.device_model import ITEMS_PER_MESSAGE, Model, View, within_limit
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    wanted = call.request.get_variable_data
    if not within_limit(call, len(wanted), ITEMS_PER_MESSAGE, actions):
        return station
    model = Model(View(station, now, call.listed))
    results = [_result(model, one) for one in wanted]
    actions.append(Reply(call.message_id, call.action, {"getVariableResult": results}))
    return station


def _result(model: Model, wanted: Any) -> dict[str, Any]:
    attribute = "Actual" if wanted.attribute_type is msgspec.UNSET else wanted.attribute_type  # B06.FR.11
    about = {"component": wanted.component, "variable": wanted.variable, "attributeType": attribute}
    found = model.find(wanted.component, wanted.variable)
    if isinstance(found, str):
        return {**msgspec.to_builtins(about), "attributeStatus": found}
    if attribute != "Actual":  # B06.FR.08
        return {**msgspec.to_builtins(about), "attributeStatus": "NotSupportedAttributeType"}
    return {**msgspec.to_builtins(about), "attributeStatus": "Accepted", "attributeValue": found.value}
