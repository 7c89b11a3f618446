"""The model of a vehicle: constant current, a taper, a full battery, and energy that adds up."""

from __future__ import annotations

import pytest

from hardware.emulators.vehicle import Vehicle


def charge(vehicle: Vehicle, seconds: int, offered_a: float = 32.0) -> list[float]:
    return [vehicle.step(1.0, 230.0, offered_a, True) for _ in range(seconds)]


def test_below_the_taper_it_takes_what_it_can_and_what_is_offered() -> None:
    assert charge(Vehicle(max_current_a=16), 2) == [16, 16]
    assert charge(Vehicle(max_current_a=32), 2, offered_a=10) == [10, 10]


def test_it_takes_nothing_through_an_open_contactor_or_below_six_amperes() -> None:
    vehicle = Vehicle()
    assert vehicle.step(60, 230, 32, False) == 0
    assert charge(vehicle, 1, offered_a=5.9) == [0]
    assert vehicle == Vehicle()


def test_the_current_falls_above_the_taper_and_never_below_the_cut_off() -> None:
    assert charge(Vehicle(soc_pct=90), 1) == [16]
    assert charge(Vehicle(soc_pct=99.9), 1) == [1]
    currents = charge(Vehicle(battery_wh=1000, soc_pct=79), 1200)
    assert currents == sorted(currents, reverse=True)


def test_it_stops_exactly_at_its_target_and_takes_no_more_than_that_needs() -> None:
    vehicle = Vehicle(battery_wh=100, soc_pct=20, target_soc_pct=70)
    drawn_wh = sum(charge(vehicle, 60)) * 230 / 3600
    assert vehicle.soc_pct == 70
    assert drawn_wh == pytest.approx(50 / 0.9)
    assert charge(vehicle, 1) == [0]


def test_the_battery_gains_what_is_drawn_times_its_efficiency() -> None:
    vehicle = Vehicle(battery_wh=50_000, soc_pct=10, efficiency=0.8)
    drawn_wh = sum(charge(vehicle, 3600)) * 230 / 3600
    assert (vehicle.soc_pct - 10) / 100 * 50_000 == pytest.approx(drawn_wh * 0.8)


def test_the_same_steps_give_the_same_vehicle() -> None:
    one, other = Vehicle(soc_pct=75), Vehicle(soc_pct=75)
    assert charge(one, 500) == charge(other, 500)
    assert one == other
