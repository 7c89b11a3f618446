"""Calls to stations (integrity rule 9), sessions that people ask for, and what a link that is down means (rule 7)."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

import msgspec
import pytest
from sqlalchemy import insert, select, update

from cloud import present
from cloud.commands import Commands, Outcome, find_evse
from cloud.errors import ConflictError, NotFoundError
from cloud.store.tables import calls, evses, users
from protocol.envelope import Call, CallError, CallResult
from protocol.errors import ProtocolError
from protocol.mqtt import Message
from tests.support import wait_for
from tests.support.csms_world import CARD, HEARTBEAT_S, NOON, Published, World, a_world, add, event, metered, status

T = TypeVar("T")
CLEAR = {"status": "Accepted"}


@dataclass
class People:
    """People who ask, each on a thread of their own, and the station's side of what they ask for."""

    world: World
    commands: Commands
    woken: threading.Semaphore
    pool: ThreadPoolExecutor

    def asks(self, what: Callable[[], T]) -> tuple[Future[T], list[Call]]:
        """Somebody asks; the calls that go out at once."""
        future = self.pool.submit(what)
        assert self.woken.acquire(timeout=5)
        return future, self.world.wake()

    def gets(self, what: Callable[[], Outcome], answer: dict[str, Any]) -> Outcome:
        future, (call,) = self.asks(what)
        self.world.take(CallResult(call.message_id, answer))
        return future.result(5)

    def start(self, reference: str = "cs-1:1", connector: int | None = None) -> dict[str, Any]:
        return self.commands.start_session(reference, "ann", connector)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        with made.store.write() as connection:
            row = {"id": "ann", "email": "ann", "role": "driver", "password_hash": "", "created_at": NOON}
            connection.execute(insert(users).values(**row))
        yield made


@pytest.fixture
def people(world: World) -> Iterator[People]:
    woken = threading.Semaphore(0)
    commands = Commands(world.store, now=world.clock, wake=woken.release, heartbeat_s=HEARTBEAT_S, timeout_s=10.0)
    with ThreadPoolExecutor(8) as pool:
        yield People(world, commands, woken, pool)
        commands.stop()


def state(world: World, message_id: str) -> str:
    with world.store.read() as connection:
        return str(connection.scalar(select(calls.c.state).where(calls.c.id == message_id)))


def queue(world: World, name: str, station: str = "cs-1", action: str = "ClearCache", lives_s: float = 10) -> None:
    """A call as `Commands` writes it down, for tests where nobody waits."""
    with world.store.write() as connection:
        values = {"id": name, "station": station, "action": action, "payload": b"{}", "state": "queued"}
        times = {"created_at": world.now, "expires_at": world.now + timedelta(seconds=lives_s)}
        connection.execute(insert(calls).values(**values, **times))


