"""Sessions that do not come to an end by themselves: no Ended, or events that are missing and may never come."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import select

from cloud.limits import Limits
from cloud.store.tables import gaps
from protocol.envelope import Call, CallError, CallResult
from tests.support.csms_world import NOON, World, a_world, metered, status

PATIENCE_S, STUCK_S = 300, 900


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, Limits(frames_per_s=0, gap_patience_s=PATIENCE_S, stuck_after_s=STUCK_S)) as made:
        yield made


def seconds(number: float) -> datetime:
    return NOON + timedelta(seconds=number)


def shown(world: World, transaction: str = "tx-1") -> tuple[str, datetime | None, str, bool]:
    row = world.session(transaction)
    return row.state, row.ended_at, row.flags, row.complete


FIRST = [metered("Started", 0, 1_000), metered("Updated", 1, 1_020)]
NEXT = metered("Started", 0, 5_000, transaction="tx-2", at=seconds(100))


class TestNoEnded:
    @pytest.mark.parametrize("batched", [True, False])
    def test_the_next_session_on_the_evse_closes_the_one_before(self, world: World, batched: bool) -> None:
        frames = [Call(str(n), "TransactionEvent", payload) for n, payload in enumerate([*FIRST, NEXT])]
        for batch in [frames] if batched else [[frame] for frame in frames]:
            world.take(*batch)
        assert shown(world) == ("ended", seconds(100), "ended_unknown", False)
        assert (world.session().energy_wh, world.session().power_w) == (20, 0.0)
        assert shown(world, "tx-2") == ("charging", None, "", False)

    def test_one_that_was_closed_moves_to_an_earlier_one_that_is_heard_of_later(self, world: World) -> None:
        between = metered("Started", 0, 3_000, transaction="tx-between", at=seconds(50))
        for payload in [*FIRST, NEXT, between]:
            world.ask("TransactionEvent", payload)
        assert shown(world) == ("ended", seconds(50), "ended_unknown", False)

    def test_one_on_another_evse_closes_nothing(self, world: World) -> None:
        for payload in [*FIRST, {**NEXT, "evse": {"id": 2, "connectorId": 1}}]:
            world.ask("TransactionEvent", payload)
        assert shown(world) == ("charging", None, "", False)

    @pytest.mark.parametrize("order", list(permutations(range(4))))
    def test_an_ended_that_comes_late_counts_as_if_it_had_come_in_time(
        self, world: World, order: tuple[int, ...]
    ) -> None:
        events = [*FIRST, metered("Ended", 2, 1_050), NEXT]
        for index in order:
            world.ask("TransactionEvent", events[index])
        row = world.session()
        assert (shown(world), row.energy_wh) == (("ended", seconds(20), "", True), 50)
        assert shown(world, "tx-2")[0] == "charging"

    def test_a_clock_that_was_set_back_closes_nothing(self, world: World) -> None:
        for payload in [*FIRST, {**NEXT, "timestamp": NOON - timedelta(days=1)}]:
            world.ask("TransactionEvent", payload)
        assert (shown(world)[0], shown(world, "tx-2")[0]) == ("charging", "charging")

    def test_what_it_says_of_a_later_time_shows_that_it_is_not_over(self, world: World) -> None:
        for payload in [*FIRST, NEXT, metered("Updated", 2, 1_100, at=seconds(200))]:
            world.ask("TransactionEvent", payload)
        assert shown(world) == ("charging", None, "", False)

    def wait(self, world: World, waited_s: float) -> None:
        """Time passes at a station that stays online."""
        world.pass_time(waited_s)
        world.ask("Heartbeat", {})
        world.tick()

    def test_an_evse_that_is_available_for_long_closes_its_session(self, world: World) -> None:
        for payload in FIRST:
            world.ask("TransactionEvent", payload)
        world.pass_time(60)
        world.ask("StatusNotification", status("Available", at=world.now))
        self.wait(world, STUCK_S - 1)
        assert shown(world) == ("charging", None, "", False)
        self.wait(world, 31)
        assert shown(world) == ("ended", seconds(60), "ended_unknown", False)
        world.ask("TransactionEvent", metered("Ended", 2, 1_030))
        assert shown(world) == ("ended", seconds(20), "", True)

    def test_one_that_is_occupied_does_not(self, world: World) -> None:
        world.ask("TransactionEvent", FIRST[0])
        world.ask("StatusNotification", status("Occupied"))
        self.wait(world, 10 * STUCK_S)
        assert shown(world)[0] == "charging"

    def test_a_station_that_was_offline_gets_time_to_tell_what_it_has_kept(self, world: World) -> None:
        world.ask("TransactionEvent", FIRST[0])
        world.link(b'{"online":false}')
        world.pass_time(10 * STUCK_S)
        world.link(b'{"online":true}')
        self.wait(world, 31)
        assert shown(world)[0] == "charging"
        self.wait(world, STUCK_S)
        assert shown(world)[0] == "ended"


class TestGap:
    def asked(self, world: World, after_s: float) -> list[Call]:
        world.pass_time(after_s)
        world.ask("Heartbeat", {})
        return world.tick()

    def begin(self, world: World) -> None:
        for payload in (metered("Started", 0, 1_000), metered("Ended", 2, 1_050)):
            world.ask("TransactionEvent", payload)

    def answer(self, world: World, call: Call, **response: Any) -> None:
        assert world.take(CallResult(call.message_id, response)) == []

    def test_the_station_is_asked_after_a_while(self, world: World) -> None:
        self.begin(world)
        assert self.asked(world, PATIENCE_S - 1) == []
        (call,) = self.asked(world, 31)
        assert (call.action, msgspec.json.decode(call.payload)) == ("GetTransactionStatus", {"transactionId": "tx-1"})

    def test_when_nothing_waits_there_the_gap_is_final(self, world: World) -> None:
        self.begin(world)
        (call,) = self.asked(world, PATIENCE_S)
        self.answer(world, call, messagesInQueue=False)
        assert shown(world) == ("ended", seconds(20), "events_lost", False)
        assert self.asked(world, 100 * PATIENCE_S) == []

    def test_when_messages_wait_there_it_is_asked_again_later(self, world: World) -> None:
        self.begin(world)
        (call,) = self.asked(world, PATIENCE_S)
        self.answer(world, call, messagesInQueue=True)
        assert shown(world)[2] == ""
        assert self.asked(world, PATIENCE_S) == []
        (call,) = self.asked(world, PATIENCE_S)
        self.answer(world, call, messagesInQueue=False)
        assert shown(world)[2] == "events_lost"

    @pytest.mark.parametrize("answers", ["error", "nothing"])
    def test_a_station_that_does_not_answer_is_asked_ever_more_seldom(self, world: World, answers: str) -> None:
        self.begin(world)
        (call,) = self.asked(world, PATIENCE_S)
        if answers == "error":
            world.take(CallError(call.message_id, "NotSupported", "never heard of it"))
        assert [len(self.asked(world, PATIENCE_S)) for _ in range(6)] == [0, 1, 0, 0, 0, 1]
        assert shown(world)[2] == ""

    def test_one_that_is_offline_is_not_asked(self, world: World) -> None:
        self.begin(world)
        world.link(b'{"online":false}')
        world.pass_time(PATIENCE_S)
        assert world.tick() == []
        world.link(b'{"online":true}')
        assert len(self.asked(world, 30)) == 1

    def test_what_comes_in_time_is_not_asked_for(self, world: World) -> None:
        self.begin(world)
        world.ask("TransactionEvent", metered("Updated", 1, 1_020))
        assert self.asked(world, PATIENCE_S) == []
        with world.store.read() as connection:
            assert connection.execute(select(gaps)).all() == []

    def test_what_comes_after_all_counts_and_the_session_is_whole(self, world: World) -> None:
        self.begin(world)
        (call,) = self.asked(world, PATIENCE_S)
        self.answer(world, call, messagesInQueue=False)
        world.ask("TransactionEvent", metered("Updated", 1, 1_020))
        assert shown(world) == ("ended", seconds(20), "", True)

    def test_a_gap_that_opens_after_one_was_final_is_asked_about_too(self, world: World) -> None:
        for payload in (metered("Started", 0, 1_000), metered("Updated", 2, 1_050)):
            world.ask("TransactionEvent", payload)
        (call,) = self.asked(world, PATIENCE_S)
        self.answer(world, call, ongoingIndicator=True, messagesInQueue=False)
        assert shown(world) == ("charging", None, "events_lost", False)
        world.ask("TransactionEvent", metered("Ended", 4, 1_060))
        (call,) = self.asked(world, PATIENCE_S)
        self.answer(world, call, ongoingIndicator=False, messagesInQueue=False)
        assert self.asked(world, 100 * PATIENCE_S) == []

    def test_a_transaction_that_is_over_there_is_over_here(self, world: World) -> None:
        for payload in (metered("Started", 0, 1_000), metered("Updated", 2, 1_050)):
            world.ask("TransactionEvent", payload)
        (call,) = self.asked(world, PATIENCE_S)
        self.answer(world, call, ongoingIndicator=False, messagesInQueue=False)
        assert shown(world) == ("ended", world.now, "ended_unknown,events_lost", False)

    def test_a_session_that_was_closed_by_the_next_is_asked_about(self, world: World) -> None:
        for payload in [*FIRST, NEXT]:
            world.ask("TransactionEvent", payload)
        (call,) = self.asked(world, PATIENCE_S)
        self.answer(world, call, ongoingIndicator=False, messagesInQueue=False)
        assert shown(world) == ("ended", seconds(100), "ended_unknown,events_lost", False)
        assert self.asked(world, 100 * PATIENCE_S) == []
