"""What a session costs: exact, rounded once, and the same in whatever order its events came."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.domain import tariffs
from cloud.domain.cost import Cost, Prices
from cloud.domain.currencies import units, words
from cloud.domain.quarters import MAX_QUARTERS, QUARTER_MS, Quarter, Quarters, add_energy, add_time, milliseconds
from cloud.domain.sessions import Fact, fold_all
from cloud.domain.soc import estimate
from cloud.domain.tariffs import Agreed, Element, Tariff, describe
from tests.support.csms_world import NOON

NOON_NUMBER = milliseconds(NOON) // QUARTER_MS
FLAT = Tariff("EUR", energy_per_kwh=Decimal(45))


def agreed(tariff: Tariff, zone: str = "UTC") -> Agreed:
    return Agreed("t", 1, "Tariff", zone, tariff)


def cost(tariff: Tariff, quarters: Quarters, zone: str = "UTC") -> Cost:
    return Prices(agreed(tariff, zone)).cost(quarters)


def lines(found: Cost) -> list[tuple[str, Decimal | None, Decimal, int]]:
    return [(item.kind, item.quantity, item.price, item.amount) for item in found.items]


def at(minutes: float) -> datetime:
    return NOON + timedelta(minutes=minutes)


def one(energy_wh: int, charging_min: float = 0, idle_min: float = 0, number: int = NOON_NUMBER) -> Quarters:
    return (Quarter(number, energy_wh, round(charging_min * 60_000), round(idle_min * 60_000)),)


# -- the parts ---------------------------------------------------------------------------------------------------------


def test_every_part_has_its_line() -> None:
    tariff = Tariff(
        "EUR",
        energy_per_kwh=Decimal(45),
        charging_per_min=Decimal("2.5"),
        idle_per_min=Decimal(10),
        idle_grace_min=15,
        start_fee=Decimal(50),
    )
    found = cost(tariff, one(10_000, charging_min=60, idle_min=20))
    assert lines(found) == [
        ("start", None, Decimal(50), 50),
        ("energy", Decimal(10), Decimal(45), 450),
        ("charging", Decimal(60), Decimal("2.5"), 150),
        ("idle", Decimal(5), Decimal(10), 50),
    ]
    assert (found.total, found.currency, found.tax) == (700, "EUR", 0)


def test_without_energy_nothing_is_to_pay() -> None:
    tariff = Tariff("EUR", start_fee=Decimal(50), minimum=Decimal(100), charging_per_min=Decimal(1))
    assert cost(tariff, one(0, charging_min=30)) == Cost(0, 0, "EUR", ())
    assert cost(tariff, ()) == Cost(0, 0, "EUR", ())


def test_the_minimum_is_made_up_for() -> None:
    tariff = msgspec.structs.replace(FLAT, minimum=Decimal(500))
    assert lines(cost(tariff, one(2_000)))[1:] == [("minimum", None, Decimal(500), 410)]
    assert cost(tariff, one(2_000)).total == 500
    assert cost(tariff, one(20_000)).total == 900


def test_tax_is_in_the_price_or_is_added() -> None:
    within = cost(msgspec.structs.replace(FLAT, tax_pct=Decimal(22)), one(10_000))
    assert (within.total, within.tax, len(within.items)) == (450, 81, 1)
    added = cost(msgspec.structs.replace(FLAT, tax_pct=Decimal(22), tax_included=False), one(10_000))
    assert (added.total, added.tax, lines(added)[1]) == (549, 99, ("tax", None, Decimal(22), 99))


@pytest.mark.parametrize(("wh", "cents"), [(11, 0), (12, 1), (33, 1), (34, 2), (1_000, 45), (1_011, 45), (1_012, 46)])
def test_the_total_is_rounded_half_up(wh: int, cents: int) -> None:
    assert cost(FLAT, one(wh)).total == cents


def test_exactly_half_a_cent_is_one_cent() -> None:
    tariff = Tariff("EUR", energy_per_kwh=Decimal(50))
    assert [cost(tariff, one(wh)).total for wh in (10, 30, 50)] == [1, 2, 3]


def test_halves_on_two_lines_are_not_rounded_twice() -> None:
    tariff = Tariff("EUR", energy_per_kwh=Decimal(50), start_fee=Decimal("0.5"))
    found = cost(tariff, one(10))
    assert (found.total, [item.amount for item in found.items]) == (1, [1, 0])


# -- the time of day ---------------------------------------------------------------------------------------------------

NIGHT = Element(from_min=22 * 60, to_min=6 * 60, energy_per_kwh=Decimal(20))
BY_HOUR = Tariff("EUR", energy_per_kwh=Decimal(40), elements=(NIGHT,))


def rome(day: int, hour: int, minute: int = 0, month: int = 11) -> datetime:
    return tariffs.local(datetime(2026, month, day, tzinfo=UTC), "Europe/Rome").replace(hour=hour, minute=minute)


def test_energy_is_split_at_the_hour_by_the_clock_at_the_site() -> None:
    quarters = add_energy((), rome(23, 21), rome(23, 23), 8_000)
    assert lines(cost(BY_HOUR, quarters, "Europe/Rome")) == [
        ("energy", Decimal(4), Decimal(40), 160),
        ("energy", Decimal(4), Decimal(20), 80),
    ]
    assert cost(BY_HOUR, quarters, "America/New_York").total == 320


def test_the_hour_that_comes_twice_is_night_twice() -> None:
    start = datetime(2026, 10, 24, 22, 0, tzinfo=UTC)  # midnight in Rome; at 1:00 UTC the clock goes back
    assert cost(BY_HOUR, add_energy((), start, start + timedelta(hours=7), 7_000), "Europe/Rome").total == 140


def test_hours_over_midnight_belong_to_the_day_on_which_they_begin() -> None:
    friday = Element(days=(4,), from_min=22 * 60, to_min=6 * 60)
    applies = [friday.applies(rome(day, hour)) for day, hour in ((27, 23), (28, 5), (28, 6), (28, 23), (27, 5))]
    assert applies == [True, True, False, False, False]


def test_days_alone_are_whole_days() -> None:
    weekend = Element(days=(5, 6))
    assert [weekend.applies(rome(day, hour)) for day, hour in ((27, 23), (28, 0), (29, 23), (30, 0))] == [
        False,
        True,
        True,
        False,
    ]


def test_the_first_element_that_applies_counts_and_lends_what_it_lacks() -> None:
    tariff = msgspec.structs.replace(
        BY_HOUR,
        charging_per_min=Decimal(1),
        elements=(Element(days=(0,), energy_per_kwh=Decimal(10)), NIGHT),  # noon is on a Monday
    )
    assert lines(cost(tariff, one(1_000, charging_min=15))) == [
        ("energy", Decimal(1), Decimal(10), 10),
        ("charging", Decimal(15), Decimal(1), 15),
    ]


def test_the_minutes_of_grace_are_the_first() -> None:
    tariff = Tariff("EUR", idle_per_min=Decimal(1), idle_grace_min=20)
    quarters = add_time(one(100), at(0), at(30), idle=True)
    assert [item.quantity for item in cost(tariff, quarters).items if item.kind == "idle"] == [Decimal(10)]


# -- what a session tells ----------------------------------------------------------------------------------------------


def told(*events: tuple[float, str, int | None]) -> list[Fact]:
    """(minutes, state, register): the last one ends the session."""
    kinds = ["Started", *["Updated"] * (len(events) - 2), "Ended"]
    return [
        Fact(
            number,
            kind,
            at(minutes),
            charging_state=state,
            registers=() if register is None else ((at(minutes), register),),
        )
        for number, (kind, (minutes, state, register)) in enumerate(zip(kinds, events, strict=True))
    ]


def times(*events: tuple[float, str, int | None]) -> tuple[float, float]:
    """Minutes of charging, and of standing idle."""
    quarters = fold_all(told(*events)).quarters
    return sum(q.charging_ms for q in quarters) / 60_000, sum(q.idle_ms for q in quarters) / 60_000


def test_a_vehicle_that_is_full_is_idle_until_it_goes() -> None:
    assert times((0, "EVConnected", 0), (5, "Charging", 0), (65, "SuspendedEV", 7_000), (95, "SuspendedEV", None)) == (
        60,
        30,
    )


def test_a_vehicle_that_charges_again_had_not_been_idle() -> None:
    assert times(
        (0, "Charging", 0),
        (60, "SuspendedEV", 7_000),
        (90, "Charging", 7_000),
        (100, "EVConnected", 7_100),
        (104, "", None),
    ) == (70, 4)


def test_when_the_station_holds_back_nobody_is_idle() -> None:
    assert times((0, "Charging", 0), (60, "SuspendedEVSE", 7_000), (90, "SuspendedEVSE", None)) == (60, 0)


def test_before_any_energy_nobody_is_idle() -> None:
    assert times((0, "EVConnected", 0), (60, "SuspendedEV", 0), (90, "EVConnected", 0)) == (0, 0)


def test_a_clock_that_was_put_right_is_no_time_of_charging() -> None:
    years = 60 * 24 * 365
    assert times((-50 * years, "Charging", 0), (0, "Charging", 10), (10, "Charging", 1_000)) == (10, 0)


def test_very_many_quarter_hours_stay_bounded() -> None:
    quarters: Quarters = ()
    for week in range(10):
        quarters = add_energy(quarters, at(10_000 * week), at(10_000 * (week + 1)), 10_000)
    assert (len(quarters), sum(quarter.energy_wh for quarter in quarters)) == (MAX_QUARTERS, 100_000)


registers = st.lists(st.tuples(st.integers(0, 600), st.integers(0, 5_000)), min_size=2, max_size=8).map(
    lambda steps: [
        (sum(m for m, _ in steps[: n + 1]), "Charging", sum(wh for _, wh in steps[: n + 1])) for n in range(len(steps))
    ]
)
prices = st.decimals(0, 1_000, places=4)


@st.composite
def tariffs_of_any_kind(draw: st.DrawFn) -> Tariff:
    elements = draw(
        st.lists(
            st.builds(
                Element,
                days=st.sets(st.integers(0, 6)).map(lambda days: tuple(sorted(days))),
                from_min=st.integers(0, 95).map(lambda quarter: quarter * 15),
                to_min=st.integers(0, 95).map(lambda quarter: quarter * 15),
                energy_per_kwh=st.none() | prices,
                charging_per_min=st.none() | prices,
                idle_per_min=st.none() | prices,
            ),
            max_size=3,
        )
    )
    return Tariff(
        "EUR",
        energy_per_kwh=draw(prices),
        charging_per_min=draw(prices),
        idle_per_min=draw(prices),
        idle_grace_min=draw(st.integers(0, 60)),
        start_fee=draw(prices),
        minimum=draw(prices),
        tax_pct=draw(st.decimals(0, 100, places=2)),
        tax_included=draw(st.booleans()),
        elements=tuple(elements),
    )


@given(tariff=tariffs_of_any_kind(), events=registers, zone=st.sampled_from(["UTC", "Europe/Rome", "Asia/Kathmandu"]))
def test_the_lines_add_up_to_the_total_and_none_is_negative(tariff: Tariff, events: list[Any], zone: str) -> None:
    found = cost(tariff, fold_all(told(*events)).quarters, zone)
    assert sum(item.amount for item in found.items) == found.total
    assert [item for item in found.items if item.amount < 0] == []
    assert 0 <= found.tax <= found.total


@given(events=registers)
def test_the_quarter_hours_add_up_to_the_energy_and_the_time(events: list[Any]) -> None:
    session = fold_all(told(*events))
    assert sum(quarter.energy_wh for quarter in session.quarters) == session.energy_wh
    assert sum(quarter.charging_ms for quarter in session.quarters) == (events[-1][0] - events[0][0]) * 60_000
    assert [q.number for q in session.quarters] == sorted({q.number for q in session.quarters})


@given(tariff=tariffs_of_any_kind(), events=registers, cut=st.integers(0, 7))
def test_more_energy_and_more_time_never_cost_less(tariff: Tariff, events: list[Any], cut: int) -> None:
    whole = fold_all(told(*events)).quarters
    before = fold_all(told(*events)[: cut + 1]).quarters
    assert cost(tariff, before).total <= cost(tariff, whole).total


@given(tariff=tariffs_of_any_kind(), events=registers, data=st.data())
def test_any_order_costs_the_same(tariff: Tariff, events: list[Any], data: st.DataObject) -> None:
    facts = told(*events)
    repeated = data.draw(st.permutations([*facts, *data.draw(st.lists(st.sampled_from(facts), max_size=3))]))
    assert cost(tariff, fold_all(repeated).quarters) == cost(tariff, fold_all(facts).quarters)


@given(
    start=st.integers(0, 10_000),
    first=st.integers(1, 5_000),
    second=st.integers(1, 5_000),
    energy_wh=st.integers(0, 10**6),
    price=prices,
)
def test_a_reading_in_between_changes_no_cost_at_one_price(
    start: int, first: int, second: int, energy_wh: int, price: Decimal
) -> None:
    tariff = Tariff("EUR", energy_per_kwh=price)
    a, b, c = at(start), at(start + first), at(start + first + second)
    parts = add_energy(add_energy((), a, b, energy_wh // 3), b, c, energy_wh - energy_wh // 3)
    assert cost(tariff, parts).total == cost(tariff, add_energy((), a, c, energy_wh)).total


# -- words -------------------------------------------------------------------------------------------------------------


def test_a_tariff_in_words() -> None:
    tariff = Tariff(
        "EUR",
        energy_per_kwh=Decimal("45.5"),
        idle_per_min=Decimal(10),
        idle_grace_min=15,
        start_fee=Decimal(50),
        minimum=Decimal(200),
        tax_pct=Decimal(22),
        elements=(Element(days=(5, 6), from_min=22 * 60, to_min=360, energy_per_kwh=Decimal(30)),),
    )
    assert describe(tariff) == (
        "0.455 EUR/kWh, 0.10 EUR/min when done after 15 min, 0.50 EUR to start, at least 2.00 EUR; "
        "Sat Sun 22:00 to 06:00: 0.30 EUR/kWh; 22 % tax included"
    )
    assert describe(Tariff("EUR")) == "free of charge"


def test_currencies_have_their_own_minor_units() -> None:
    assert [words(Decimal(1_234), currency) for currency in ("EUR", "JPY", "KWD")] == [
        "12.34 EUR",
        "1234 JPY",
        "1.234 KWD",
    ]
    assert [units(1_234, currency) for currency in ("EUR", "JPY")] == [Decimal("12.34"), Decimal(1_234)]


@pytest.mark.parametrize(("typed", "energy_wh", "pct"), [(20, 0, 20.0), (20, 20_000, 50.0), (90, 60_000, 100.0)])
def test_a_state_of_charge_is_reckoned_from_the_energy(typed: float, energy_wh: int, pct: float) -> None:
    assert estimate(typed, energy_wh, 60.0) == pct
