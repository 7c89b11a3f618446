"""NotifyEVChargingSchedule (OCPP 2.0.1, K15): how a vehicle means to charge. Kept for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit

#: That it was taken in; it approves of nothing.
ANSWER = {"status": "Accepted"}


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "NotifyEVChargingSchedule", payload)
    return ANSWER
