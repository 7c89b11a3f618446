"""DataTransfer (OCPP 2.0.1, P02): a vendor's own messages. We know of none; they are kept for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit

ANSWER = {"status": "UnknownVendorId"}


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "DataTransfer", payload)
    return ANSWER
