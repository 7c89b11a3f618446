"""Reset (OCPP 2.0.1, B11 and B12): the CSMS wants the station to start anew, now or when nobody charges any more.

Meanwhile nobody begins to charge. One EVSE cannot be reset by itself here.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from edge.station.changes import ending, with_evse
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Leaving, Now, Station, Stop


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    if call.request.evse_id is not msgspec.UNSET:
        info = {"reasonCode": "UnsupportedParam", "additionalInfo": "only the whole station can be reset"}
        actions.append(Reply(call.message_id, call.action, {"status": "Rejected", "statusInfo": info}))
        return station
    immediate = call.request.type == "Immediate"
    charging = [evse for evse in station.evses if evse.transaction is not None]
    payload: dict[str, Any] = {"status": "Scheduled" if charging and not immediate else "Accepted"}
    actions.append(Reply(call.message_id, call.action, payload))
    if immediate:
        stop = Stop("ImmediateReset", "ResetCommand", now.utc)
        for evse in charging:
            if evse.ending is None:
                station = with_evse(station, evse.number, ending=ending(stop, now))
    return replace(station, leaving=Leaving("RemoteReset" if immediate else "ScheduledReset"))
