"""IEC 61851-1 annex A in numbers: table A.7, table A.8 and the levels of table A.4, all of them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.pilot.duty import NOMINAL_V, duty_pct, limit_a, state_of
from hardware.ports import PilotState


@pytest.mark.parametrize(
    ("offered_a", "duty"),
    [(6, 10), (10, 16.7), (13, 21.7), (16, 26.7), (20, 33.3), (32, 53.3), (51, 85), (55, 86), (63, 89.2), (80, 96)],
)
def test_a_current_has_its_duty_cycle_and_the_duty_cycle_its_current(offered_a: float, duty: float) -> None:
    assert duty_pct(offered_a) == pytest.approx(duty, abs=0.05)
    assert limit_a(duty_pct(offered_a)) == pytest.approx(offered_a)


@given(st.floats(6, 80))
def test_a_vehicle_never_reads_more_than_is_offered_and_at_most_one_and_a_half_ampere_less(offered_a: float) -> None:
    read_a = limit_a(duty_pct(offered_a))
    assert offered_a - 1.5 <= read_a <= offered_a * (1 + 1e-12)


@given(st.floats(6, 51) | st.floats(52.501, 80))
def test_but_for_a_gap_it_reads_what_is_offered(offered_a: float) -> None:
    assert limit_a(duty_pct(offered_a)) == pytest.approx(offered_a)


@pytest.mark.parametrize("offered_a", [0, 5.9, -6, 80.1, math.nan, math.inf])
def test_a_current_that_no_duty_cycle_says_is_refused(offered_a: float) -> None:
    with pytest.raises(ValueError, match="6 to 80 A"):
        duty_pct(offered_a)


@pytest.mark.parametrize(
    ("duty", "allowed_a"),
    [
        (0, 0),
        (2.9, 0),
        (3, 0),
        (5, 0),  # the limit comes by digital communication
        (7, 0),
        (7.9, 0),
        (8, 6),
        (9.9, 6),
        (10, 6),
        (50, 30),
        (85, 51),
        (85.1, 52.75),
        (90, 65),
        (96, 80),
        (96.1, 80),
        (97, 80),
        (97.1, 0),
        (100, 0),
    ],
)
def test_a_duty_cycle_allows_a_current(duty: float, allowed_a: float) -> None:
    assert limit_a(duty) == pytest.approx(allowed_a)


WINDOWS_V = {
    PilotState.A: (11, 13),
    PilotState.B: (8, 10),
    PilotState.C: (5, 7),
    PilotState.D: (2, 4),
    PilotState.E: (-1, 1),
    PilotState.F: (-13, -11),
}


@pytest.mark.parametrize("state", list(PilotState))
@pytest.mark.parametrize("before", [None, *PilotState])
def test_in_its_window_a_state_is_known_whatever_was_before(state: PilotState, before: PilotState | None) -> None:
    low_v, high_v = WINDOWS_V[state]
    for step in range(21):
        assert state_of(low_v + (high_v - low_v) * step / 20, before) is state


@pytest.mark.parametrize(
    ("between_v", "upper", "lower"),
    [
        (10.5, PilotState.A, PilotState.B),
        (7.5, PilotState.B, PilotState.C),
        (4.5, PilotState.C, PilotState.D),
        (1.5, PilotState.D, PilotState.E),
    ],
)
def test_between_two_windows_the_state_stays_and_is_else_the_nearer(
    between_v: float, upper: PilotState, lower: PilotState
) -> None:
    for volts in (between_v - 0.49, between_v, between_v + 0.49):
        assert state_of(volts, upper) is upper
        assert state_of(volts, lower) is lower
    for before in (None, PilotState.F):
        assert state_of(between_v + 0.1, before) is upper
        assert state_of(between_v - 0.1, before) is lower


@pytest.mark.parametrize("volts", [14.1, -2.1, -6, -9.9, -14.1, math.nan, math.inf])
def test_what_is_no_level_is_an_error_of_the_pilot(volts: float) -> None:
    assert {state_of(volts, before) for before in (None, *PilotState)} == {PilotState.E}


def test_a_level_that_wavers_at_an_edge_does_not_change_the_state() -> None:
    state = PilotState.B
    told = []
    for volts in (7.6, 7.4, 7.6, 7.1, 7.4, 6.9, 7.1, 7.4, 7.6, 7.9, 8.1):
        state = state_of(volts, state)
        told.append(state.value)
    assert "".join(told) == "BBBBBCCCCCB"


def test_every_state_has_a_level() -> None:
    assert set(NOMINAL_V) == set(PilotState)
