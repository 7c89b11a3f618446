"""NotifyReport (OCPP 2.0.1, B07 and B08): the device model of a station, in parts. A full inventory replaces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from cloud.domain.measurands import given
from cloud.handlers import told
from cloud.store import reports
from cloud.store.reports import Part
from cloud.store.tables import station_variables
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    part = Part(
        kind="variables",
        request_id=told.number(request.request_id, "requestId") or 0,
        seq_no=told.sequence_number(request.seq_no),
        more=given(request.tbc) or False,
        asked_by=("GetBaseReport", "GetReport"),
        is_whole=lambda asked: asked.get("reportBase") == "FullInventory",
    )
    rows = [row for data in given(request.report_data) or () for row in _rows(data)]
    reports.take(unit.connection, unit.now, station, part, station_variables, rows)
    return {}


def _rows(data: Any) -> Iterator[dict[str, Any]]:
    place = told.place(data)
    known = given(data.variable_characteristics)
    characteristics = {
        "data_type": None if known is None else known.data_type,
        "unit": None if known is None else given(known.unit),
        "min_limit": None if known is None else given(known.min_limit),
        "max_limit": None if known is None else given(known.max_limit),
        "values_list": None if known is None else given(known.values_list),
        "supports_monitoring": None if known is None else known.supports_monitoring,
    }
    for attribute in data.variable_attribute:
        mutability = given(attribute.mutability) or "ReadWrite"
        yield {
            **place,
            **characteristics,
            "attribute": given(attribute.type) or "Actual",
            # What may only be written is a secret, such as a password.
            "value": None if mutability == "WriteOnly" else given(attribute.value),
            "mutability": mutability,
            "persistent": given(attribute.persistent) or False,
            "constant": given(attribute.constant) or False,
        }