class TestOneInFlight:
    def test_a_call_is_sent_once_with_an_expiry_and_the_next_when_it_is_answered(self, world: World) -> None:
        for name in "abc":
            queue(world, name)
        assert [call.message_id for call in world.wake()] == ["a"]
        assert [deed.expiry_s for deed in world.deeds if isinstance(deed, Published)] == [10]
        assert world.wake() == []
        assert world.tick() == []
        assert [state(world, name) for name in "abc"] == ["sent", "queued", "queued"]
        answers = world.take(CallResult("a", CLEAR))
        assert [frame.message_id for frame in answers] == ["b"]
        assert [frame.message_id for frame in world.take(CallError("b", "NotSupported"))] == ["c"]
        assert [state(world, name) for name in "abc"] == ["answered", "error", "sent"]

    def test_stations_do_not_wait_for_each_other(self, world: World) -> None:
        add(world, "cs-2")
        for number in range(5):
            queue(world, f"a{number}")
        queue(world, "b", "cs-2")
        assert [call.message_id for call in world.wake()] == ["a0", "b"]

    def test_a_thousand_calls_for_one_station_do_not_hide_another_stations(self, world: World) -> None:
        add(world, "cs-2")
        with world.store.write() as connection:
            row = {"station": "cs-1", "action": "ClearCache", "payload": b"{}", "state": "queued"}
            times = {"created_at": world.now, "expires_at": world.now + timedelta(seconds=10)}
            connection.execute(insert(calls), [{"id": f"a{n}", **row, **times} for n in range(1_500)])
        assert [call.message_id for call in world.wake()] == ["a0"]
        queue(world, "b", "cs-2")
        assert [call.message_id for call in world.wake()] == ["b"]

    def test_a_call_may_be_sent_while_one_of_the_stations_own_is_handled(self, world: World) -> None:
        queue(world, "a")
        world.wake()
        assert world.ask("Heartbeat", {}) == {"currentTime": "2026-11-23T12:00:00Z"}
        assert state(world, "a") == "sent"

    def test_one_that_is_overdue_times_out_and_makes_room_and_its_late_answer_is_recognised(self, world: World) -> None:
        queue(world, "a")
        queue(world, "b", lives_s=60)
        world.wake()
        world.pass_time(9.9)
        assert world.tick() == []
        world.pass_time(0.1)
        assert [call.message_id for call in world.tick()] == ["b"]
        assert world.take(CallResult("a", CLEAR)) == []
        assert [state(world, name) for name in "ab"] == ["timeout", "sent"]

    def test_one_that_nobody_sent_in_time_is_never_sent(self, world: World) -> None:
        """The worker was down for an hour: an old start must not fire late, whatever comes before the first tick."""
        queue(world, "a", action="RequestStartTransaction")
        world.pass_time(3600)
        assert world.wake() == []
        assert world.tick() == []
        assert state(world, "a") == "timeout"

    def test_an_answer_from_another_station_does_not_count(self, world: World) -> None:
        add(world, "cs-2")
        queue(world, "a")
        world.wake()
        assert world.take(CallResult("a", CLEAR), station="cs-2") == []
        assert state(world, "a") == "sent"
        assert world.refused() == {("cs-2", "RpcFrameworkError"): 1}

    @pytest.mark.parametrize(
        ("payload", "code"),
        [(b'{"status":"Perhaps"}', "PropertyConstraintViolation"), (b"[]", "TypeConstraintViolation")],
    )
    def test_an_answer_that_its_schema_refuses_is_an_error(self, world: World, payload: bytes, code: str) -> None:
        queue(world, "a")
        queue(world, "b")
        world.wake()
        answers = world.take(CallResult("a", msgspec.Raw(payload)))
        assert [frame.message_id for frame in answers] == ["b"]  # the next call, and no answer to the answer
        assert state(world, "a") == "error"
        assert world.refused() == {("cs-1", code): 1}

    def test_an_answer_with_an_integer_that_no_database_holds_is_an_answer(self, world: World) -> None:
        queue(world, "a")
        world.wake()
        payload = b'{"status":"Accepted","customData":{"vendorId":"x","n":%s}}' % (b"9" * 40)
        world.take(b'[3,"a",%s]' % payload)
        assert state(world, "a") == "answered"
        queue(world, "b")
        world.wake()
        world.take(b'[4,"b","GenericError","",{"n":%s}]' % (b"9" * 40))
        assert state(world, "b") == "error"


class TestOutcomes:
    def test_whoever_asks_gets_the_answer(self, people: People) -> None:
        outcome = people.gets(lambda: people.commands.call("cs-1", "ClearCache", {}), {"status": "Rejected"})
        assert outcome == Outcome("answered", {"status": "Rejected"})

    def test_or_the_error(self, people: People) -> None:
        future, (call,) = people.asks(lambda: people.commands.call("cs-1", "ClearCache", {}))
        people.world.take(CallError(call.message_id, "NotSupported", "we have none", {"a": 1}))
        response = {"code": "NotSupported", "description": "we have none", "details": {"a": 1}}
        assert future.result(5) == Outcome("error", response)

    def test_or_that_the_time_is_over(self, people: People) -> None:
        future, _ = people.asks(lambda: people.commands.call("cs-1", "ClearCache", {}))
        people.world.pass_time(10)
        people.world.tick()
        assert future.result(5) == Outcome("timeout", None)

    def test_at_the_end_of_the_process_nobody_waits(self, people: People) -> None:
        future, _ = people.asks(lambda: people.commands.call("cs-1", "ClearCache", {}))
        people.commands.stop()
        assert future.result(5) == Outcome("timeout", None)

    @pytest.mark.parametrize(
        ("action", "payload", "code"),
        [
            ("MakeCoffee", {}, "NotImplemented"),
            ("Heartbeat", {}, "NotSupported"),
            ("Reset", {}, "OccurrenceConstraintViolation"),
            ("GetLocalListVersion", {"customData": {"vendorId": "x", "n": float("nan")}}, "TypeConstraintViolation"),
        ],
    )
    def test_what_cannot_be_sent_is_refused_before_it_is_written_down(
        self, people: People, action: str, payload: dict[str, Any], code: str
    ) -> None:
        with pytest.raises(ProtocolError) as error:
            people.commands.call("cs-1", action, payload)
        assert error.value.code == code
        assert people.world.wake() == []

    def test_there_must_be_such_a_station(self, people: People) -> None:
        with pytest.raises(NotFoundError):
            people.commands.call("cs-9", "ClearCache", {})


