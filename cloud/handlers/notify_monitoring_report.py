"""NotifyMonitoringReport (OCPP 2.0.1, N02): a station's monitors, in parts. One of all monitors replaces."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.domain.measurands import given
from cloud.handlers import told
from cloud.store import reports
from cloud.store.reports import Part
from cloud.store.tables import station_monitors
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    part = Part(
        kind="monitors",
        request_id=told.number(request.request_id, "requestId") or 0,
        seq_no=told.sequence_number(request.seq_no),
        more=given(request.tbc) or False,
        asked_by=("GetMonitoringReport",),
        is_whole=lambda asked: not asked.get("componentVariable") and not asked.get("monitoringCriteria"),
    )
    rows = [
        {
            **told.place(data),
            "monitor": told.number(monitor.id, "monitor"),
            "type": monitor.type,
            "value": monitor.value,
            "severity": told.number(monitor.severity, "severity"),
            "transaction_only": monitor.transaction,
        }
        for data in given(request.monitor) or ()
        for monitor in data.variable_monitoring
    ]
    reports.take(unit.connection, unit.now, station, part, station_monitors, rows)
    return {}
