"""Charging profiles: which are taken, and the limit that follows from them (OCPP 2.0.1 part 2, K)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from edge.station.smart_charging import (
    Criteria,
    Installed,
    Limit,
    Period,
    Profile,
    Profiles,
    Schedule,
    profile_from,
    to_ocpp,
)
from edge.station.smart_charging.rules import MAX_PERIODS, MAX_PROFILES, MAX_STACK_LEVEL
from protocol.messages import Version, make_request

#: A Monday, noon.
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
MIDNIGHT = datetime(2026, 11, 23, tzinfo=UTC)
HOUR, DAY = 3_600, 86_400
TX = "seed-0"
EXTERNAL, STATION_MAX = "ChargingStationExternalConstraints", "ChargingStationMaxProfile"
DAILY: dict[str, Any] = {"kind": "Recurring", "recurrency_kind": "Daily"}

OCPP: dict[str, Any] = {
    "id": 7,
    "stackLevel": 2,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Recurring",
    "recurrencyKind": "Weekly",
    "validFrom": "2026-11-23T12:00:00Z",
    "validTo": "2026-12-23T12:00:00Z",
    "transactionId": TX,
    "chargingSchedule": [
        {
            "id": 3,
            "startSchedule": "2026-11-23T00:00:00Z",
            "duration": 3600,
            "chargingRateUnit": "W",
            "minChargingRate": 1400.0,
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 11000.0, "numberPhases": 3},
                {"startPeriod": 60, "limit": 3700.5, "numberPhases": 1, "phaseToUse": 2},
            ],
        }
    ],
}


def after(seconds: float, start: datetime = NOON) -> datetime:
    return start + timedelta(seconds=seconds)


def a_profile(*periods: tuple[int, float], **more: Any) -> Profile:
    """A TxDefaultProfile from noon on, with (startPeriod, limit in A), unless `more` says otherwise."""
    schedule = {name: more.pop(name) for name in ("unit", "start_schedule", "duration") if name in more}
    if more.get("kind") != "Relative":
        schedule.setdefault("start_schedule", NOON)
    made = tuple(Period(start, float(limit)) for start, limit in periods or ((0, 16),))
    values: dict[str, Any] = {"id": 1, "stack_level": 0, "purpose": "TxDefaultProfile", "kind": "Absolute"}
    whole = Schedule(**{"id": 1, "unit": "A", "periods": made, **schedule})
    return Profile(**{**values, "schedules": (whole,), **more})


def install(profiles: Profiles, profile: Profile, evse: int = 1, **more: Any) -> tuple[Profiles, str | None]:
    """On a station with EVSEs 1 and 2 of one phase, and transaction TX on each. (Profiles, reasonCode or None)."""
    site = {"evses": (1, 2), "phases": 1, "transaction_id": TX, **more}
    profiles, reason = profiles.install(profile, evse, **site)
    return profiles, reason and reason.code


def holding(*profiles: Profile | tuple[Profile, int], **more: Any) -> Profiles:
    """With these installed, on EVSE 1 or where it says."""
    held = Profiles()
    for one in profiles:
        profile, evse = one if isinstance(one, tuple) else (one, 1)
        source = "EMS" if profile.purpose == EXTERNAL else "CSO"
        held, reason = install(held, profile, evse, source=source, **more)
        assert reason is None
    return held


def refused(profile: Profile, evse: int = 1, held: Profiles | None = None, **more: Any) -> str | None:
    """The reasonCode, if it is."""
    before = held or Profiles()
    profiles, reason = install(before, profile, evse, **more)
    assert (profiles is before) == (reason is not None)
    return reason


def limit(held: Profiles, at: datetime, evse: int = 1, **more: Any) -> Limit:
    """In a transaction since noon, one phase and no hardware's limit, unless `more` says otherwise."""
    started = more.pop("started", NOON)
    return held.limit_a(evse, at, started, **{"phases": 1, "station_max_a": None, **more})


def limits(held: Profiles, *seconds: float, **more: Any) -> list[float | None]:
    """The limits in force so long after noon."""
    return [limit(held, after(second), **more).limit_a for second in seconds]


