"""What a charging profile is (OCPP 2.0.1 part 2, ChargingProfileType): plain values, which msgspec writes as OCPP does.

In JSON the fields have OCPP's names, so the same text serves the CSMS and the disk. A salesTariff is not kept: only
ISO 15118 has a use for it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

Purpose = Literal["ChargingStationExternalConstraints", "ChargingStationMaxProfile", "TxDefaultProfile", "TxProfile"]
Kind = Literal["Absolute", "Recurring", "Relative"]
Unit = Literal["A", "W"]
#: Who set a limit, OCPP's ChargingLimitSourceEnumType. The CSMS is CSO.
Source = Literal["EMS", "Other", "SO", "CSO"]

_NAMES = {
    "purpose": "chargingProfilePurpose",
    "kind": "chargingProfileKind",
    "schedules": "chargingSchedule",
    "unit": "chargingRateUnit",
    "periods": "chargingSchedulePeriod",
}


def _ocpp_name(name: str) -> str:
    head, *tail = name.split("_")
    return _NAMES.get(name) or head + "".join(part.capitalize() for part in tail)


class Period(msgspec.Struct, frozen=True, omit_defaults=True, rename=_ocpp_name):
    """start_period: seconds from the schedule's start. limit: in the schedule's unit. phase_to_use: 1 to 3."""

    start_period: int
    limit: float
    number_phases: int | None = None
    phase_to_use: int | None = None


class Schedule(msgspec.Struct, frozen=True, omit_defaults=True, rename=_ocpp_name):
    """unit: A per phase, or W for all phases together. duration: seconds; None: the last period goes on.

    start_schedule: of Absolute and Recurring profiles. min_charging_rate: in `unit`; less is inefficient.
    """

    id: int
    unit: Unit
    periods: tuple[Period, ...]
    start_schedule: datetime | None = None
    duration: int | None = None
    min_charging_rate: float | None = None


class Profile(msgspec.Struct, frozen=True, omit_defaults=True, rename=_ocpp_name):
    """One charging profile. stack_level: the higher wins, within one purpose.

    valid_to: the first moment it is not valid. recurrency_kind: of Recurring profiles. transaction_id: of TxProfiles.
    """

    id: int
    stack_level: int
    purpose: Purpose
    kind: Kind
    schedules: tuple[Schedule, ...]
    recurrency_kind: Literal["Daily", "Weekly"] | None = None
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    transaction_id: str | None = None


class Installed(msgspec.Struct, frozen=True, omit_defaults=True):
    """A profile and where it is in force. evse_id: 0 for the whole station, or every EVSE for a TxDefaultProfile."""

    profile: Profile
    evse_id: int
    source: Source = "CSO"


def profile_from(ocpp: msgspec.Struct) -> Profile:
    """The profile in a typed ChargingProfileType, as it was sent: `Profiles.install` says whether it makes sense."""
    return msgspec.convert(msgspec.to_builtins(ocpp), Profile)


def to_ocpp(profile: Profile) -> dict[str, Any]:
    """The profile as a ChargingProfileType with OCPP's JSON names, for ReportChargingProfiles (K09)."""
    names: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(profile))
    return names
