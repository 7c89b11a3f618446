"""GetChargingProfiles (OCPP 2.0.1, K09): which limits are installed? They follow in ReportChargingProfiles.

One report is of one EVSE and of one source of limits, and fits in a frame; all but the last say that more will come.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from edge.station.ports import Action, CallReceived, Reply, Send
from edge.station.smart_charging import Criteria, Installed, to_ocpp
from edge.station.state import Now, Station

#: Profiles in one report. One with every period there may be is some 4 kB, and a frame is at most 64 KiB.
REPORTED_AT_ONCE = 8


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    found = station.kept.profiles.find(_criteria(call.request))
    status = {"status": "Accepted" if found else "NoProfiles"}
    actions.append(Reply(call.message_id, call.action, status))
    reports = list(_reports(found))
    for number, report in enumerate(reports, 1):
        payload: dict[str, Any] = {
            "requestId": call.request.request_id,
            "chargingLimitSource": report[0].source,
            "evseId": report[0].evse_id,
            "chargingProfile": [to_ocpp(one.profile) for one in report],
            "tbc": number < len(reports),
        }
        actions.append(Send("ReportChargingProfiles", payload))
    return station


def _criteria(request: Any) -> Criteria:
    wanted = request.charging_profile
    given = {
        "ids": wanted.charging_profile_id,
        "evse": request.evse_id,
        "purpose": wanted.charging_profile_purpose,
        "stack_level": wanted.stack_level,
        "sources": wanted.charging_limit_source,
    }
    return msgspec.convert({name: value for name, value in given.items() if value is not msgspec.UNSET}, Criteria)


def _reports(found: Sequence[Installed]) -> Iterator[list[Installed]]:
    groups: dict[tuple[int, str], list[Installed]] = {}
    for one in found:
        groups.setdefault((one.evse_id, one.source), []).append(one)
    for _, group in sorted(groups.items()):
        for first in range(0, len(group), REPORTED_AT_ONCE):
            yield group[first : first + REPORTED_AT_ONCE]
