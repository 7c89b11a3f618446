"""GetReport (OCPP 2.0.1, B08): the variables that the CSMS names, or of components that fit. NotifyReports follow."""

from __future__ import annotations

import msgspec

from edge.station.device_model import ITEMS_PER_MESSAGE, Model, View, custom_report, notify, within_limit
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    named = call.request.component_variable
    if named is not msgspec.UNSET and not within_limit(call, len(named), ITEMS_PER_MESSAGE, actions):
        return station
    found = custom_report(Model(View(station, now, call.listed)), call.request)
    status = {"status": "Accepted" if found else "EmptyResultSet"}  # B08.FR.15
    actions.append(Reply(call.message_id, call.action, status))
    actions += notify(found, call.request.request_id, now)
    return station
