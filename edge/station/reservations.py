"""Reservations as time passes and things break (OCPP 2.0.1, H01 and H04): the CSMS is told when one ends unused."""

from __future__ import annotations

from datetime import timedelta

from msgspec.structs import replace

from edge.station.kept import Reservation
from edge.station.places import is_inoperative
from edge.station.ports import Action, Send
from edge.station.state import Now, Station

#: Looked at again this long after the end, so that rounding never wakes the station a moment too early.
_AFTER = timedelta(milliseconds=1)


def lapse_reservations(station: Station, now: Now, actions: list[Action]) -> Station:
    """Without those that have expired, and those whose EVSE broke or went out of service."""
    left = []
    for held in station.kept.reservations:
        fate = _fate(station, held, now)
        if fate is None:
            left.append(held)
            continue
        payload = {"reservationId": held.id, "reservationUpdateStatus": fate}
        actions.append(Send("ReservationStatusUpdate", payload, durable=True))
    if len(left) == len(station.kept.reservations):
        return _wake(station, now)
    return _wake(with_reservations(station, tuple(left)), now)


def with_reservations(station: Station, reservations: tuple[Reservation, ...]) -> Station:
    """The station with these reservations."""
    return replace(station, kept=replace(station.kept, reservations=reservations))


def _fate(station: Station, held: Reservation, now: Now) -> str | None:
    """How it ended (ReservationUpdateStatusEnumType); None: it has not."""
    if now.utc >= held.until:
        return "Expired"
    if held.evse is None:
        return None
    evse = station.evse(held.evse)
    if evse is None or evse.faults:
        return "Removed"
    # A station that is about to start anew will be there in time.
    out = all(is_inoperative(station, evse.number, connector) for connector in evse.connectors)
    return "Removed" if out else None


def _wake(station: Station, now: Now) -> Station:
    ends = [held.until for held in station.kept.reservations]
    due = min(ends) - now.utc + _AFTER if ends else None
    return replace(station, reservation_mono=None if due is None else now.mono + due.total_seconds())
