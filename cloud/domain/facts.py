"""From an OCPP 2.0.1 TransactionEvent to a Fact: what the session's fold needs, and nothing that cannot be true."""

from __future__ import annotations

from typing import Any

import msgspec

from cloud.domain import measurands
from cloud.domain.measurands import Sampled, given
from cloud.domain.sessions import Fact
from protocol.errors import ProtocolError

#: No meter shows more, in Wh: 1 TWh. What is above, or below zero, is not a register.
MAX_REGISTER_WH = 10**12
MAX_INTEGER = 2**31 - 1


def sampled(request: Any) -> list[Sampled]:
    """All samples of a TransactionEventRequest, in the order of time."""
    values = [] if request.meter_value is msgspec.UNSET else request.meter_value
    return sorted(measurands.read(values), key=lambda one: one.at)


def fact(request: Any, samples: list[Sampled]) -> Fact:
    """The Fact in a TransactionEventRequest. Raises ProtocolError for a number that no transaction can have."""
    if not 0 <= request.seq_no <= MAX_INTEGER:
        raise ProtocolError("PropertyConstraintViolation", f"seqNo {request.seq_no} is out of range")
    info = request.transaction_info
    id_token = given(request.id_token)
    evse = given(request.evse)
    remote_start_id = given(info.remote_start_id)
    return Fact(
        seq_no=request.seq_no,
        kind=request.event_type,
        at=measurands.utc(request.timestamp),
        trigger=request.trigger_reason,
        charging_state=given(info.charging_state),
        registers=tuple(
            (one.at, round(sample.value))
            for one in samples
            for sample in one.samples
            if sample.field == "energy_wh" and 0 <= sample.value <= MAX_REGISTER_WH
        ),
        power_w=_last(samples, "power_w"),
        soc_pct=_last(samples, "soc_pct", 0, 100),
        stop_reason=given(info.stopped_reason),
        id_token=None if id_token is None else id_token.id_token,
        evse=None if evse is None else evse.id,
        connector=None if evse is None else given(evse.connector_id),
        remote_start_id=remote_start_id if remote_start_id is None or abs(remote_start_id) <= MAX_INTEGER else None,
        offline=given(request.offline) or False,
        socs=tuple(
            sample.value
            for one in samples
            for sample in one.samples
            if sample.field == "soc_pct" and 0 <= sample.value <= 100
        ),
    )


def _last(samples: list[Sampled], field: str, low: float = -1e9, high: float = 1e9) -> float | None:
    values = [sample.value for one in samples for sample in one.samples if sample.field == field]
    return values[-1] if values and low <= values[-1] <= high else None