class TestStart:
    def accepted(self, people: People, **more: Any) -> tuple[dict[str, Any], int]:
        """A session that waits for the plug, and its remote start id."""
        future, (call,) = people.asks(people.start)
        people.world.take(CallResult(call.message_id, {"status": "Accepted", **more}))
        return future.result(5), int(msgspec.json.decode(call.payload)["remoteStartId"])

    def test_the_station_is_asked_and_the_session_waits(self, people: People) -> None:
        future, (call,) = people.asks(people.start)
        assert (call.action, msgspec.json.decode(call.payload)) == (
            "RequestStartTransaction",
            {"evseId": 1, "remoteStartId": 1, "idToken": {"idToken": "Dann", "type": "Central"}},
        )
        people.world.take(CallResult(call.message_id, {"status": "Accepted"}))
        session = future.result(5)
        assert (session["state"], session["station"], session["evse"], session["driver"]) == (
            "pending",
            "cs-1",
            1,
            "ann",
        )

    def test_by_the_code_on_the_sticker(self, people: People) -> None:
        with people.world.store.read() as connection:
            code = connection.scalar(select(evses.c.code).where(evses.c.number == 2))
        future, (call,) = people.asks(lambda: people.start(f" {code[:3].lower()}-{code[3:]} "))
        people.world.take(CallResult(call.message_id, {"status": "Accepted"}))
        assert future.result(5)["evse"] == 2

    def test_started_takes_the_pending_session_over(self, people: People) -> None:
        session, remote = self.accepted(people)
        started = metered("Started", 0, 1000, info={"remoteStartId": remote}, idToken=CARD)
        people.world.ask("TransactionEvent", started)
        (row,) = people.world.sessions()
        assert (row.id, row.transaction_id, row.driver, row.state) == (session["id"], "tx-1", "ann", "charging")

    @pytest.mark.parametrize("batched", [True, False])
    def test_also_when_another_event_of_the_transaction_comes_first(self, people: People, batched: bool) -> None:
        session, remote = self.accepted(people)
        updated = Call("2", "TransactionEvent", metered("Updated", 1, 1010, idToken=CARD))
        started = Call("1", "TransactionEvent", metered("Started", 0, 1000, info={"remoteStartId": remote}))
        if batched:
            people.world.take(updated, started)
        else:
            people.world.take(updated)
            people.world.take(started)
        (row,) = people.world.sessions()
        assert (row.id, row.driver, row.energy_wh, row.complete) == (session["id"], "ann", 10, False)
        people.world.ask("TransactionEvent", metered("Ended", 2, 1020, idToken=CARD))
        (row,) = people.world.sessions()
        assert (row.id, row.driver, row.energy_wh, row.complete) == (session["id"], "ann", 20, True)

    def test_another_stations_remote_start_id_takes_over_nothing(self, people: People) -> None:
        session, remote = self.accepted(people)
        add(people.world, "cs-2")
        people.world.ask("TransactionEvent", event("Started", 0, info={"remoteStartId": remote}), station="cs-2")
        assert [(row.station, row.id == session["id"], row.driver) for row in people.world.sessions()] == [
            ("cs-1", True, "ann"),
            ("cs-2", False, None),
        ]

    def test_a_pending_session_lapses_when_nobody_plugs_in(self, people: People) -> None:
        self.accepted(people)
        people.world.pass_time(299)
        people.world.tick()
        assert [row.state for row in people.world.sessions()] == ["pending"]
        people.world.pass_time(1)
        people.world.tick()
        assert [(row.state, row.stop_reason) for row in people.world.sessions()] == [("failed", "Timeout")]

    def test_and_lives_again_when_it_has_begun_after_all(self, people: People) -> None:
        session, remote = self.accepted(people)
        people.world.pass_time(300)
        people.world.tick()
        people.world.ask("TransactionEvent", metered("Started", 0, 1000, info={"remoteStartId": remote}))
        (row,) = people.world.sessions()
        assert (row.id, row.state, row.ended_at, row.stop_reason) == (session["id"], "charging", None, None)

    @pytest.mark.parametrize(
        ("answer", "words", "reason"),
        [
            (CallResult("?", {"status": "Rejected", "statusInfo": {"reasonCode": "Occupied"}}), "Occupied", "Rejected"),
            (CallError("?", "InternalError", "oh"), "InternalError: oh", "Error"),
        ],
    )
    def test_a_station_that_will_not(
        self, people: People, answer: CallResult | CallError, words: str, reason: str
    ) -> None:
        future, (call,) = people.asks(people.start)
        people.world.take(msgspec.structs.replace(answer, message_id=call.message_id))
        with pytest.raises(ConflictError) as error:
            future.result(5)
        assert (error.value.reason, str(error.value)) == ("rejected", f"station cs-1 would not start: {words}")
        assert [(row.state, row.stop_reason) for row in people.world.sessions()] == [("failed", reason)]

    def test_a_station_that_does_not_answer_is_offline(self, people: People) -> None:
        future, _ = people.asks(people.start)
        people.world.pass_time(10)
        people.world.tick()
        with pytest.raises(ConflictError) as error:
            future.result(5)
        assert error.value.reason == "offline"
        assert [(row.state, row.stop_reason) for row in people.world.sessions()] == [("failed", "Timeout")]

    def test_an_evse_that_is_taken(self, people: People) -> None:
        self.accepted(people)
        self.refused(people, "occupied")
        people.world.ask("TransactionEvent", metered("Started", 0, 1000, evse=2))
        self.refused(people, "occupied", "cs-1:2")

    def test_an_evse_that_is_out_of_service(self, people: People) -> None:
        people.world.ask("StatusNotification", status("Faulted"))
        self.refused(people, "inoperative")

    def test_a_station_whose_link_is_down(self, people: People) -> None:
        people.world.link(b'{"online":false}')
        self.refused(people, "offline")

    def test_a_station_that_fell_silent(self, people: People) -> None:
        people.world.pass_time(3 * HEARTBEAT_S + 1)
        self.refused(people, "offline")

    def refused(self, people: People, reason: str, reference: str = "cs-1:1") -> None:
        with pytest.raises(ConflictError) as error:
            people.start(reference)
        assert error.value.reason == reason
        assert people.world.wake() == []

    @pytest.mark.parametrize(
        "reference",
        ["cs-1:9", "cs-9:1", "cs-1:x", "cs-1:", ":1", "cs-1:" + "9" * 5_000, "cs-1:-1", "ABCDEF", "", "1" * 500],
    )
    def test_there_must_be_such_an_evse(self, people: People, reference: str) -> None:
        with pytest.raises(NotFoundError), people.world.store.read() as connection:
            find_evse(connection, reference)

    def test_and_such_a_connector(self, people: People) -> None:
        with pytest.raises(NotFoundError):
            people.start("cs-1:1", 2)


