"""UnlockConnector (OCPP 2.0.1, F05): somebody's cable is stuck. No connector has a lock here: none can be unlocked."""

from __future__ import annotations

from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    evse = station.evse(call.request.evse_id)
    if evse is None or call.request.connector_id not in evse.connectors:
        payload: dict[str, object] = {"status": "UnknownConnector"}
    elif evse.transaction is not None and evse.transaction.connector == call.request.connector_id:
        payload = {"status": "OngoingAuthorizedTransaction"}
    else:
        info = {"reasonCode": "UnsupportedRequest", "additionalInfo": "this connector has no lock: pull the plug"}
        payload = {"status": "UnlockFailed", "statusInfo": info}
    actions.append(Reply(call.message_id, call.action, payload))
    return station
