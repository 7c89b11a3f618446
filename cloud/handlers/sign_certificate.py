"""SignCertificate (OCPP 2.0.1, A02): a station wants its key certified. There is no certificate authority here yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.unit import Unit

ANSWER = {
    "status": "Rejected",
    "statusInfo": {
        "reasonCode": "UnsupportedRequest",
        "additionalInfo": "this CSMS has no certificate authority: give the station its certificate by hand",
    },
}


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    unit.trail.message(station, "SignCertificate", payload)
    return ANSWER
