"""ClearedChargingLimit (OCPP 2.0.1, K13): a limit that somebody else had set is gone. Kept for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "ClearedChargingLimit", payload)
    return {}
