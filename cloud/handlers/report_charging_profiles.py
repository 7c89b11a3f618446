"""ReportChargingProfiles (OCPP 2.0.1, K09): the charging profiles that a station has, in parts that have no number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cloud.domain.measurands import given
from cloud.handlers import told
from cloud.store import reports
from cloud.store.reports import Part
from cloud.store.tables import station_profiles
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    part = Part(
        kind="profiles",
        request_id=told.number(request.request_id, "requestId") or 0,
        seq_no=None,
        more=given(request.tbc) or False,
        asked_by=("GetChargingProfiles",),
        is_whole=lambda asked: "evseId" not in asked and asked.get("chargingProfile") == {},
    )
    evse = told.evse(request.evse_id)
    rows = [
        {
            "profile": told.number(profile.id, "profile"),
            "evse": evse,
            "source": request.charging_limit_source,
            "purpose": profile.charging_profile_purpose,
            "stack_level": told.number(profile.stack_level, "stackLevel"),
            "transaction_id": given(profile.transaction_id),
            "content": msgspec.json.encode(profile),
        }
        for profile in request.charging_profile
    ]
    reports.take(unit.connection, unit.now, station, part, station_profiles, rows)
    return {}
