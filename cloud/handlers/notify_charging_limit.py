"""NotifyChargingLimit (OCPP 2.0.1, K12): somebody else, such as the grid, limits a station. Kept for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "NotifyChargingLimit", payload)
    return {}
