"""Which charging profiles are refused, and why (OCPP 2.0.1 part 2, K01). The codes are those of its appendix 5."""

from __future__ import annotations

import math
from collections.abc import Collection
from itertools import pairwise
from typing import NamedTuple

from edge.station.smart_charging.profile import Installed, Profile, Schedule
from edge.station.smart_charging.schedule import validity

#: SmartChargingCtrlr's Entries, PeriodsPerSchedule and ProfileStackLevel, in the words of OCPP's device model.
MAX_PROFILES = 16
MAX_PERIODS = 48
MAX_STACK_LEVEL = 9
#: An integer of OCPP has 32 bits, one of them the sign.
_INTEGER_END = 2**31


class Reason(NamedTuple):
    """Why a profile is refused: OCPP's statusInfo. code: its reasonCode. info: what exactly, for a person."""

    code: str
    info: str


class Site(NamedTuple):
    """What a profile must fit. evses: their numbers. phases: that an EVSE charges with; it cannot switch any off.

    transaction_id: the one that goes on at the EVSE that the profile is for.
    """

    evses: Collection[int]
    phases: int
    transaction_id: str | None


def why_not(new: Installed, others: Collection[Installed], site: Site) -> Reason | None:
    """Why a profile cannot be installed beside the others, itself not among them; None if it can."""
    profile = new.profile
    reason = _bad_numbers(profile) or _bad_place(new, site) or _bad_profile(profile)
    if reason is None and len(profile.schedules) != 1:  # K01.FR.34: the choice of several is ISO 15118's
        reason = Reason("InvalidSchedule", f"{len(profile.schedules)} schedules; without ISO 15118 there is one")
    for schedule in profile.schedules:
        reason = reason or _bad_schedule(profile, schedule) or _bad_periods(schedule, site.phases)
    if reason is None and len(others) >= MAX_PROFILES:
        reason = Reason("TooManyElements", f"{MAX_PROFILES} profiles are installed, and no more fit")
    return reason or _clash(new, others)


def _bad_numbers(profile: Profile) -> Reason | None:
    integers = [profile.id, profile.stack_level]
    for schedule in profile.schedules:
        integers += [schedule.id, schedule.duration or 0]
        integers += [period.start_period for period in schedule.periods]
    if any(not -_INTEGER_END <= number < _INTEGER_END for number in integers):
        return Reason("InvalidProfile", "an integer has more than 32 bits")
    times = [profile.valid_from, profile.valid_to, *(schedule.start_schedule for schedule in profile.schedules)]
    if any(time is not None and time.tzinfo is None for time in times):
        return Reason("InvalidProfile", "a time has no time zone")
    return None


def _bad_place(new: Installed, site: Site) -> Reason | None:
    profile, evse_id = new.profile, new.evse_id
    if evse_id != 0 and evse_id not in site.evses:  # K01.FR.28
        return Reason("UnknownEvse", f"there is no EVSE {evse_id}")
    if (profile.purpose == "ChargingStationExternalConstraints") != (new.source != "CSO"):  # K01.FR.22
        return Reason("InvalidProfile", "ChargingStationExternalConstraints are not set by the CSMS, others only by it")
    if profile.purpose == "ChargingStationMaxProfile" and evse_id != 0:  # K04.FR.03
        return Reason("InvalidProfile", "a ChargingStationMaxProfile is for EVSE 0")
    if profile.purpose != "TxProfile":
        only = Reason("InvalidProfile", "only a TxProfile has a transactionId")
        return only if profile.transaction_id is not None else None
    if evse_id == 0:  # K01.FR.16
        return Reason("InvalidProfile", "a TxProfile is for one EVSE, not 0")
    if profile.transaction_id is None:  # K01.FR.03
        return Reason("MissingParam", "a TxProfile has a transactionId")
    if profile.transaction_id != site.transaction_id:  # K01.FR.09, FR.33
        return Reason("TxNotFound", f"no such transaction goes on at EVSE {evse_id}")
    return None