class TestAProfile:
    def test_comes_from_a_typed_message_and_goes_back_to_the_same_names(self) -> None:
        request = make_request(Version.V201, "SetChargingProfile", {"evseId": 1, "chargingProfile": OCPP})
        profile = profile_from(request.charging_profile)
        assert (profile.stack_level, profile.schedules[0].periods[1].phase_to_use) == (2, 2)
        assert profile.valid_from == NOON
        assert to_ocpp(profile) == OCPP

    def test_what_was_not_sent_is_not_told(self) -> None:
        bare: dict[str, Any] = {**OCPP, "chargingSchedule": [{**OCPP["chargingSchedule"][0]}]}
        for name in ("recurrencyKind", "validFrom", "validTo", "transactionId"):
            del bare[name]
        for name in ("startSchedule", "duration", "minChargingRate"):
            del bare["chargingSchedule"][0][name]
        request = make_request(Version.V201, "SetChargingProfile", {"evseId": 1, "chargingProfile": bare})
        assert to_ocpp(profile_from(request.charging_profile)) == bare

    def test_a_sales_tariff_and_custom_data_are_left_out(self) -> None:
        tariff = {"id": 1, "salesTariffEntry": [{"relativeTimeInterval": {"start": 0}}]}
        schedule = {**OCPP["chargingSchedule"][0], "salesTariff": tariff}
        more = {**OCPP, "chargingSchedule": [schedule], "customData": {"vendorId": "x"}}
        request = make_request(Version.V201, "SetChargingProfile", {"evseId": 1, "chargingProfile": more})
        assert to_ocpp(profile_from(request.charging_profile)) == OCPP

    def test_all_profiles_are_as_they_were_when_read_back_from_disk(self) -> None:
        recurring = a_profile((0, 6), (60, 8.5), **DAILY, valid_to=after(DAY))
        external = a_profile(id=-1, purpose=EXTERNAL)
        mine = a_profile(id=3, purpose="TxProfile", transaction_id=TX)
        held = holding(recurring, (external, 0), mine)
        assert msgspec.json.decode(msgspec.json.encode(held), type=Profiles) == held


RELATIVE_MAX = a_profile(purpose=STATION_MAX, kind="Relative")


