"""ReserveNow (OCPP 2.0.1, H01 to H03): the CSMS keeps a place for a driver, at one EVSE or anywhere."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.station.kept import Reservation
from edge.station.places import has_type, is_reserved, is_vacant, why_not
from edge.station.ports import Action, CallReceived, Reply
from edge.station.reservations import with_reservations
from edge.station.state import Now, Station
from edge.station.tokens import IdToken

#: ReserveNowStatusEnumType for what `why_not` says.
_STATUS = {"TxInProgress": "Occupied", "Faulted": "Faulted", "Unavailable": "Unavailable"}
#: At most so many at a time; more would never be found again.
MAX_RESERVATIONS = 32


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    wanted = _reservation(call.request)
    others = tuple(held for held in station.kept.reservations if held.id != wanted.id)  # H01.FR.02: it replaces
    status, reason = _decide(with_reservations(station, others), wanted, now)
    payload: dict[str, Any] = {"status": status}
    if reason is not None:
        payload["statusInfo"] = {"reasonCode": reason}
    actions.append(Reply(call.message_id, call.action, payload))
    return with_reservations(station, (*others, wanted)) if status == "Accepted" else station


def _reservation(request: Any) -> Reservation:
    def given(value: Any) -> Any:
        return None if value is msgspec.UNSET else value

    group = given(request.group_id_token)
    return Reservation(
        request.id,
        IdToken(request.id_token.id_token, request.id_token.type),
        request.expiry_date_time,
        given(request.evse_id),
        given(request.connector_type),
        None if group is None else group.id_token,
    )


def _decide(station: Station, wanted: Reservation, now: Now) -> tuple[str, str | None]:
    """ReserveNowStatusEnumType, and a reasonCode where that says too little."""
    if wanted.until.tzinfo is None or wanted.until <= now.utc:
        return "Rejected", "InvalidValue"
    if len(station.kept.reservations) >= MAX_RESERVATIONS:
        return "Rejected", "TooManyElements"
    if wanted.evse is not None and station.evse(wanted.evse) is None:
        return "Rejected", "UnknownEvse"
    among = [
        evse
        for evse in station.evses
        if wanted.evse in (None, evse.number) and has_type(station, evse, wanted.connector_type)
    ]
    if not among:
        return "Rejected", "UnknownConnectorType"
    if any(is_vacant(station, evse) and not is_reserved(station, evse) for evse in among):
        return "Accepted", None
    reasons = {_STATUS.get(why_not(station, evse, None) or "", "Occupied") for evse in among}
    return next(status for status in ("Occupied", "Unavailable", "Faulted") if status in reasons), None
