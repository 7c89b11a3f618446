"""ClearCache (OCPP 2.0.1, C11): what we remember of tokens is to be forgotten. The list stays."""

from __future__ import annotations

from edge.station.ports import Action, CallReceived
from edge.station.state import Now, Station
from edge.station.token_orders import ClearTokenCache


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    actions.append(ClearTokenCache(call.message_id, call.action))
    return station
