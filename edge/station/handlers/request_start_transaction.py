"""RequestStartTransaction (OCPP 2.0.1, F01 and F02): somebody starts from afar. Power waits for the plug."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.station.changes import free_evse, with_evse
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Authorization, Evse, Now, Station
from edge.station.tokens import IdToken


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request = call.request
    # This very start may have been accepted before: our answer was lost, and it is asked again.
    begun = next((evse for evse in station.evses if _has_begun(evse, request.remote_start_id)), None)
    evse = begun or (free_evse(station) if request.evse_id is msgspec.UNSET else station.evse(request.evse_id))
    reason = None if begun else _why_not(evse) if station.booted else "NotAccepted"  # by the CSMS, at boot (B02)
    if evse is None or reason is not None:
        info = {"reasonCode": reason or "UnknownEvse"}
        actions.append(Reply(call.message_id, call.action, {"status": "Rejected", "statusInfo": info}))
        return station
    payload: dict[str, Any] = {"status": "Accepted"}
    if evse.transaction is not None:
        payload["transactionId"] = evse.transaction.id
    actions.append(Reply(call.message_id, call.action, payload))
    if begun:
        return station
    token = IdToken(request.id_token.id_token, request.id_token.type)
    until = now.mono + station.settings.connection_timeout_s
    group = None if request.group_id_token is msgspec.UNSET else request.group_id_token.id_token
    authorization = Authorization(token, until, request.remote_start_id, group)
    return with_evse(station, evse.number, authorization=authorization, refused_mono=None)


def _has_begun(evse: Evse, remote_start_id: int) -> bool:
    begun = [part.remote_start_id for part in (evse.authorization, evse.transaction) if part is not None]
    return remote_start_id in begun


def _why_not(evse: Evse | None) -> str | None:
    if evse is None:
        return "UnknownEvse"
    if evse.transaction is not None:
        return "TxInProgress"
    if evse.faults:
        return "Faulted"
    return "Occupied" if evse.authorization is not None else None
