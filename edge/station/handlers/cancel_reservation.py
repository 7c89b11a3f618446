"""CancelReservation (OCPP 2.0.1, H02): nobody comes for this place any more."""

from __future__ import annotations

from edge.station.ports import Action, CallReceived, Reply
from edge.station.reservations import with_reservations
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    left = tuple(held for held in station.kept.reservations if held.id != call.request.reservation_id)
    found = len(left) < len(station.kept.reservations)
    actions.append(Reply(call.message_id, call.action, {"status": "Accepted" if found else "Rejected"}))
    return with_reservations(station, left) if found else station
