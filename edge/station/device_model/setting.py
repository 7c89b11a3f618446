"""Setting variables (B05), and bringing back what was set after a power cut."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec.structs import replace

from edge.station.device_model.row import Row, show
from edge.station.device_model.table import ROWS
from edge.station.device_model.values import BadValueError, parse
from edge.station.state import Station

_WRITABLE = {row.name: row for row in ROWS if row.writable}


def set_variable(station: Station, row: Row, text: str) -> Station:
    """With one variable set, now and after a power cut. Raises BadValueError."""
    if not row.writable:
        raise BadValueError("ReadOnly", "this variable cannot be set")
    value = parse(text, row)
    station = _write(station, row, value)
    kept = {**dict(station.kept.variables), row.name: show(value)}
    return replace(station, kept=replace(station.kept, variables=tuple(sorted(kept.items()))))


def apply_kept(station: Station) -> Station:
    """With what the CSMS has set, on top of the configuration file. What this release does not take is passed over."""
    for name, text in station.kept.variables:
        row = _WRITABLE.get(name)
        if row is None:
            continue
        try:
            station = _write(station, row, parse(text, row))
        except BadValueError:
            continue
    return station


def _write(station: Station, row: Row, value: bool | int | str) -> Station:
    """The settings check the value once more, all of them together."""
    key = row.setting
    assert key is not None, f"{row.name} shows no setting"
    before: Any = getattr(station, key.part)
    try:
        after = msgspec.convert({**msgspec.structs.asdict(before), key.field: value}, key.kind)
    except msgspec.ValidationError as error:
        raise BadValueError("InvalidValue", str(error)) from error
    changed = replace(station, **{key.part: after})
    return changed if row.effect is None else row.effect(station, changed)
