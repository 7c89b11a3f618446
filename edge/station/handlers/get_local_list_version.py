"""GetLocalListVersion (OCPP 2.0.1, D02): the CSMS asks which list we have."""

from __future__ import annotations

from edge.station.ports import Action, CallReceived
from edge.station.state import Now, Station
from edge.station.token_orders import TellListVersion


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    actions.append(TellListVersion(call.message_id, call.action))
    return station