class TestInstalling:
    """K01. Each case: what makes it so, and the reasonCode."""

    @pytest.mark.parametrize(
        ("why", "profile", "evse", "code"),
        [
            ("a TxDefaultProfile is for an EVSE", a_profile(), 1, None),
            ("or for all of them", a_profile(), 0, None),
            ("an EVSE that is not there", a_profile(), 3, "UnknownEvse"),
            ("an EVSE below 0", a_profile(), -1, "UnknownEvse"),
            ("the station's maximum is for EVSE 0", a_profile(purpose=STATION_MAX), 0, None),
            ("and for no other", a_profile(purpose=STATION_MAX), 1, "InvalidProfile"),
            ("the station's maximum is not Relative", RELATIVE_MAX, 0, "InvalidProfile"),
            ("external constraints are not the CSMS's to set", a_profile(purpose=EXTERNAL), 0, "InvalidProfile"),
            ("a TxProfile of the transaction that goes on", a_profile(purpose="TxProfile", transaction_id=TX), 1, None),
            ("of another", a_profile(purpose="TxProfile", transaction_id="seed-9"), 1, "TxNotFound"),
            ("of none", a_profile(purpose="TxProfile"), 1, "MissingParam"),
            ("of all EVSEs", a_profile(purpose="TxProfile", transaction_id=TX), 0, "InvalidProfile"),
            ("only a TxProfile has a transactionId", a_profile(transaction_id=TX), 1, "InvalidProfile"),
            ("the lowest stack level is 0", a_profile(stack_level=-1), 1, "InvalidStackLevel"),
            ("the highest stack level", a_profile(stack_level=MAX_STACK_LEVEL), 1, None),
            ("is the highest", a_profile(stack_level=MAX_STACK_LEVEL + 1), 1, "InvalidStackLevel"),
            ("valid for no time", a_profile(valid_from=NOON, valid_to=NOON), 1, "InvalidProfile"),
            ("recurring, but how often?", a_profile(kind="Recurring"), 1, "MissingParam"),
            ("recurring, from when?", a_profile(**DAILY, start_schedule=None), 1, "MissingParam"),
            ("absolute, from when?", a_profile(start_schedule=None), 1, "MissingParam"),
            ("relative to the transaction", a_profile(kind="Relative"), 1, None),
            ("relative and from noon", a_profile(kind="Relative", start_schedule=NOON), 1, "InvalidSchedule"),
            ("a time without its zone", a_profile(valid_to=datetime(2027, 1, 1)), 1, "InvalidProfile"),  # noqa: DTZ001
            ("no duration at all", a_profile(duration=0), 1, "InvalidSchedule"),
            ("a duration of a second", a_profile(duration=1), 1, None),
            ("no schedule", a_profile(schedules=()), 1, "InvalidSchedule"),
            ("several are ISO 15118's", a_profile(schedules=a_profile().schedules * 2), 1, "InvalidSchedule"),
            ("the first period is at 0", a_profile((1, 16)), 1, "InvalidSchedule"),
            ("periods in another order", a_profile((0, 1), (9, 1), (5, 1)), 1, "InvalidSchedule"),
            ("two periods at once", a_profile((0, 1), (5, 1), (5, 2)), 1, "InvalidSchedule"),
            ("as many periods as may be", a_profile(*((n, n) for n in range(MAX_PERIODS))), 1, None),
            ("one period more", a_profile(*((n, n) for n in range(MAX_PERIODS + 1))), 1, "TooManyElements"),
            ("nothing may be drawn", a_profile((0, 0)), 1, None),
            ("less than nothing", a_profile((0, -0.1)), 1, "InvalidSchedule"),
            ("a limit that is no number", a_profile((0, math.nan)), 1, "InvalidSchedule"),
            ("a limit that is none", a_profile((0, math.inf)), 1, "InvalidSchedule"),
            ("an integer of more than 32 bits", a_profile((0, 1), (2**31, 1)), 1, "InvalidProfile"),
            ("an id of more than 32 bits", a_profile(id=10**30), 1, "InvalidProfile"),
        ],
    )  # fmt: skip
    def test_a_profile_that_breaks_a_rule_is_refused(
        self, why: str, profile: Profile, evse: int, code: str | None
    ) -> None:
        assert (why, refused(profile, evse)) == (why, code)

    def test_no_periods_and_odd_minimum_rates_are_refused(self) -> None:
        (schedule,) = a_profile().schedules
        for odd in ({"periods": ()}, {"min_charging_rate": -1.0}, {"min_charging_rate": math.nan}):
            assert refused(a_profile(schedules=(replace(schedule, **odd),))) == "InvalidSchedule"

    @pytest.mark.parametrize(
        ("station_phases", "number_phases", "phase_to_use", "code"),
        [
            (1, 3, None, None),  # K01.FR.45: fewer are used
            (3, 3, None, None),
            (3, 1, None, "UnsupportedParam"),  # K01.FR.43: nothing here can switch two off
            (1, 1, 2, "UnsupportedParam"),  # K01.FR.48
            (3, 4, None, "InvalidSchedule"),
            (1, 0, None, "InvalidSchedule"),
        ],
    )
    def test_phases_that_the_station_cannot_promise_are_refused(
        self, station_phases: int, number_phases: int, phase_to_use: int | None, code: str | None
    ) -> None:
        (schedule,) = a_profile().schedules
        period = Period(0, 16.0, number_phases, phase_to_use)
        profile = a_profile(schedules=(replace(schedule, periods=(period,)),))
        assert refused(profile, phases=station_phases) == code

    def test_the_same_id_replaces_wherever_it_was(self) -> None:
        held = holding(a_profile((0, 16)), a_profile((0, 8), id=2, stack_level=1))
        held, reason = install(held, a_profile((0, 20), stack_level=5), 2)
        assert reason is None
        assert [(one.profile.id, one.evse_id) for one in held.installed] == [(2, 1), (1, 2)]

    def test_a_refusal_leaves_what_it_would_have_replaced(self) -> None:
        held = holding(a_profile((0, 16)))
        assert refused(a_profile((0, -1)), held=held) == "InvalidSchedule"
        assert limits(held, 0) == [16.0]

    @pytest.mark.parametrize(
        ("why", "one", "evse", "other", "other_evse", "code"),
        [
            ("same level, same EVSE", {}, 1, {}, 1, "DuplicateProfile"),
            ("another level", {}, 1, {"stack_level": 1}, 1, None),
            ("another EVSE", {}, 1, {}, 2, None),
            ("all EVSEs after one", {}, 1, {}, 0, "DuplicateProfile"),
            ("one EVSE after all", {}, 0, {}, 2, "DuplicateProfile"),
            ("one EVSE after all, at another level", {}, 0, {"stack_level": 1}, 2, None),
            ("another time", {"valid_to": NOON}, 1, {"valid_from": NOON}, 1, None),
            ("an earlier time", {"valid_from": NOON}, 1, {"valid_to": NOON}, 1, None),
            ("a second of both", {"valid_to": after(1)}, 1, {"valid_from": NOON}, 1, "DuplicateProfile"),
            ("station's maximum twice", {"purpose": STATION_MAX}, 0, {"purpose": STATION_MAX}, 0, "DuplicateProfile"),
            ("another purpose", {"purpose": STATION_MAX}, 0, {}, 0, None),
        ],
    )
    def test_no_two_profiles_may_decide_at_the_same_time(
        self, why: str, one: dict[str, Any], evse: int, other: dict[str, Any], other_evse: int, code: str | None
    ) -> None:
        held = holding((a_profile(**one), evse))
        assert (why, refused(a_profile(id=2, **other), other_evse, held)) == (why, code)

    def test_nor_two_txprofiles_of_a_level_for_a_transaction_however_valid(self) -> None:
        held = holding(a_profile(purpose="TxProfile", transaction_id=TX, valid_to=NOON))
        later = a_profile(id=2, purpose="TxProfile", transaction_id=TX, valid_from=NOON)
        assert refused(later, held=held) == "DuplicateProfile"
        assert refused(replace(later, stack_level=1), held=held) is None

    def test_the_csms_cannot_replace_what_an_external_system_has_set(self) -> None:
        held = holding((a_profile(id=-1, purpose=EXTERNAL), 0))
        assert refused(a_profile(id=-1), held=held) == "DuplicateProfile"
        assert refused(a_profile((0, 6), id=-1, purpose=EXTERNAL), 0, held, source="EMS") is None

    def test_an_external_system_sets_nothing_but_constraints(self) -> None:
        assert refused(a_profile(), source="EMS") == "InvalidProfile"

    def test_a_txprofile_without_a_transaction_is_refused(self) -> None:
        assert refused(a_profile(purpose="TxProfile", transaction_id=TX), transaction_id=None) == "TxNotFound"

    def test_there_is_room_for_so_many_and_for_replacing_one_of_them(self) -> None:
        levels = range(MAX_STACK_LEVEL + 1)
        held = holding(*(a_profile(id=n, stack_level=n) for n in levels))
        for n in range(MAX_PROFILES - len(levels)):
            held, _ = install(held, a_profile(id=100 + n, stack_level=n), 2)
        assert len(held.installed) == MAX_PROFILES
        assert refused(a_profile(id=999, stack_level=9), 2, held) == "TooManyElements"
        assert refused(a_profile((0, 1), id=3, stack_level=3), 1, held) is None


