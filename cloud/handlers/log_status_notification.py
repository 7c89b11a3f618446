"""LogStatusNotification (OCPP 2.0.1, N01): how far the upload of a log is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.handlers import told
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    told.keep_status(unit, station, "log", request)
    unit.trail.message(station, "LogStatusNotification", payload)
    return {}
