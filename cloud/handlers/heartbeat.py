"""Heartbeat (OCPP 2.0.1, G02): a station says that it lives and asks for the time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud import present
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    return {"currentTime": present.time(unit.now)}
