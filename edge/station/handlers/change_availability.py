"""ChangeAvailability (OCPP 2.0.1, G03 and G04): the CSMS takes something out of service, or puts it back.

Station, EVSE and connector are three switches; a connector can be used when all three are on. What goes out of service
during a transaction does so when that has ended. It outlasts a restart.
"""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Evse, Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request = call.request
    number, connector = 0, 0
    affected: tuple[Evse, ...] = station.evses
    if request.evse is not msgspec.UNSET:
        evse = station.evse(request.evse.id)
        number, connector = request.evse.id, _number(request.evse.connector_id)
        if evse is None or connector not in (0, *evse.connectors):
            payload = {"status": "Rejected", "statusInfo": {"reasonCode": "UnknownEvse"}}
            actions.append(Reply(call.message_id, call.action, payload))
            return station
        affected = (evse,)
    inoperative = station.kept.inoperative - {(number, connector)}
    status = "Accepted"
    if request.operational_status == "Inoperative":
        inoperative |= {(number, connector)}
        used = [evse.transaction.connector for evse in affected if evse.transaction is not None]
        if used and connector in (0, *used):
            status = "Scheduled"
    actions.append(Reply(call.message_id, call.action, {"status": status}))
    return replace(station, kept=replace(station.kept, inoperative=inoperative))


def _number(given: Any) -> int:
    return 0 if given is msgspec.UNSET else int(given)
