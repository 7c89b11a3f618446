"""PublishFirmwareStatusNotification (OCPP 2.0.1, L03): how far a Local Controller is with publishing firmware."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.handlers import told
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    told.keep_status(unit, station, "publish_firmware", request)
    unit.trail.message(station, "PublishFirmwareStatusNotification", payload)
    return {}