class TestFindingAndClearing:
    @pytest.fixture
    def held(self) -> Profiles:
        return holding(
            a_profile(id=1),
            (a_profile(id=2, stack_level=1), 0),
            (a_profile(id=3), 2),
            a_profile(id=4, purpose="TxProfile", transaction_id=TX),
            (a_profile(id=5, purpose=STATION_MAX), 0),
            (a_profile(id=-6, purpose=EXTERNAL), 0),
        )

    @pytest.mark.parametrize(
        ("wanted", "ids"),
        [
            ({}, [1, 2, 3, 4, 5]),
            ({"id": 3}, [3]),
            ({"id": 9}, []),
            ({"evse": 0}, [2, 5]),
            ({"evse": 1}, [1, 4]),
            ({"purpose": "TxDefaultProfile"}, [1, 2, 3]),
            ({"purpose": "TxDefaultProfile", "evse": 1}, [1]),
            ({"stack_level": 1}, [2]),
            ({"id": -6}, []),
            ({"purpose": EXTERNAL}, []),
        ],
    )
    def test_what_fits_all_that_is_given_is_cleared_but_nothing_external(
        self, held: Profiles, wanted: dict[str, Any], ids: list[int]
    ) -> None:
        left, cleared = held.clear(**wanted)
        assert cleared == len(ids)
        assert [one.profile.id for one in held.installed if one not in left.installed] == ids
        assert (left is held) == (ids == [])

    @pytest.mark.parametrize(
        ("criteria", "ids"),
        [
            (Criteria(), [1, 2, 3, 4, 5, -6]),
            (Criteria(ids=frozenset([2, -6, 8])), [2, -6]),
            (Criteria(evse=0, sources=frozenset(["EMS"])), [-6]),
            (Criteria(purpose="TxDefaultProfile", stack_level=0), [1, 3]),
            (Criteria(evse=7), []),
        ],
    )
    def test_what_fits_all_criteria_is_found(self, held: Profiles, criteria: Criteria, ids: list[int]) -> None:
        assert [one.profile.id for one in held.find(criteria)] == ids

    def test_an_external_system_releases_its_own(self, held: Profiles) -> None:
        assert held.release("SO") == (held, 0)
        left, released = held.release("EMS")
        assert (released, left.find(Criteria(ids=frozenset([-6])))) == (1, ())

    def test_a_transaction_takes_its_profiles_with_it(self, held: Profiles) -> None:
        assert held.drop_transaction("seed-9") is held
        assert held.drop_transaction(TX).find(Criteria(purpose="TxProfile")) == ()
        assert len(held.drop_transaction(TX).installed) == 5

    def test_after_a_power_cut_only_those_of_open_transactions_are_kept(self, held: Profiles) -> None:
        assert held.keep_transactions([TX, "seed-9"]) is held
        assert held.keep_transactions([]) == held.drop_transaction(TX)


