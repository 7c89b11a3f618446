"""Get15118EVCertificate (OCPP 2.0.1, M01): a vehicle wants a contract certificate. Nobody here issues them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit

ANSWER = {"status": "Failed", "exiResponse": "", "statusInfo": {"reasonCode": "UnsupportedRequest"}}


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "Get15118EVCertificate", payload)
    return ANSWER
