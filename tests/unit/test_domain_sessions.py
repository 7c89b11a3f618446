"""The fold: energy is a difference of registers; what cannot be true is marked and not billed (integrity rule 6)."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.domain.sessions import (
    REGISTER_AT_ZERO,
    REGISTER_JUMPED,
    REGISTER_WENT_BACK,
    Fact,
    Session,
    fold,
    fold_all,
)
from tests.support.csms_world import NOON


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


def facts(*registers: int, every_s: float = 10, **more: Any) -> list[Fact]:
    """Started, Updated ..., Ended, each with one register, read at its own time."""
    kinds = ["Started", *["Updated"] * (len(registers) - 2), "Ended"]
    return [
        Fact(n, kind, at(n * every_s), registers=((at(n * every_s), register),), **more)
        for n, (kind, register) in enumerate(zip(kinds, registers, strict=True))
    ]


def billed(*registers: int, every_s: float = 10, **more: Any) -> tuple[int, tuple[str, ...]]:
    session = fold_all(facts(*registers, every_s=every_s, **more))
    return session.energy_wh, session.flags


def test_energy_is_the_difference_of_the_register() -> None:
    assert billed(50_000, 50_020, 50_045) == (45, ())
    assert fold_all(facts(50_000, 50_045)).start_wh == 50_000


def test_a_register_that_goes_back_is_marked_and_what_follows_counts_from_there() -> None:
    assert billed(50_000, 50_100, 10, 30) == (120, (REGISTER_WENT_BACK,))


@pytest.mark.parametrize("register", [500, 10_000, 50_000])
@pytest.mark.parametrize("every_s", [10, 900, 86_400])
def test_a_register_that_stumbles_and_comes_back_bills_what_was_used(register: int, every_s: float) -> None:
    """Read as 0 once: the way back up is not energy, however long it took."""
    energy, flags = billed(register, register + 10, 0, register + 30, register + 40, every_s=every_s)
    assert (energy, flags) == (40, (REGISTER_WENT_BACK,))


def test_a_register_that_jumps_is_marked_and_not_billed() -> None:
    assert billed(1_000, 1_020, 1_001_020, 1_001_040) == (40, (REGISTER_JUMPED,))


@pytest.mark.parametrize(("after_s", "flags"), [(10, (REGISTER_JUMPED,)), (3600, ())])
def test_what_is_a_jump_depends_on_the_time_it_took(after_s: float, flags: tuple[str, ...]) -> None:
    assert billed(1_000, 51_000, every_s=after_s) == (0 if flags else 50_000, flags)


def test_a_register_that_starts_at_0_offline_is_marked_and_not_billed() -> None:
    assert billed(0, 10_000, 10_020, offline=True) == (20, (REGISTER_AT_ZERO,))
    assert fold_all(facts(0, 10_000, 10_020, offline=True)).start_wh == 10_000


def test_a_meter_that_counts_from_0_for_each_session_is_billed() -> None:
    assert billed(0, 20, 50) == (50, ())


def test_ended_may_repeat_the_samples_of_the_whole_transaction() -> None:
    started, updated, ended = facts(1_000, 3_000, 5_000, every_s=3600)
    whole = (*started.registers, *updated.registers, *ended.registers)
    everything = Fact(2, "Ended", ended.at, registers=whole)
    session = fold_all([started, updated, everything])
    assert (session.energy_wh, session.flags) == (4_000, ())


def test_a_clock_that_was_put_back_stops_no_counting() -> None:
    before, after = facts(1_000, 1_020), facts(1_030, 1_050)
    moved = [
        Fact(n + 2, "Updated", fact.at - timedelta(days=1), registers=((fact.at - timedelta(days=1), register),))
        for n, fact in enumerate(after)
        for _, register in fact.registers
    ]
    assert fold_all([before[0], Fact(1, "Updated", at(10), registers=before[1].registers), *moved]).energy_wh == 50


def test_an_update_with_only_a_state_of_charge_leaves_the_energy_alone() -> None:
    first, last = facts(1_000, 1_020)
    soc = Fact(1, "Updated", at(5), soc_pct=55.0)
    session = fold_all([first, soc])
    assert (session.energy_wh, session.last_wh, session.soc_pct) == (0, 1_000, 55.0)
    assert fold(session, last).energy_wh == 20


def test_the_last_word_counts_for_what_changes_and_the_first_for_what_does_not() -> None:
    session = fold_all(
        [
            Fact(0, "Started", at(0), id_token="A", evse=1, connector=2, charging_state="Charging", power_w=7_000.0),
            Fact(1, "Updated", at(10), id_token="B", evse=2, connector=1, charging_state="SuspendedEV", power_w=3.0),
        ]
    )
    assert (session.id_token, session.evse, session.connector, session.started_at) == ("A", 1, 2, at(0))
    assert (session.charging_state, session.power_w, session.state) == ("SuspendedEV", 3.0, "suspended")


@pytest.mark.parametrize(
    ("charging_state", "state"),
    [
        ("Charging", "charging"),
        ("SuspendedEV", "suspended"),
        ("SuspendedEVSE", "suspended"),
        ("EVConnected", "pending"),
        ("Idle", "pending"),
        (None, "pending"),
    ],
)
def test_the_state_that_people_see(charging_state: str | None, state: str) -> None:
    assert fold(Session(), Fact(0, "Started", at(0), charging_state=charging_state)).state == state
    assert fold(Session(ended=True), Fact(9, "Updated", at(0), charging_state=charging_state)).state == "ended"


def test_nothing_is_drawn_once_it_has_ended() -> None:
    session = fold_all([*facts(1_000, 1_020), Fact(2, "Updated", at(30), power_w=7_000.0)])
    assert (session.power_w, session.state, session.ended_at) == (0.0, "ended", at(10))


_some_facts = st.lists(
    st.builds(
        Fact,
        seq_no=st.integers(0, 8),
        kind=st.sampled_from(["Started", "Updated", "Ended"]),
        at=st.integers(0, 100).map(at),
        registers=st.lists(st.tuples(st.integers(0, 100).map(at), st.integers(0, 10**6)), max_size=3).map(tuple),
        offline=st.booleans(),
    ),
    unique_by=lambda fact: fact.seq_no,
)


@given(_some_facts.flatmap(lambda some: st.tuples(st.just(some), st.permutations(some * 2))))
def test_any_order_and_any_repeat_give_the_same_session(case: tuple[list[Fact], list[Fact]]) -> None:
    some, shuffled = case
    assert fold_all(shuffled) == fold_all(sorted(some, key=lambda fact: fact.seq_no))


@given(_some_facts)
def test_energy_never_falls_and_is_never_more_than_any_register_rose(some: list[Fact]) -> None:
    in_order = sorted(some, key=lambda fact: fact.seq_no)
    registers = [register for fact in in_order for _, register in fact.registers]
    ups = [max(0, b - a) for a, b in pairwise(registers)]
    energy, session = 0, Session()
    for fact in in_order:
        session = fold(session, fact)
        assert session.energy_wh >= energy
        energy = session.energy_wh
    assert energy <= sum(ups)