class TestTheLimit:
    def test_without_profiles_there_is_none_but_the_hardwares(self) -> None:
        assert limit(Profiles(), NOON) == Limit(None, None)
        assert limit(Profiles(), NOON, station_max_a=32.0) == Limit(32.0, None)

    def test_a_period_lasts_until_the_next_and_the_last_one_for_ever(self) -> None:
        held = holding(a_profile((0, 16), (60, 8)))
        assert limit(held, NOON) == Limit(16.0, after(60))
        assert limit(held, after(59.9)) == Limit(16.0, after(60))
        assert limit(held, after(60)) == Limit(8.0, None)

    def test_a_schedule_imposes_nothing_before_its_start(self) -> None:
        assert limit(holding(a_profile()), after(-1)) == Limit(None, NOON)

    def test_when_its_duration_ends_so_does_the_limit(self) -> None:
        held = holding(a_profile((0, 16), (60, 8), (200, 4), duration=120))
        assert limit(held, after(60)) == Limit(8.0, after(120))
        assert limit(held, after(120)) == Limit(None, None)

    def test_the_higher_stack_level_shadows_the_lower_even_where_it_allows_more(self) -> None:
        held = holding(a_profile((0, 6)), a_profile((0, 20), id=2, stack_level=1))
        assert limits(held, 0) == [20.0]

    def test_a_gap_in_the_higher_one_shows_the_lower(self) -> None:
        high = a_profile((0, 20), id=2, stack_level=3, start_schedule=after(60), duration=60)
        held = holding(a_profile((0, 6), (90, 7)), high)
        assert limits(held, 59, 60, 119, 120) == [6.0, 20.0, 20.0, 7.0]
        assert limit(held, after(60)) == Limit(20.0, after(120))  # what happens below does not matter
        assert limit(held, NOON) == Limit(6.0, after(60))

    def test_a_profile_is_valid_from_its_first_moment_to_before_its_last(self) -> None:
        held = holding(a_profile(start_schedule=MIDNIGHT, valid_from=NOON, valid_to=after(60)))
        assert limits(held, -1, 0, 59, 60) == [None, 16.0, 16.0, None]
        assert limit(held, after(-1)) == Limit(None, NOON)
        assert limit(held, after(1)) == Limit(16.0, after(60))

    def test_the_default_of_all_evses_holds_at_each_and_stacks_with_its_own(self) -> None:
        held = holding((a_profile((0, 10)), 0), (a_profile((0, 13), id=2, stack_level=1), 2))
        assert [limit(held, NOON, evse).limit_a for evse in (1, 2)] == [10.0, 13.0]

    def test_the_transactions_profile_overrules_the_default_whatever_its_level(self) -> None:
        default = a_profile((0, 6), stack_level=9)
        held = holding(default, a_profile((0, 20), id=2, purpose="TxProfile", transaction_id=TX, duration=60))
        assert limits(held, 0, 59, 60) == [20.0, 20.0, 6.0]  # K02.FR.08: and when it ends, the default is back
        assert limits(held, 0, evse=2) == [None]
        assert limits(held, 0, started=None) == [6.0]

    def test_the_lowest_of_station_transaction_external_and_hardware_is_in_force(self) -> None:
        held = holding(
            a_profile((0, 20), (60, 5)),
            (a_profile((0, 18), (10, 32), id=2, purpose=STATION_MAX), 0),
            (a_profile((0, 40), (20, 17), (30, 40), id=-3, purpose=EXTERNAL), 0),
            (a_profile((0, 40), (40, 12), (50, 40), id=-4, purpose=EXTERNAL), 1),
        )
        assert limits(held, 0, 10, 20, 30, 40, 50, 60, station_max_a=19.0) == [18.0, 19, 17, 19, 12, 19, 5]
        assert limits(held, 40, evse=2) == [32.0]

    def test_evse_0_is_the_station_itself_and_no_default_holds_there(self) -> None:
        held = holding((a_profile((0, 6)), 0), (a_profile((0, 60), id=2, purpose=STATION_MAX), 0))
        assert limits(held, 0, evse=0) == [60.0]

    def test_evses_that_draw_at_once_share_what_the_station_may(self) -> None:
        held = holding((a_profile((0, 40), id=2, purpose=STATION_MAX), 0), a_profile((0, 32)))
        assert limits(held, 0) == [32.0]
        assert limits(held, 0, sharing=2) == [20.0]

    def test_watts_are_amperes_by_the_phases_and_the_voltage(self) -> None:
        held = holding(a_profile((0, 11_040), unit="W"))
        assert limits(held, 0) == [48.0]
        assert limits(held, 0, phases=3) == [16.0]
        assert limits(held, 0, phases=3, voltage_v=115.0) == [32.0]

    def test_amperes_are_per_phase(self) -> None:
        assert limits(holding(a_profile((0, 16))), 0, phases=3) == [16.0]

    def test_watts_and_amperes_are_compared_as_what_they_come_to(self) -> None:
        held = holding(a_profile((0, 10)), (a_profile((0, 6_900), id=2, purpose=STATION_MAX, unit="W"), 0))
        assert limits(held, 0, phases=1) == [10.0]
        assert limits(held, 0, phases=3) == [10.0]
        assert limits(held, 0, phases=3, voltage_v=400.0) == [5.75]

    def test_a_relative_schedule_counts_from_the_transactions_start(self) -> None:
        held = holding(a_profile((0, 6), (60, 16), kind="Relative", duration=120))
        started = after(1_000)
        assert limits(held, 999, 1_000, 1_060, 1_120, started=started) == [None, 6.0, 16.0, None]
        assert limit(held, after(1_000), started=started) == Limit(6.0, after(1_060))
        assert limit(held, NOON, started=None) == Limit(None, None)

    def test_a_daily_schedule_goes_over_midnight(self) -> None:
        held = holding(
            a_profile(
                (0, 6), (3 * HOUR, 10), **DAILY,
                start_schedule=MIDNIGHT + timedelta(hours=22), duration=8 * HOUR,
            )
        )  # fmt: skip
        midnight = MIDNIGHT + timedelta(days=9)
        told = [limit(held, midnight + timedelta(hours=hour)) for hour in (-3, -2, -1, 0, 1, 5, 6)]
        assert [one.limit_a for one in told] == [None, 6.0, 6.0, 6.0, 10.0, 10.0, None]
        assert told[0].until == midnight - timedelta(hours=2)
        assert told[3].until == midnight + timedelta(hours=1)
        assert told[5].until == midnight + timedelta(hours=6)
        assert told[6].until == midnight + timedelta(hours=22)

    def test_a_daily_schedule_without_duration_or_with_more_than_a_day_starts_again_every_day(self) -> None:
        for duration in (None, 3 * DAY):
            daily = a_profile((0, 6), (HOUR, 16), **DAILY, duration=duration)
            held = holding(daily)
            assert limit(held, after(2 * DAY - 1)) == Limit(16.0, after(2 * DAY))
            assert limit(held, after(2 * DAY)) == Limit(6.0, after(2 * DAY + HOUR))

    def test_a_weekly_schedule_holds_on_its_day(self) -> None:
        sunday = MIDNIGHT + timedelta(days=6)
        weekly = a_profile(
            (0, 32),
            id=2,
            stack_level=1,
            kind="Recurring",
            recurrency_kind="Weekly",
            start_schedule=sunday,
            duration=DAY,
        )
        held = holding(a_profile((0, 6)), weekly)
        week = [limit(held, MIDNIGHT + timedelta(days=14 + day, hours=13)).limit_a for day in range(7)]
        assert week == [6.0] * 6 + [32.0]
        assert limit(held, MIDNIGHT + timedelta(days=14)).until == sunday + timedelta(weeks=2)

    def test_a_schedule_that_recurs_does_not_before_its_start(self) -> None:
        held = holding(a_profile(**DAILY))
        assert limit(held, after(-3 * DAY)) == Limit(None, NOON)

    def test_the_clocks_change_and_a_daily_schedule_stays_at_its_time_in_utc(self) -> None:
        rome = ZoneInfo("Europe/Rome")
        evening = datetime(2026, 3, 28, 18, 0, tzinfo=rome)  # the clocks go forward that night
        held = holding(a_profile((0, 6), **DAILY, start_schedule=evening, duration=HOUR))
        assert limit(held, datetime(2026, 3, 29, 18, 30, tzinfo=rome)).limit_a is None
        assert limit(held, datetime(2026, 3, 29, 19, 30, tzinfo=rome)).limit_a == 6.0
        assert limit(held, datetime(2026, 3, 29, 17, 0, tzinfo=UTC)).until == datetime(2026, 3, 29, 18, 0, tzinfo=UTC)

    def test_times_in_other_zones_are_the_same_moments(self) -> None:
        there = timezone(timedelta(hours=-9))
        held = holding(a_profile((0, 6), (60, 8), start_schedule=NOON.astimezone(there), valid_to=after(90)))
        assert limit(held, after(59).astimezone(there)) == Limit(6.0, after(60))
        assert limits(held, 60, 90) == [8.0, None]

    def test_times_at_the_calendars_ends_do_no_harm(self) -> None:
        first = datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=14)))
        last = datetime(9999, 12, 31, 23, 59, 59, tzinfo=timezone(timedelta(hours=-12)))
        old = a_profile((0, 6), (2**31 - 1, 7), start_schedule=first, valid_from=first, valid_to=last)
        assert limit(holding(old), NOON).limit_a == 7.0
        assert limit(holding(old), NOON).until is None
        assert limit(holding(a_profile(start_schedule=last)), NOON) == Limit(None, None)

    def test_fractions_of_a_second_are_dropped_on_both_sides(self) -> None:
        held = holding(a_profile((0, 6), (10, 8), start_schedule=after(0.9)))
        assert limits(held, 0.1, 9.9, 10.0) == [6.0, 6.0, 8.0]

    def test_once_a_limit_of_the_whole_station_has_expired_the_safe_minimum_counts(self) -> None:
        lease = a_profile((0, 16), purpose="ChargingStationMaxProfile", duration=60)
        held = holding((lease, 0))
        assert limits(held, 0, 59.9, 60, DAY, safe_a=6.0) == [16.0, 16.0, 6.0, 6.0]
        assert limits(held, 0, 60) == [16.0, None]

    def test_no_share_is_taken_of_the_safe_minimum(self) -> None:
        held = holding((a_profile((0, 16), purpose="ChargingStationMaxProfile", valid_to=after(60)), 0))
        assert limits(held, 0, 60, safe_a=6.0, sharing=2) == [8.0, 6.0]

    def test_a_limit_that_has_not_begun_or_that_another_follows_has_not_expired(self) -> None:
        later = a_profile((0, 16), purpose="ChargingStationMaxProfile", start_schedule=after(60), duration=60)
        held = holding((later, 0))
        assert limits(held, 0, 60, 120, safe_a=6.0) == [None, 16.0, 6.0]
        lower = a_profile((0, 10), id=2, stack_level=1, purpose="ChargingStationMaxProfile", duration=60)
        held = holding((a_profile((0, 20), purpose="ChargingStationMaxProfile"), 0), (lower, 0))
        assert limits(held, 0, 60, safe_a=6.0) == [10.0, 20.0]

    def test_an_expired_limit_of_a_transaction_is_none(self) -> None:
        assert limits(holding(a_profile((0, 16), duration=60)), 0, 60, safe_a=6.0) == [16.0, None]


