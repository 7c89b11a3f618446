"""NotifyCustomerInformation (OCPP 2.0.1, N09): what a station knows of a customer, in parts. Kept for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "NotifyCustomerInformation", payload)
    return {}
