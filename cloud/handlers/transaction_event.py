"""TransactionEvent (OCPP 2.0.1, E01 to E09): what happens in a transaction. The walk's heart: here energy is booked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from cloud.domain import facts
from cloud.domain.currencies import units
from cloud.handlers.authorize import token_info
from cloud.store.registry import MAX_CONNECTORS, MAX_EVSES
from cloud.unit import Unit
from protocol.errors import ProtocolError


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    samples = facts.sampled(request)
    fact = facts.fact(request, samples)
    evse_known = fact.evse is None or 1 <= fact.evse <= MAX_EVSES
    if not evse_known or not 0 <= (fact.connector or 0) <= MAX_CONNECTORS:
        raise ProtocolError(
            "PropertyConstraintViolation", f"no station has EVSE {fact.evse} connector {fact.connector}"
        )
    entry = unit.books.post(station, request.transaction_info.transaction_id, fact, payload)
    evse = entry.session.evse or fact.evse
    if evse is not None:
        # Also for a repeated event: its first coming may have been committed, and its samples not yet written.
        unit.measure(station, evse, samples)
    if fact.kind != "Updated":
        unit.changed_stations.add(station)
    answer: dict[str, Any] = {}
    cost = unit.books.final_cost(entry) if fact.kind == "Ended" else None
    if cost is not None:
        answer["totalCost"] = float(units(cost.total, cost.currency))
    if request.id_token is not msgspec.UNSET:
        answer["idTokenInfo"] = token_info(unit.connection, request.id_token, unit.now)
    return answer