class TestTheCompositeSchedule:
    def test_is_what_all_say_together_with_equal_neighbours_merged(self) -> None:
        held = holding(
            a_profile((0, 16), (60, 8), (120, 16), (180, 16)),
            (a_profile((0, 10), id=2, purpose=STATION_MAX, start_schedule=after(150), duration=100), 0),
        )
        told = held.composite(1, NOON, 400, "A", NOON, phases=1, station_max_a=32.0)
        assert told == [(0, 16.0), (60, 8.0), (120, 16.0), (150, 10.0), (250, 16.0)]

    def test_is_in_watts_of_all_phases_where_they_are_asked_for(self) -> None:
        held = holding(a_profile((0, 16)))
        assert held.composite(1, NOON, 10, "W", NOON, phases=3, station_max_a=None) == [(0, 11_040.0)]

    def test_ends_with_the_time_that_was_asked_for(self) -> None:
        held = holding(a_profile((0, 16), (60, 8)))
        assert held.composite(1, NOON, 60, "A", NOON, phases=1, station_max_a=None) == [(0, 16.0)]
        assert held.composite(1, NOON, 0, "A", NOON, phases=1, station_max_a=None) == []

    def test_says_none_where_nothing_limits(self) -> None:
        held = holding(a_profile((0, 16), duration=60))
        told = held.composite(1, after(-5), 100, "A", NOON, phases=1, station_max_a=None)
        assert told == [(0, None), (5, 16.0), (65, None)]


