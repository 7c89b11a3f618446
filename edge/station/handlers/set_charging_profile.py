"""SetChargingProfile (OCPP 2.0.1, K01): the CSMS limits what may be drawn, now or at certain times."""

from __future__ import annotations

from typing import Any

from edge.station.changes import with_profiles
from edge.station.ports import Action, CallReceived, Reply
from edge.station.smart_charging import profile_from
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request = call.request
    evse = station.evse(request.evse_id)
    goes_on = evse.transaction if evse is not None and evse.ending is None else None
    profiles, reason = station.kept.profiles.install(
        profile_from(request.charging_profile),
        request.evse_id,
        evses=[evse.number for evse in station.evses],
        phases=station.settings.phases,
        transaction_id=None if goes_on is None else goes_on.id,
    )
    payload: dict[str, Any] = {"status": "Accepted"}
    if reason is not None:
        payload = {"status": "Rejected", "statusInfo": {"reasonCode": reason.code, "additionalInfo": reason.info}}
    actions.append(Reply(call.message_id, call.action, payload))
    return with_profiles(station, profiles)