def _bad_profile(profile: Profile) -> Reason | None:
    if not 0 <= profile.stack_level <= MAX_STACK_LEVEL:
        return Reason("InvalidStackLevel", f"stackLevel is 0 to {MAX_STACK_LEVEL}")
    # Relative to a transaction, and so for transactions; of the station's maximum K01.FR.38 says so.
    if profile.kind == "Relative" and profile.purpose not in ("TxProfile", "TxDefaultProfile"):
        return Reason("InvalidProfile", f"a {profile.purpose} cannot be Relative")
    if profile.kind == "Recurring" and profile.recurrency_kind is None:
        return Reason("MissingParam", "a Recurring profile has a recurrencyKind")
    begins, ends = validity(profile)
    if begins >= ends:
        return Reason("InvalidProfile", "validTo is not after validFrom")
    return None


def _bad_schedule(profile: Profile, schedule: Schedule) -> Reason | None:
    if profile.kind != "Relative" and schedule.start_schedule is None:  # K01.FR.40
        return Reason("MissingParam", f"a schedule that is {profile.kind} has a startSchedule")
    if profile.kind == "Relative" and schedule.start_schedule is not None:  # K01.FR.41
        return Reason("InvalidSchedule", "a schedule that is Relative has no startSchedule")
    if schedule.duration is not None and schedule.duration <= 0:
        return Reason("InvalidSchedule", "duration is more than 0")
    rate = schedule.min_charging_rate
    if rate is not None and not (math.isfinite(rate) and rate >= 0):
        return Reason("InvalidSchedule", "minChargingRate is a number from 0")
    return None


def _bad_periods(schedule: Schedule, phases: int) -> Reason | None:
    starts = [period.start_period for period in schedule.periods]
    if len(starts) > MAX_PERIODS:
        return Reason("TooManyElements", f"{len(starts)} periods; at most {MAX_PERIODS} are accepted")
    if not starts or starts[0] != 0:  # K01.FR.31
        return Reason("InvalidSchedule", "the first period does not start at 0")
    if any(later <= earlier for earlier, later in pairwise(starts)):  # K01.FR.35
        return Reason("InvalidSchedule", "the periods are not ordered by startPeriod")
    if not all(math.isfinite(period.limit) and period.limit >= 0 for period in schedule.periods):
        return Reason("InvalidSchedule", "a limit is a number from 0")
    for period in schedule.periods:
        if period.number_phases is not None and not 1 <= period.number_phases <= 3:
            return Reason("InvalidSchedule", "numberPhases is 1 to 3")
        if period.number_phases is not None and period.number_phases < phases:  # K01.FR.43; more is fine by FR.45
            return Reason("UnsupportedParam", f"this station charges with {phases} phases and cannot switch any off")
        if period.phase_to_use is not None:  # K01.FR.19, FR.20, FR.48
            return Reason("UnsupportedParam", "this station cannot choose the phase")
    return None


def _clash(new: Installed, others: Collection[Installed]) -> Reason | None:
    """No two profiles may decide at the same time (K01.FR.06, FR.39, FR.52, FR.53)."""
    for other in others:
        if other.profile.purpose == new.profile.purpose and other.profile.stack_level == new.profile.stack_level:
            if new.profile.purpose == "TxProfile":
                clash = other.profile.transaction_id == new.profile.transaction_id
            elif other.evse_id == new.evse_id:
                clash = _overlap(other.profile, new.profile)
            else:
                clash = new.profile.purpose == "TxDefaultProfile" and 0 in (other.evse_id, new.evse_id)
            if clash:
                return Reason("DuplicateProfile", f"profile {other.profile.id} has that purpose and stackLevel")
    return None


def _overlap(one: Profile, other: Profile) -> bool:
    (one_begins, one_ends), (other_begins, other_ends) = validity(one), validity(other)
    return one_begins < other_ends and other_begins < one_ends