# -- any profiles ------------------------------------------------------------------------------------------------------

#: So that things happen in the days that are looked at.
_offsets = st.integers(-9 * DAY, 2 * DAY) | st.sampled_from([-DAY, -1, 0, 1, HOUR, DAY])
_times = _offsets.map(after)


@st.composite
def profiles(draw: st.DrawFn) -> tuple[Profile, int]:
    purpose = draw(st.sampled_from(["TxDefaultProfile", "TxProfile", STATION_MAX, EXTERNAL]))
    kind = draw(st.sampled_from(["Absolute", "Recurring", "Relative"]))
    unit = draw(st.sampled_from(["A", "W"]))
    starts = sorted({0, *draw(st.lists(st.integers(1, DAY) | st.integers(1, 3), max_size=4))})
    most = 40 if unit == "A" else 25_000
    values = draw(st.lists(st.integers(0, 10 * most).map(lambda n: n / 10), min_size=len(starts), max_size=len(starts)))
    return (
        a_profile(
            *zip(starts, values, strict=True),
            id=draw(st.integers(1, 30)),
            stack_level=draw(st.integers(0, 3)),
            purpose=purpose,
            kind=kind,
            unit=unit,
            recurrency_kind=draw(st.sampled_from(["Daily", "Weekly"])) if kind == "Recurring" else None,
            start_schedule=None if kind == "Relative" else draw(_times),
            duration=draw(st.none() | st.integers(1, 2 * DAY)),
            valid_from=draw(st.none() | _times),
            valid_to=draw(st.none() | _times),
            transaction_id=TX if purpose == "TxProfile" else None,
        ),
        draw(st.sampled_from([0, 1, 1, 2])),
    )


@st.composite
def stores(draw: st.DrawFn) -> Profiles:
    """Whatever of some profiles was not refused."""
    held = Profiles()
    for profile, evse in draw(st.lists(profiles(), max_size=8)):
        held, _ = install(held, profile, evse, source="EMS" if profile.purpose == EXTERNAL else "CSO")
    return held


