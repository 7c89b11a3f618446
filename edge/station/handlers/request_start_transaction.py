"""RequestStartTransaction (OCPP 2.0.1, F01 and F02): somebody starts from afar. Power waits for the plug."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from edge.station.authorization import Bearer
from edge.station.changes import with_evse
from edge.station.places import free_evse, why_not
from edge.station.ports import Action, CallReceived, Reply
from edge.station.smart_charging import Profile, profile_from
from edge.station.state import Authorization, Evse, Now, Station
from edge.station.tokens import IdToken

#: Stands for the id of a transaction that has not begun.
NOT_YET = "not yet"


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request = call.request
    # This very start may have been accepted before: our answer was lost, and it is asked again.
    begun = next((evse for evse in station.evses if _has_begun(evse, request.remote_start_id)), None)
    token = IdToken(request.id_token.id_token, request.id_token.type)
    group = None if request.group_id_token is msgspec.UNSET else request.group_id_token.id_token
    bearer = Bearer(token, group)
    evse = begun or (free_evse(station, bearer) if request.evse_id is msgspec.UNSET else station.evse(request.evse_id))
    profile = None if request.charging_profile is msgspec.UNSET else profile_from(request.charging_profile)
    reason = None if begun else _why_not(station, evse, bearer, profile)
    if reason == "UnknownEvse" and request.evse_id is msgspec.UNSET:
        reason = "Occupied"  # none was named, and none is free
    if evse is None or reason is not None:
        info = {"reasonCode": reason}
        actions.append(Reply(call.message_id, call.action, {"status": "Rejected", "statusInfo": info}))
        return station
    payload: dict[str, Any] = {"status": "Accepted"}
    if evse.transaction is not None:
        payload["transactionId"] = evse.transaction.id
    actions.append(Reply(call.message_id, call.action, payload))
    if begun:
        return station
    until = now.mono + station.settings.connection_timeout_s
    authorization = Authorization(token, until, request.remote_start_id, group, profile=profile)
    return with_evse(station, evse.number, authorization=authorization, refused_mono=None)


def _has_begun(evse: Evse, remote_start_id: int) -> bool:
    begun = [part.remote_start_id for part in (evse.authorization, evse.transaction) if part is not None]
    return remote_start_id in begun


def _why_not(station: Station, evse: Evse | None, bearer: Bearer, profile: Profile | None) -> str | None:
    if not station.booted:
        return "NotAccepted"  # by the CSMS, at boot (B02)
    if evse is None:
        return "UnknownEvse"
    reason = why_not(station, evse, bearer)
    return reason if reason is not None or profile is None else _bad(station, evse, profile)


def _bad(station: Station, evse: Evse, profile: Profile) -> str | None:
    """Why the charging profile cannot be the coming transaction's (K05, F01.FR.08 to FR.11)."""
    if profile.purpose != "TxProfile" or profile.transaction_id is not None:
        return "InvalidProfile"
    _, reason = station.kept.profiles.install(
        replace(profile, transaction_id=NOT_YET),
        evse.number,
        evses=[other.number for other in station.evses],
        phases=station.settings.phases,
        transaction_id=NOT_YET,
    )
    return None if reason is None else reason.code
