"""NotifyDisplayMessages (OCPP 2.0.1, O03): the messages that a station shows, in parts. Kept for operators."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "NotifyDisplayMessages", payload)
    return {}
