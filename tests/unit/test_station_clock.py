"""The station's clock: the machine's, the CSMS's where that is wrong, and never behind what is on disk."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.clock import TOLERANCE_S, Clock, boot_id, now
from edge.station.state import Now

TRUE = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


class World:
    """true: what time it is. wrong_by_s: by how much the machine's wall clock shows something else."""

    def __init__(self, wrong_by_s: float = 0.0) -> None:
        self.mono = 50.0
        self.wrong_by_s = wrong_by_s
        self.clock = Clock(lambda: self.true + timedelta(seconds=self.wrong_by_s), lambda: self.mono)

    @property
    def true(self) -> datetime:
        return TRUE + timedelta(seconds=self.mono)

    @property
    def off_s(self) -> float:
        """By how much the station's clock is off."""
        return (self.clock().utc - self.true).total_seconds()

    def hear(self, way_s: float = 0.0, wrong_by_s: float = 0.0) -> None:
        """The CSMS is asked, and answers half way."""
        asked_mono = self.mono
        self.mono += way_s / 2
        told = self.true + timedelta(seconds=wrong_by_s)
        self.mono += way_s / 2
        self.clock.told(told, asked_mono)


def test_alone_it_shows_what_the_machine_shows() -> None:
    world = World(wrong_by_s=-7.0)
    assert world.clock() == Now(TRUE + timedelta(seconds=43), 50.0)


def test_the_csms_sets_it_when_it_is_wrong() -> None:
    world = World(wrong_by_s=-86_400.0)
    world.hear(way_s=2.0)
    assert world.off_s == 0.0
    world.mono += 3_600
    assert world.off_s == 0.0


@pytest.mark.parametrize("wrong_by_s", [-TOLERANCE_S, 0.5, TOLERANCE_S])
def test_a_machine_that_is_right_but_for_a_little_is_believed(wrong_by_s: float) -> None:
    world = World(wrong_by_s)
    world.hear()
    assert world.off_s == wrong_by_s


def test_what_the_way_may_have_taken_is_not_held_against_the_machine() -> None:
    world = World()
    world.hear(way_s=20.0, wrong_by_s=-9.0)
    assert world.off_s == 0.0


def test_when_the_machine_is_set_right_it_is_believed_again() -> None:
    world = World(wrong_by_s=-86_400.0)
    world.hear()
    world.wrong_by_s = 0.0  # a time server was found
    assert world.off_s == 0.0
    world.hear(wrong_by_s=1.0)
    world.mono += 60
    assert world.off_s == 0.0


def test_it_does_not_follow_every_quiver_of_the_csms() -> None:
    world = World(wrong_by_s=-86_400.0)
    world.hear()
    world.hear(wrong_by_s=2.0)
    assert world.off_s == 0.0
    world.hear(wrong_by_s=10.0)
    assert world.off_s == 10.0


def test_a_csms_that_tells_what_cannot_be_is_not_believed() -> None:
    world = World()
    world.clock.told(datetime(1970, 1, 1, tzinfo=UTC), 50.0)
    assert world.off_s == 0.0


def test_a_time_without_a_zone_is_taken_for_utc() -> None:
    world = World(wrong_by_s=-86_400.0)
    world.clock.told(world.true.replace(tzinfo=None), 50.0)
    assert world.off_s == 0.0


def test_after_a_power_cut_it_goes_on_from_what_was_written_last() -> None:
    world = World(wrong_by_s=-86_400.0)
    world.clock.not_before(world.true - timedelta(seconds=30))
    assert world.off_s == -30.0
    world.mono += 600
    assert world.off_s == -30.0
    world.wrong_by_s = 0.0  # a time server was found
    assert world.off_s == 0.0


def test_the_csms_may_say_that_what_was_written_last_was_wrong() -> None:
    world = World()
    world.clock.not_before(world.true + timedelta(days=4_000))
    assert world.off_s == 4_000 * 86_400
    world.hear()
    assert world.off_s == 0.0


def test_a_new_station_has_nothing_to_go_by() -> None:
    world = World()
    world.clock.not_before(None)
    assert world.off_s == 0.0


@given(
    st.floats(-1e9, 1e9),
    st.lists(st.tuples(st.floats(0, 1e5), st.one_of(st.none(), st.floats(-1e9, 1e9))), max_size=20),
)
def test_without_the_csms_it_is_never_behind_what_was_written_and_the_time_since(
    wrong_by_s: float, steps: list[tuple[float, float | None]]
) -> None:
    world = World(wrong_by_s)
    written, since = world.true, world.mono
    world.clock.not_before(written)
    for passes_s, set_to in steps:
        world.mono += passes_s
        if set_to is not None:
            world.wrong_by_s = set_to
        assert world.clock().utc >= written + timedelta(seconds=world.mono - since)


@given(st.floats(-1e8, 1e8), st.lists(st.tuples(st.floats(0, 1e4), st.floats(0, 30), st.floats(-1, 1)), min_size=1))
def test_with_the_csms_it_is_never_further_from_it_than_the_tolerance_and_the_way(
    wrong_by_s: float, words: list[tuple[float, float, float]]
) -> None:
    world = World(wrong_by_s)
    world.clock.not_before(world.true + timedelta(days=1))
    for passes_s, way_s, quiver_s in words:
        world.mono += passes_s
        world.hear(way_s, quiver_s)
        assert abs(world.off_s - quiver_s) <= TOLERANCE_S + way_s / 2 + 1e-3


def test_the_boot_id_stays_while_the_machine_is_on() -> None:
    assert boot_id() == boot_id() != ""


def test_the_machines_own_clocks_are_told_in_utc() -> None:
    assert now().utc.tzinfo is UTC
