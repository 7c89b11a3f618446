"""GetCertificateStatus (OCPP 2.0.1, M06): is a certificate revoked? Nobody here asks an OCSP responder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit

ANSWER = {"status": "Failed", "statusInfo": {"reasonCode": "UnsupportedRequest"}}


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "GetCertificateStatus", payload)
    return ANSWER
