"""What is kept to look at - frames, dead letters - and that a station which sends too much hurts nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Row, Table, insert, select, text

from cloud.limits import Limits
from cloud.rates import MAX_BUCKETS, Rates
from cloud.store.queue import queue_call
from cloud.store.tables import dead_letters, frames, station_messages, stations
from protocol.envelope import Call, CallError, CallResult
from tests.support.csms_world import NOON, World, a_world, add, metered

LIMITS = Limits(frames_per_s=10, frames_burst=20, kept_frames=10, kept_dead_letters=5)
HEARTBEAT = Call("1", "Heartbeat", {})


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, LIMITS) as made:
        yield made


def rows(world: World, table: Table) -> list[Row[Any]]:
    with world.store.read() as connection:
        return list(connection.execute(select(table).order_by(table.c.no)))


class TestRates:
    def test_a_station_may_send_a_burst_and_then_so_many_a_second(self) -> None:
        rates = Rates(10, 20)
        assert [rates.allows("a", NOON) for _ in range(21)] == [True] * 20 + [False]
        later = NOON + timedelta(seconds=0.5)
        assert [rates.allows("a", later) for _ in range(6)] == [True] * 5 + [False]
        assert [rates.allows("a", NOON + timedelta(days=1)) for _ in range(21)] == [True] * 20 + [False]

    def test_others_are_not_touched_and_a_clock_that_is_set_back_gives_nothing(self) -> None:
        rates = Rates(10, 1)
        assert [rates.allows(name, NOON) for name in "aab"] == [True, False, True]
        assert rates.allows("a", NOON - timedelta(days=1)) is False

    def test_no_bound(self) -> None:
        rates = Rates(0, 1)
        assert all(rates.allows("a", NOON) for _ in range(100))

    def test_names_that_are_made_up_cost_no_memory(self) -> None:
        rates = Rates(10, 20)
        for number in range(2 * MAX_BUCKETS):
            rates.allows(str(number), NOON)
        assert len(rates._buckets) <= MAX_BUCKETS

    def test_a_flood_is_refused_and_counted_and_another_station_is_answered(self, world: World) -> None:
        add(world, "cs-2")
        world.pass_time(60)
        flood = [world.frame(Call(str(n), "Heartbeat", {})) for n in range(50)]
        world.csms.take([*flood, world.frame(HEARTBEAT, "cs-2")])
        answers = world.to_station("cs-1")
        assert [type(answer) for answer in answers] == [CallResult] * 20 + [CallError] * 30
        assert (answers[-1].message_id, getattr(answers[-1], "code", "")) == ("49", "GenericError")
        assert [type(answer) for answer in world.to_station("cs-2")] == [CallResult]
        assert world.refused() == {("cs-1", "TooMany"): 30}
        assert len(world.acked()) == 51
        assert rows(world, dead_letters) == []

    def test_a_batch_that_is_tried_again_counts_once(self, world: World) -> None:
        world.pass_time(60)
        tries = []

        def pause() -> bool:
            tries.append(1)
            if len(tries) == 5:
                damage(world, "ALTER TABLE away RENAME TO stations")
            return False

        world.on_pause = pause
        damage(world, "ALTER TABLE stations RENAME TO away")
        answers = world.take(*[HEARTBEAT] * 20)
        assert [type(answer) for answer in answers] == [CallResult] * 20


def damage(world: World, statement: str) -> None:
    connection = sqlite3.connect(world.folder / "csms.sqlite", isolation_level=None)
    connection.execute(statement)
    connection.close()


class TestDamaged:
    def test_a_damaged_database_is_not_taken_for_a_bad_frame(self, tmp_path: Path) -> None:
        with a_world(tmp_path) as world:
            with world.store.write() as connection:
                root = connection.scalar(text("SELECT rootpage FROM sqlite_master WHERE name = 'stations'"))
                size = connection.scalar(text("PRAGMA page_size"))
            damage(world, "PRAGMA wal_checkpoint(TRUNCATE)")
            world.store.stop()
            with (world.folder / "csms.sqlite").open("r+b") as file:
                file.seek((root - 1) * size)
                file.write(b"\xff" * size)
            world.store.start()
            world.csms.take([world.frame(HEARTBEAT), world.frame(Call("2", "Heartbeat", {}))])
            assert world.deeds == []  # it waited, and was told to give up

    def test_a_damaged_time_series_is_not_either(self, tmp_path: Path) -> None:
        with a_world(tmp_path) as world:
            world.series.stop()
            (world.folder / "series.sqlite-wal").unlink(missing_ok=True)
            with (world.folder / "series.sqlite").open("r+b") as file:
                file.seek(100)
                file.write(b"\xff" * 100_000)
            world.series._connection = sqlite3.connect(
                world.folder / "series.sqlite", check_same_thread=False, isolation_level=None
            )
            world.csms.take([world.frame(Call("1", "TransactionEvent", metered("Started", 0, 1_000)))])
            assert world.deeds == []


class TestFrames:
    def test_frames_are_logged_both_ways_with_their_answers(self, world: World) -> None:
        world.take(HEARTBEAT, b"nonsense")
        world.take(Call("2", "StatusNotification", {}))
        told = [(row.direction, row.kind, row.action, row.message_id) for row in rows(world, frames)]
        assert told == [
            ("in", "call", "Heartbeat", "1"),
            ("out", "result", "Heartbeat", "1"),
            ("in", "bad", "", ""),
            ("out", "error", "", "-1"),
            ("in", "call", "StatusNotification", "2"),
            ("out", "error", "StatusNotification", "2"),
        ]
        assert rows(world, frames)[0].data == b'[2, "1", "Heartbeat", {}]'

    def test_calls_of_ours_and_their_answers_too_without_passwords(self, world: World) -> None:
        payload = {
            "setVariableData": [
                {
                    "attributeValue": "secret",
                    "component": {"name": "SecurityCtrlr"},
                    "variable": {"name": "BasicAuthPassword"},
                }
            ]
        }
        (call,) = self.sent(world, "SetVariables", payload)
        assert msgspec.json.decode(call.payload) == payload
        world.take(CallError(call.message_id, "NotSupported"))
        out, back = rows(world, frames)
        assert (out.direction, out.kind, b"secret" in out.data, b"BasicAuthPassword" in out.data) == (
            "out",
            "call",
            False,
            True,
        )
        assert (back.direction, back.kind, back.action) == ("in", "error", "SetVariables")

    def test_an_answer_is_logged_under_the_action_of_its_call(self, world: World) -> None:
        (call,) = self.sent(world, "ClearCache", {})
        world.take(CallResult(call.message_id, {"status": "Accepted"}))
        assert [(row.kind, row.action) for row in rows(world, frames)] == [
            ("call", "ClearCache"),
            ("result", "ClearCache"),
        ]

    def test_an_address_with_a_password_is_hidden(self, world: World) -> None:
        log = {"remoteLocation": "ftp://ann:secret@files.test/log"}
        self.sent(world, "GetLog", {"requestId": 1, "logType": "SecurityLog", "log": log})
        assert b"ftp://(hidden)@files.test/log" in rows(world, frames)[0].data

    def sent(self, world: World, action: str, payload: dict[str, Any]) -> list[Call]:
        with world.store.write() as connection:
            until = world.now + timedelta(seconds=10)
            queue_call(connection, "cs-1", action, msgspec.json.encode(payload), now=world.now, expires_at=until)
        return world.wake()

    def test_the_log_is_short(self, world: World) -> None:
        for number in range(15):
            world.pass_time(1)
            world.take(Call(str(number), "Heartbeat", {}))
        world.tick()
        assert [row.message_id for row in rows(world, frames)] == [str(n) for n in range(10, 15) for _ in "io"]

    def test_a_log_that_is_not_wanted_is_none(self, tmp_path: Path) -> None:
        with a_world(tmp_path, Limits(kept_frames=0)) as world:
            world.take(HEARTBEAT)
            world.tick()
            assert rows(world, frames) == []

    def test_a_flood_leaves_no_trace_but_its_count(self, world: World) -> None:
        world.pass_time(60)
        world.take(*[HEARTBEAT] * 50)
        assert len(rows(world, frames)) == 40


class TestDeadLetters:
    def test_what_is_refused_is_kept_as_it_came(self, world: World) -> None:
        world.take(b"nonsense", Call("2", "MakeCoffee", {"sugar": 2}))
        kept = [(row.station, row.topic, row.code, row.data) for row in rows(world, dead_letters)]
        assert kept == [
            ("cs-1", "cs/cs-1/up", "RpcFrameworkError", b"nonsense"),
            ("cs-1", "cs/cs-1/up", "NotImplemented", b'[2, "2", "MakeCoffee", {"sugar": 2}]'),
        ]

    def test_that_of_stations_that_nobody_registered_too(self, world: World) -> None:
        world.take(HEARTBEAT, station="nobody")
        assert [(row.station, row.topic) for row in rows(world, dead_letters)] == [("", "cs/nobody/up")]

    def test_the_last_of_each_station_are_kept(self, world: World) -> None:
        world.take(b"cs-2's", station="cs-2")
        for number in range(8):
            world.take(str(number).encode())
        assert [row.data for row in rows(world, dead_letters)] == [b"cs-2's", b"3", b"4", b"5", b"6", b"7"]

    def test_a_frame_that_cannot_be_handled_is_kept_and_the_others_go_on(self, world: World) -> None:
        damage(world, "CREATE TRIGGER no AFTER INSERT ON station_messages BEGIN SELECT RAISE(ABORT, 'no'); END")
        bad = Call("2", "DataTransfer", {"vendorId": "x"})
        answers = world.take(Call("1", "Heartbeat", {}), bad, Call("3", "Heartbeat", {}))
        assert [(answer.message_id, getattr(answer, "code", "")) for answer in answers] == [
            ("1", ""),
            ("2", "InternalError"),
            ("3", ""),
        ]
        assert [(row.code, row.data) for row in rows(world, dead_letters)] == [
            ("InternalError", b'[2, "2", "DataTransfer", {"vendorId": "x"}]')
        ]
        assert world.refused() == {("cs-1", "InternalError"): 1}
        assert len(world.acked()) == 3


def test_what_a_station_told_goes_with_it(world: World) -> None:
    with world.store.write() as connection:
        connection.execute(insert(station_messages).values(station="cs-1", at=NOON, action="X", payload=b"{}"))
        connection.execute(stations.delete().where(stations.c.id == "cs-1"))
    assert rows(world, station_messages) == []
