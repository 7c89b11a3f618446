"""GetBaseReport (OCPP 2.0.1, B07): all variables, those that can be set, or how it is. NotifyReports follow."""

from __future__ import annotations

from edge.station.device_model import Model, View, base_report, notify
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    found = base_report(Model(View(station, now, call.listed)), call.request.report_base)
    actions.append(Reply(call.message_id, call.action, {"status": "Accepted"}))
    actions += notify(found, call.request.request_id, now)
    return station