class TestStop:
    def test_the_station_is_asked_for_its_own_transaction(self, people: People) -> None:
        people.world.ask("TransactionEvent", metered("Started", 0, 1000, transaction="tx-9"))
        session = people.world.session("tx-9").id
        future, (call,) = people.asks(lambda: people.commands.stop_session(session))
        assert (call.action, msgspec.json.decode(call.payload)) == ("RequestStopTransaction", {"transactionId": "tx-9"})
        people.world.take(CallResult(call.message_id, {"status": "Accepted"}))
        assert future.result(5)["state"] == "charging"  # until the station says Ended

    def test_what_is_over_or_has_not_begun_cannot_be_stopped(self, people: People) -> None:
        people.world.ask("TransactionEvent", metered("Ended", 1, 1000))
        with pytest.raises(ConflictError) as error:
            people.commands.stop_session(people.world.session().id)
        assert error.value.reason == "ended"
        future, (call,) = people.asks(people.start)
        with pytest.raises(ConflictError) as error:
            people.commands.stop_session(people.world.sessions()[-1].id)
        assert error.value.reason == "not_started"
        people.world.take(CallResult(call.message_id, {"status": "Accepted"}))
        future.result(5)
        with pytest.raises(NotFoundError):
            people.commands.stop_session("no such")


