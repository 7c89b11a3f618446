"""NotifyEVChargingNeeds (OCPP 2.0.1, K15): a vehicle asks for a charging schedule. Kept; we plan none for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit

#: Rejected means that this service is not offered; the vehicle then charges under the limits that are in force.
ANSWER = {"status": "Rejected", "statusInfo": {"reasonCode": "NoChargingProfile"}}


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "NotifyEVChargingNeeds", payload)
    return ANSWER
