"""BootNotification (OCPP 2.0.1, B01): a station has started and says what it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
from sqlalchemy import update

from cloud import present
from cloud.store.tables import connectors, stations
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    device = request.charging_station
    unit.connection.execute(
        update(stations)
        .where(stations.c.id == station)
        .values(
            vendor=device.vendor_name,
            model=device.model,
            serial=_text(device.serial_number),
            firmware=_text(device.firmware_version),
            booted_at=unit.now,
            boot_reason=request.reason,
        )
    )
    # Its clock may have been set back since it last said how its connectors are.
    unit.connection.execute(update(connectors).where(connectors.c.station == station).values(status_at=None))
    unit.changed_stations.add(station)
    return {"currentTime": present.time(unit.now), "interval": unit.heartbeat_s, "status": "Accepted"}


def _text(value: Any) -> str:
    return "" if value is msgspec.UNSET else str(value)
