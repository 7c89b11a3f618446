"""StatusNotification (OCPP 2.0.1, G01): what a connector is doing."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import select, update

from cloud.domain.measurands import utc
from cloud.store.registry import MAX_CONNECTORS, MAX_EVSES, ConnectorSpec, add_connector, add_evse
from cloud.store.tables import connectors, evses
from cloud.unit import Unit
from protocol.errors import ProtocolError

FAULTED = "Faulted"


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    evse, connector = request.evse_id, request.connector_id
    if not 1 <= evse <= MAX_EVSES or not 1 <= connector <= MAX_CONNECTORS:
        raise ProtocolError("PropertyConstraintViolation", f"no station has EVSE {evse} connector {connector}")
    at = min(utc(request.timestamp), unit.now)  # a clock that is ahead must not outdate what comes after
    where = (connectors.c.station == station) & (connectors.c.evse == evse) & (connectors.c.number == connector)
    known = unit.connection.execute(select(connectors.c.status_at).where(where)).first()
    if known is None:
        _add(unit, station, evse, connector)
    elif known.status_at is not None and at < known.status_at:
        return {}  # overtaken on its way by a later one
    if request.connector_status == FAULTED and not _is_faulted(unit, station, evse):
        unit.notices.fault(station, evse, at)
    unit.connection.execute(update(connectors).where(where).values(status=request.connector_status, status_at=at))
    unit.changed_stations.add(station)
    return {}


def _is_faulted(unit: Unit, station: str, evse: int) -> bool:
    """Whether any connector of this EVSE is faulted already: a fault of the EVSE is told by each of them."""
    there = (connectors.c.station == station) & (connectors.c.evse == evse) & (connectors.c.status == FAULTED)
    return unit.connection.execute(select(connectors.c.number).where(there)).first() is not None


def _add(unit: Unit, station: str, evse: int, connector: int) -> None:
    """A registered station shows a connector that nobody wrote down. Within reason, it is believed."""
    known = select(evses.c.number).where(evses.c.station == station, evses.c.number == evse)
    if unit.connection.scalar(known) is None:
        add_evse(unit.connection, station, evse)
    add_connector(unit.connection, station, evse, ConnectorSpec(connector))