class Supplied(msgspec.Struct, frozen=True):
    phases: int
    voltage_v: float
    station_max_a: float | None
    sharing: int


_supplies = st.builds(
    Supplied,
    st.sampled_from([1, 3]),
    st.sampled_from([115.0, 230.0]),
    st.none() | st.sampled_from([16.0, 32.0]),
    st.sampled_from([1, 2, 3]),
)
_evses = st.sampled_from([0, 1, 1, 2])
_starts = st.none() | _times


@given(stores(), _evses, _times, _starts, st.integers(1, 2 * DAY), _supplies, st.sampled_from("AW"), st.data())
def test_the_composite_schedule_is_the_limit_at_every_second(
    held: Profiles, evse: int, start: datetime, started: datetime | None, duration_s: int, supply: Supplied, unit: Any,
    data: st.DataObject,
) -> None:  # fmt: skip
    how = msgspec.to_builtins(supply)
    told = held.composite(evse, start, duration_s, unit, started, **how)
    offsets = [offset for offset, _ in told]
    assert offsets == sorted(set(offsets))
    assert (offsets[0], offsets[-1] < duration_s) == (0, True)
    assert all(one[1] != other[1] for one, other in pairwise(told))
    edges = {offset + by for offset in offsets for by in (-1, 0, 1)}
    anywhere = data.draw(st.lists(st.integers(0, duration_s - 1), max_size=20))
    for second in sorted({second for second in edges if 0 <= second < duration_s} | set(anywhere)):
        limit_a = held.limit_a(evse, after(second, start), started, **how).limit_a
        factor = supply.phases * supply.voltage_v if unit == "W" else 1
        expected = None if limit_a is None else limit_a * factor
        assert [value for offset, value in told if offset <= second][-1] == expected


@given(stores(), _evses, _times, _starts, _supplies)
def test_the_limit_is_what_the_specification_says_word_by_word(
    held: Profiles, evse: int, at: datetime, started: datetime | None, supply: Supplied
) -> None:
    limit_a = held.limit_a(evse, at, started, **msgspec.to_builtins(supply)).limit_a
    assert limit_a == by_the_book(held.installed, evse, at, started, supply)


@given(stores(), _evses, _times, _starts, _supplies, st.data())
def test_the_limit_holds_as_long_as_it_says(
    held: Profiles, evse: int, at: datetime, started: datetime | None, supply: Supplied, data: st.DataObject
) -> None:
    how = msgspec.to_builtins(supply)
    lease = held.limit_a(evse, at, started, **how)
    lasts = 30 * DAY if lease.until is None else round((lease.until - at).total_seconds())
    assert lasts > 0
    for second in (lasts - 1, data.draw(st.integers(0, lasts - 1))):
        assert held.limit_a(evse, after(second, at), started, **how).limit_a == lease.limit_a


@given(stores())
def test_whatever_is_installed_is_the_same_after_a_restart(held: Profiles) -> None:
    assert msgspec.json.decode(msgspec.json.encode(held), type=Profiles) == held


def by_the_book(
    installed: Sequence[Installed], evse: int, at: datetime, started: datetime | None, supply: Supplied
) -> float | None:
    """Section 3.5, done slowly: every profile's limit then, the highest of each purpose, the lowest of these."""

    def leading(purpose: str, *evses: int) -> float | None:
        said = {
            one.profile.stack_level: value
            for one in installed
            if one.profile.purpose == purpose and one.evse_id in evses
            if (value := one_by_the_book(one.profile, at, started, supply)) is not None
        }
        return said[max(said)] if said else None

    caps = [supply.station_max_a]
    for purpose in (STATION_MAX, EXTERNAL):
        whole = leading(purpose, 0)
        caps.append(None if whole is None else whole / supply.sharing)
    if evse:
        own = None if started is None else leading("TxProfile", evse)
        caps.append(leading("TxDefaultProfile", 0, evse) if own is None else own)
        caps.append(leading(EXTERNAL, evse))
    return min((cap for cap in caps if cap is not None), default=None)


def one_by_the_book(profile: Profile, at: datetime, started: datetime | None, supply: Supplied) -> float | None:
    (schedule,) = profile.schedules
    start = started if profile.kind == "Relative" else schedule.start_schedule
    if start is None or at < start:
        return None
    if (profile.valid_from and at < profile.valid_from) or (profile.valid_to and at >= profile.valid_to):
        return None
    if profile.kind == "Recurring":
        cycle = timedelta(days=1 if profile.recurrency_kind == "Daily" else 7)
        while start + cycle <= at:
            start += cycle
    elapsed = (at - start).total_seconds()
    if schedule.duration is not None and elapsed >= schedule.duration:
        return None
    value = next(period.limit for period in reversed(schedule.periods) if period.start_period <= elapsed)
    return value if schedule.unit == "A" else value / (supply.phases * supply.voltage_v)
