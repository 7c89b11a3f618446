"""Integrity rules 1, 2 and 8: acknowledged after the commit, idempotent, and one bad frame hurts nobody."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from cloud.store.tables import events
from protocol.envelope import Call, CallError, CallResult, encode
from tests.support.csms_world import CARD, NOON, Acked, Published, World, a_world, event, meter_value, metered, status


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def batch(world: World) -> list[Call]:
    return [
        Call("1", "TransactionEvent", metered("Started", 0, 1000, idToken=CARD)),
        Call("2", "TransactionEvent", metered("Updated", 1, 1020)),
        Call("3", "Heartbeat", {}),
    ]


class Away:
    """A table that cannot be used for a while: as a database that is locked, full or away, but at once."""

    def __init__(self, path: Path, table: str) -> None:
        self.path = path
        self.table = table

    def _rename(self, old: str, new: str) -> None:
        connection = sqlite3.connect(self.path, isolation_level=None)
        connection.execute(f"ALTER TABLE {old} RENAME TO {new}")
        connection.close()

    def begin(self) -> None:
        self._rename(self.table, "away")

    def end(self) -> None:
        self._rename("away", self.table)


def test_answers_and_acknowledgements_come_after_the_commit_and_the_answers_first(world: World) -> None:
    world.csms.take([world.frame(call) for call in batch(world)])
    done = [deed.frame.message_id if isinstance(deed, Published) else "ack" for deed in world.deeds]
    assert done == ["1", "2", "3", "ack", "ack", "ack"]
    assert world.session().energy_wh == 20


def test_what_is_published_was_committed_before(world: World) -> None:
    seen: list[int] = []

    def look() -> None:
        with world.store.read() as connection:
            seen.append(connection.scalar(select(func.count()).select_from(events)) or 0)

    world.on_publish = look
    world.csms.take([world.frame(call) for call in batch(world)])
    assert seen == [2, 2, 2]


@pytest.mark.parametrize("table", ["events", "sessions", "stations"])
def test_while_the_database_cannot_be_used_nothing_is_answered_and_later_all_is(world: World, table: str) -> None:
    away = Away(world.folder / "csms.sqlite", table)
    seen: list[list[object]] = []

    def pause() -> bool:
        seen.append(list(world.deeds))
        if len(seen) == 3:
            away.end()
        return False

    world.on_pause = pause
    away.begin()
    world.csms.take([world.frame(call) for call in batch(world)])
    assert seen == [[], [], []]
    assert [frame.message_id for frame in world.to_station()] == ["1", "2", "3"]
    assert len(world.acked()) == 3
    assert (world.session().energy_wh, world.session().driver) == (20, None)


def test_while_the_time_series_cannot_be_used_nothing_is_answered_and_later_all_is(world: World) -> None:
    away = Away(world.folder / "series.sqlite", "points")
    seen: list[list[object]] = []

    def pause() -> bool:
        seen.append(list(world.deeds))
        away.end()
        return False

    world.on_pause = pause
    away.begin()
    world.csms.take([world.frame(call) for call in batch(world)])
    assert seen == [[]]
    assert [frame.message_id for frame in world.to_station()] == ["1", "2", "3"]
    assert [value for _, value in world.samples("energy_wh")] == [1000.0, 1020.0]


@pytest.mark.parametrize(("file", "table"), [("csms.sqlite", "events"), ("series.sqlite", "points")])
def test_a_process_that_is_to_end_leaves_the_batch_to_the_broker(world: World, file: str, table: str) -> None:
    Away(world.folder / file, table).begin()
    world.csms.take([world.frame(call) for call in batch(world)])
    assert world.deeds == []


def test_a_tick_while_the_database_is_away_ends_nothing(world: World) -> None:
    away = Away(world.folder / "csms.sqlite", "calls")
    away.begin()
    assert world.tick() == []
    away.end()
    assert world.tick() == []


def test_a_repeated_frame_gets_the_same_answer_and_changes_nothing(world: World) -> None:
    first = [encode(frame) for frame in world.take(*batch(world)[:2])]
    before = world.session()
    world.pass_time(5)
    again = [encode(frame) for frame in world.take(*batch(world)[:2])]
    assert again == first
    assert world.session() == before
    with world.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == 2
    assert [value for _, value in world.samples("energy_wh")] == [1000.0, 1020.0]


def test_an_event_repeated_under_another_message_id_or_within_one_batch_changes_nothing(world: World) -> None:
    payload = metered("Started", 0, 1000, idToken=CARD)
    answers = world.take(*(Call(name, "TransactionEvent", payload) for name in "abc"))
    assert [type(answer) for answer in answers] == [CallResult] * 3
    assert len({bytes(answer.payload) for answer in answers if isinstance(answer, CallResult)}) == 1
    with world.store.read() as connection:
        assert connection.scalar(select(func.count()).select_from(events)) == 1


def test_a_bad_frame_among_good_ones_is_refused_and_counted_and_the_rest_goes_on(world: World) -> None:
    good = batch(world)
    answers = world.take(good[0], b"{not json", Call("bad", "TransactionEvent", {"seqNo": "x"}), good[1], good[2])
    assert [(answer.message_id, getattr(answer, "code", "")) for answer in answers] == [
        ("1", ""),
        ("-1", "RpcFrameworkError"),
        ("bad", "TypeConstraintViolation"),
        ("2", ""),
        ("3", ""),
    ]
    assert world.refused() == {("cs-1", "RpcFrameworkError"): 1, ("cs-1", "TypeConstraintViolation"): 1}
    assert len(world.acked()) == 5
    assert world.session().energy_wh == 20


def test_refusals_of_the_same_kind_are_counted_together(world: World) -> None:
    for _ in range(2):
        world.take(*[b"nonsense"] * 3)
    assert world.refused() == {("cs-1", "RpcFrameworkError"): 6}


def test_refusals_of_stations_that_are_not_registered_are_counted_in_one_place(world: World) -> None:
    for station in ("nobody", "nobody-else"):
        (answer,) = world.take(Call("7", "Heartbeat", {}), station=station)
        assert isinstance(answer, CallError)
        assert (answer.message_id, answer.code) == ("7", "SecurityError")
    world.take(b"nonsense", station="nobody")
    assert world.refused() == {("", "SecurityError"): 2, ("", "RpcFrameworkError"): 1}
    assert world.sessions() == []


def test_an_answer_is_never_answered_not_even_with_an_error(world: World) -> None:
    assert world.take(CallResult("never-asked", {}), CallError("never-asked", "InternalError")) == []
    assert world.refused() == {("cs-1", "RpcFrameworkError"): 2}
    assert world.take(CallResult("x", {}), station="nobody") == []


def test_the_broker_drops_an_answer_that_nobody_fetched(world: World) -> None:
    world.take(Call("1", "Heartbeat", {}))
    assert [deed.expiry_s for deed in world.deeds if isinstance(deed, Published)] == [60]


def test_messages_on_topics_of_no_station_are_acknowledged_and_dropped(world: World) -> None:
    world.csms.take([world.message(topic, b"{}") for topic in ("cs/a b/up", "cs/x" * 30 + "/up", "cs//link")])
    assert [type(deed) for deed in world.deeds] == [Acked] * 3


def test_a_handler_that_fails_costs_only_the_frame_it_failed_on(world: World) -> None:
    """There is no such frame that we know of; a trigger in the database makes one."""
    connection = sqlite3.connect(world.folder / "csms.sqlite", isolation_level=None)
    connection.execute(
        "CREATE TRIGGER choke BEFORE INSERT ON sessions WHEN NEW.transaction_id = 'poison'"
        " BEGIN SELECT RAISE(ABORT, 'poisoned'); END"
    )
    connection.close()
    answers = world.take(
        Call("1", "TransactionEvent", metered("Started", 0, 1000)),
        Call("2", "TransactionEvent", metered("Started", 0, 1000, transaction="poison")),
        Call("3", "TransactionEvent", metered("Updated", 1, 1010)),
    )
    assert [(answer.message_id, getattr(answer, "code", "")) for answer in answers] == [
        ("1", ""),
        ("2", "InternalError"),
        ("3", ""),
    ]
    assert [row.transaction_id for row in world.sessions()] == ["tx-1"]
    assert len(world.acked()) == 3


def test_status_and_boot_are_kept_and_answered(world: World) -> None:
    station = {"vendorName": "Acme", "model": "One", "firmwareVersion": "1.2"}
    answer = world.ask("BootNotification", {"reason": "PowerUp", "chargingStation": station})
    assert answer == {"currentTime": "2026-11-23T12:00:00Z", "interval": 60, "status": "Accepted"}
    assert (world.station().vendor, world.station().firmware, world.station().serial) == ("Acme", "1.2", "")
    assert world.ask("StatusNotification", status("Occupied")) == {}
    assert world.ask("MeterValues", {"evseId": 2, "meterValue": [meter_value(NOON, Voltage=230.5)]}) == {}
    assert world.samples("voltage_v", evse=2) == [(NOON, 230.5)]
    assert world.ask("Heartbeat", {}) == {"currentTime": "2026-11-23T12:00:00Z"}
    assert world.ask("TransactionEvent", event("Started", 0)) == {}


def test_a_death_before_the_series_was_written_loses_no_sample_of_an_event_that_only_started_could_place(
    world: World,
) -> None:
    later = {name: value for name, value in metered("Updated", 1, 1_020).items() if name != "evse"}
    world.ask("TransactionEvent", later)
    world.ask("TransactionEvent", metered("Started", 0, 1_000))
    told = world.samples("energy_wh")
    assert [value for _, value in told] == [1_000, 1_020]
    world.series.forget(NOON + timedelta(days=1))  # as if we had died between the books and the series
    assert world.samples("energy_wh") == []
    world.ask("TransactionEvent", metered("Started", 0, 1_000))  # it was not acknowledged, and comes again
    assert world.samples("energy_wh") == told
