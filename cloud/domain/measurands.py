"""OCPP's sampled values and the fields of our time series: `Power.Active.Import` in kW on L1 -> `power_l1_w`, in W.

A field's name tells its unit. Values are scaled to the base unit with the unit's own prefix and OCPP's multiplier
(OCPP 2.0.1 part 2, UnitOfMeasureType). What is not in the table is not kept as a sample.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

import msgspec

from protocol.errors import ProtocolError

_DEFAULT = "Energy.Active.Import.Register"
#: measurand -> (name, unit suffix, unit for people)
_FIELDS = {
    _DEFAULT: ("energy", "wh", "Wh"),
    "Energy.Active.Export.Register": ("energy_export", "wh", "Wh"),
    "Power.Active.Import": ("power", "w", "W"),
    "Power.Active.Export": ("power_export", "w", "W"),
    "Power.Offered": ("power_offered", "w", "W"),
    "Current.Import": ("current", "a", "A"),
    "Current.Offered": ("current_offered", "a", "A"),
    "Voltage": ("voltage", "v", "V"),
    "Frequency": ("frequency", "hz", "Hz"),
    "SoC": ("soc", "pct", "%"),
}
_PREFIX = {"kWh": 1_000.0, "kW": 1_000.0, "mA": 0.001, "kV": 1_000.0}
#: field -> unit, for those that have no phase; the API's `measurand` takes these names.
UNITS = {f"{name}_{suffix}": unit for name, suffix, unit in _FIELDS.values()}


class Sample(NamedTuple):
    """One sampled value. field: as above. value: in the field's unit."""

    field: str
    value: float


class Sampled(NamedTuple):
    """All that one MeterValueType says: its time and its samples."""

    at: datetime
    samples: tuple[Sample, ...]


def unit_of(field: str) -> str | None:
    """The unit of a field, with or without a phase in its name; None when there is no such field."""
    parts = field.split("_")
    return UNITS.get(field) or UNITS.get("_".join(part for part in parts if part not in ("l1", "l2", "l3", "n")))


def is_register(field: str) -> bool:
    """Whether a field counts up, so that a mean of it would be none of its readings."""
    return unit_of(field) == "Wh"


def read(meter_values: Any) -> Iterator[Sampled]:
    """The samples in a list of OCPP 2.0.1 MeterValueType structs."""
    for meter_value in meter_values:
        samples = tuple(sample for sample in map(_sample, meter_value.sampled_value) if sample is not None)
        yield Sampled(utc(meter_value.timestamp), samples)


def _sample(sampled: Any) -> Sample | None:
    row = _FIELDS.get(given(sampled.measurand) or _DEFAULT)
    if row is None or given(sampled.location) not in (None, "Outlet", "EV"):
        return None
    name, suffix, _ = row
    phase = (given(sampled.phase) or "").lower().replace("-", "_")
    unit = given(sampled.unit_of_measure)
    scale = 1.0
    if unit is not None:
        scale = _PREFIX.get(given(unit.unit) or "", 1.0) * 10.0 ** max(-9, min(9, given(unit.multiplier) or 0))
    value = sampled.value * scale
    if not math.isfinite(value):
        return None  # so large that no number holds it
    return Sample(f"{name}_{phase}_{suffix}" if phase else f"{name}_{suffix}", value)


def utc(at: datetime) -> datetime:
    """The same moment in UTC. A time without a zone is taken as UTC: OCPP asks for it, some vendors forget the Z.

    Raises ProtocolError for the few that are outside the calendar once they are in UTC.
    """
    try:
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except OverflowError as error:
        raise ProtocolError("PropertyConstraintViolation", f"time {at.isoformat()} is out of range") from error


def given(value: Any) -> Any:
    """An optional field of a typed request; None where it was not sent."""
    return None if value is msgspec.UNSET else value
