"""FirmwareStatusNotification (OCPP 2.0.1, L01): how far a firmware update is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.handlers import told
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    told.keep_status(unit, station, "firmware", request)
    unit.trail.message(station, "FirmwareStatusNotification", payload)
    return {}
