"""ClearChargingProfile (OCPP 2.0.1, K10): the CSMS takes limits back that it has set."""

from __future__ import annotations

from typing import Any

import msgspec

from edge.station.changes import with_profiles
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request, wanted = call.request, call.request.charging_profile_criteria
    criteria: dict[str, Any] = {"id": request.charging_profile_id}
    if wanted is not msgspec.UNSET:
        criteria["evse"] = wanted.evse_id
        criteria["purpose"] = wanted.charging_profile_purpose
        criteria["stack_level"] = wanted.stack_level
    given = {name: value for name, value in criteria.items() if value is not msgspec.UNSET}
    profiles, cleared = station.kept.profiles.clear(**given)
    actions.append(Reply(call.message_id, call.action, {"status": "Accepted" if cleared else "Unknown"}))
    return with_profiles(station, profiles)