class TestLink:
    def shown(self, world: World) -> tuple[bool, str | None, str, str]:
        with world.store.read() as connection:
            (station,) = present.station_list(connection, world.now, HEARTBEAT_S, ["cs-1"])
        evse = station["evses"][0]
        return station["online"], station["since"], evse["status"], evse["detail"]

    def test_a_station_whose_link_is_down_is_inoperative_whatever_it_said_last(self, world: World) -> None:
        world.pass_time(5)
        assert self.shown(world) == (True, "2026-11-23T12:00:00.000Z", "available", "Available")
        world.link(b'{"online":false}')
        assert self.shown(world) == (False, "2026-11-23T12:00:05.000Z", "inoperative", "Offline")
        world.pass_time(60)
        world.link(b'{"online":false}')  # again, as a broker does when a worker subscribes anew
        assert self.shown(world) == (False, "2026-11-23T12:00:05.000Z", "inoperative", "Offline")
        world.link(b'{"online":true,"since":"2026-11-23T12:01:00Z"}')
        assert self.shown(world) == (True, "2026-11-23T12:01:00.000Z", "available", "Available")

    def test_one_that_fell_silent_is_offline_since_it_was_due(self, world: World) -> None:
        world.pass_time(180)
        assert self.shown(world)[0] is True
        world.pass_time(1)
        assert self.shown(world) == (False, "2026-11-23T12:03:00.000Z", "inoperative", "Offline")
        world.ask("Heartbeat", {})
        assert self.shown(world)[0] is True

    def test_a_clock_that_is_ahead_is_not_believed(self, world: World) -> None:
        world.link(b'{"online":false,"since":"2030-01-01T00:00:00Z"}')
        assert self.shown(world)[1] == "2026-11-23T12:00:00.000Z"

    def test_the_link_of_a_station_that_is_not_registered_is_nobodys(self, world: World) -> None:
        world.link(station="nobody")
        assert (world.refused(), len(world.acked())) == ({}, 1)

    def test_what_a_session_is_doing_shows_on_its_evse(self, world: World) -> None:
        world.ask("StatusNotification", status("Occupied"))
        world.ask("TransactionEvent", metered("Started", 0, 1000))
        assert self.shown(world)[2:] == ("occupied", "Occupied")


def test_the_wait_for_an_answer_does_not_hold_the_database(people: People) -> None:
    future, (call,) = people.asks(lambda: people.commands.call("cs-1", "ClearCache", {}))
    with people.world.store.write() as connection:
        connection.execute(update(users).values(name="x"))
    people.world.take(CallResult(call.message_id, CLEAR))
    assert wait_for(future.done)


def test_what_the_broker_remembers_of_a_link_does_not_count_as_hearing_the_station(world: World) -> None:
    world.pass_time(3 * HEARTBEAT_S + 1)
    world.csms.take([Message("cs/cs-1/link", b'{"online":true}', True, lambda: None)])
    with world.store.read() as connection:
        assert present.station_list(connection, world.now, HEARTBEAT_S)[0]["online"] is False
    world.csms.take([Message("cs/cs-1/link", b'{"online":true}', False, lambda: None)])
    with world.store.read() as connection:
        assert present.station_list(connection, world.now, HEARTBEAT_S)[0]["online"] is True


def test_a_station_whose_clock_was_set_back_is_believed_after_its_next_boot(world: World) -> None:
    world.ask("StatusNotification", status("Faulted"))
    station = {"vendorName": "Colonnina", "model": "Pi 4"}
    world.ask("BootNotification", {"reason": "PowerUp", "chargingStation": station})
    world.ask("StatusNotification", status("Available", at=NOON - timedelta(days=1)))
    with world.store.read() as connection:
        evse = present.station_list(connection, world.now, HEARTBEAT_S)[0]["evses"][0]
    assert evse["status"] == "available"
