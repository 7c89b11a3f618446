"""DataTransfer (OCPP 2.0.1, P01): a vendor's own messages. There is none that this station knows."""

from __future__ import annotations

from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    actions.append(Reply(call.message_id, call.action, {"status": "UnknownVendorId"}))
    return station
