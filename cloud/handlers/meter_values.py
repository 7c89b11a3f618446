"""MeterValues (OCPP 2.0.1, J01): samples outside of a transaction. Kept in the time series, never billed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.domain import measurands
from cloud.store.registry import MAX_EVSES
from cloud.unit import Unit
from protocol.errors import ProtocolError


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    if not 0 <= request.evse_id <= MAX_EVSES:
        raise ProtocolError("PropertyConstraintViolation", f"no station has EVSE {request.evse_id}")
    unit.measure(station, request.evse_id, measurands.read(request.meter_value))
    return {}
