"""RequestStopTransaction (OCPP 2.0.1, F03): somebody stops from afar."""

from __future__ import annotations

from edge.station.changes import ending, with_evse
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station, Stop


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    wanted = call.request.transaction_id
    for evse in station.evses:
        if evse.transaction is not None and evse.transaction.id == wanted:
            actions.append(Reply(call.message_id, call.action, {"status": "Accepted"}))
            if evse.ending is not None:
                return station
            return with_evse(station, evse.number, ending=ending(Stop("Remote", "RemoteStop", now.utc), now))
    payload = {"status": "Rejected", "statusInfo": {"reasonCode": "TxNotFound"}}
    actions.append(Reply(call.message_id, call.action, payload))
    return station
