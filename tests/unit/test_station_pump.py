"""Calls on their way: one in flight, those who wait first, nothing lost (integrity rules 4 and 9)."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.outbox import SqliteOutbox
from edge.station.ports import Answered, Send
from edge.station.pump import LONGEST_REST_S, MAX_WAITING, Pump
from edge.station.state import Now, Settings
from protocol.envelope import Call, CallError, CallResult, decode
from tests.support.csms_world import event

TIMEOUT_S = 15.0
ATTEMPTS, PAUSE_S = 4, 20.0
SETTINGS = Settings(answer_s=TIMEOUT_S, message_attempts=ATTEMPTS, message_attempt_interval_s=PAUSE_S)
BEGIN = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
HEARTBEAT = Send("Heartbeat", {})
NOW = {"currentTime": "2026-11-23T12:00:00Z"}


@dataclass
class Line:
    """A pump on a real outbox, with a clock that is advanced. sent: every call that went out.

    set_by_s: by how much the wall clock has been set.
    """

    path: Path
    mono: float = 100.0
    set_by_s: float = 0.0
    ids: Any = field(default_factory=count)
    sent: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.open()

    def open(self) -> None:
        """As after a restart; what was open before is left as a kill leaves it."""
        self.outbox = SqliteOutbox(self.path, self.clock, "this boot")
        self.outbox.start()
        self.pump = Pump(self.outbox, lambda: f"id-{next(self.ids)}", SETTINGS)

    def clock(self) -> Now:
        return Now(BEGIN + timedelta(seconds=self.mono + self.set_by_s), self.mono)

    def keep(self, *numbers: int) -> None:
        self.outbox.commit([Send("TransactionEvent", event("Updated", number), durable=True) for number in numbers], [])

    def next(self, booted: bool = True) -> str | None:
        """What goes out now: its action, and for an event its seqNo."""
        frame = self.pump.next(self.mono, booted=booted)
        if frame is None:
            return None
        call = decode(frame)
        assert isinstance(call, Call)
        self.sent.append(call)
        seq_no = msgspec.json.decode(call.payload).get("seqNo")
        return call.action if seq_no is None else f"{call.action} {seq_no}"

    def answer(self, payload: dict[str, Any] | None = None, message_id: str | None = None) -> Answered | None:
        name = message_id or self.sent[-1].message_id
        raw = msgspec.Raw(msgspec.json.encode(payload or {}))
        return self.pump.answer(CallResult(name, raw), self.mono)

    def refuse(self, code: str) -> Answered | None:
        return self.pump.answer(CallError(self.sent[-1].message_id, code, "why"), self.mono)

    def rest(self) -> float:
        """Let the pause pass. Answers how long it was, s."""
        wake = self.pump.wake_mono()
        assert wake is not None
        assert self.next() is None
        pause, self.mono = wake - self.mono, wake
        return pause

    def dead(self) -> list[tuple[int, str]]:
        connection = sqlite3.connect(self.path)
        rows = connection.execute("SELECT payload, code FROM dead_letters ORDER BY rowid").fetchall()
        connection.close()
        return [(msgspec.json.decode(payload)["seqNo"], code) for payload, code in rows]


@pytest.fixture
def line(tmp_path: Path) -> Iterator[Line]:
    made = Line(tmp_path / "outbox.sqlite")
    yield made
    made.outbox.stop()


def test_one_call_is_in_flight_and_the_next_goes_when_it_is_answered(line: Line) -> None:
    line.keep(0, 1)
    assert [line.next(), line.next()] == ["TransactionEvent 0", None]
    assert line.answer() is not None
    assert [line.next(), line.next()] == ["TransactionEvent 1", None]
    line.answer()
    assert (line.next(), line.outbox.count()) == (None, 0)


def test_who_waits_goes_before_the_backlog_and_the_backlog_in_order(line: Line) -> None:
    line.keep(0, 1)
    line.pump.push(HEARTBEAT)
    line.pump.push(Send("Authorize", {"idToken": {"idToken": "04A1", "type": "ISO14443"}}))
    order = []
    for _ in range(4):
        order.append(line.next())
        line.answer(NOW)
    assert order == ["Heartbeat", "Authorize", "TransactionEvent 0", "TransactionEvent 1"]


def test_before_it_has_booted_the_backlog_waits(line: Line) -> None:
    line.keep(0)
    assert line.next(booted=False) is None
    line.pump.push(HEARTBEAT)
    assert line.next(booted=False) == "Heartbeat"


def test_what_was_asked_comes_back_with_its_typed_answer(line: Line) -> None:
    line.pump.push(HEARTBEAT)
    line.next()
    answered = line.answer(NOW)
    assert answered is not None
    assert (answered.action, answered.request, answered.response.current_time.year) == ("Heartbeat", {}, 2026)


def test_without_an_answer_a_kept_call_is_made_again_under_a_new_id(line: Line) -> None:
    line.keep(0)
    line.next()
    assert line.pump.wake_mono() == line.mono + TIMEOUT_S
    line.mono += TIMEOUT_S - 0.1
    assert line.pump.expire(line.mono) is None
    line.mono += 0.1
    assert line.pump.expire(line.mono) == Answered("TransactionEvent", msgspec.json.decode(line.sent[0].payload), None)
    assert line.next() is None
    line.rest()
    assert line.next() == "TransactionEvent 0"
    assert line.sent[0].message_id != line.sent[1].message_id
    assert bytes(line.sent[0].payload) == bytes(line.sent[1].payload)


def test_while_nobody_answers_the_pauses_grow_to_a_bound_and_nothing_is_lost(line: Line) -> None:
    line.keep(0)
    pauses = []
    for _ in range(50):
        assert line.next() == "TransactionEvent 0"
        line.mono += TIMEOUT_S
        line.pump.expire(line.mono)
        pauses.append(line.rest())
    assert pauses == [min(LONGEST_REST_S, PAUSE_S * attempt) for attempt in range(1, 51)]
    assert (line.next(), line.dead()) == ("TransactionEvent 0", [])


def test_any_answer_shows_that_the_csms_is_there_and_ends_the_pause(line: Line) -> None:
    line.keep(0)
    for _ in range(3):
        line.next()
        line.mono += TIMEOUT_S
        line.pump.expire(line.mono)
        line.pump.push(HEARTBEAT)
        assert line.next() == "Heartbeat"
        line.answer(NOW)
        assert line.next() == "TransactionEvent 0"
        line.mono += TIMEOUT_S
        line.pump.expire(line.mono)
        assert line.rest() == PAUSE_S  # the first of a new row


def test_what_was_asked_in_passing_and_not_answered_does_not_make_the_backlog_wait(line: Line) -> None:
    line.keep(0)
    line.pump.push(HEARTBEAT)
    line.next()
    line.mono += TIMEOUT_S
    line.pump.expire(line.mono)
    assert line.next() == "TransactionEvent 0"


def test_a_late_answer_to_what_must_arrive_counts_and_it_is_not_sent_again(line: Line) -> None:
    line.keep(0, 1)
    line.next()
    line.mono += TIMEOUT_S
    line.pump.expire(line.mono)
    answered = line.answer()
    assert answered is not None
    assert answered.request["seqNo"] == 0
    assert line.next() == "TransactionEvent 1"


def test_it_counts_though_the_call_is_being_made_again_and_the_second_answer_is_nothing(line: Line) -> None:
    line.keep(0, 1)
    line.next()
    line.mono += TIMEOUT_S
    line.pump.expire(line.mono)
    line.rest()
    line.next()
    first, second = (call.message_id for call in line.sent)
    assert line.answer(message_id=first) is not None
    assert line.outbox.count() == 1
    assert line.next() == "TransactionEvent 1"
    assert line.answer(message_id=second) is None
    assert line.answer(message_id=first) is None
    assert line.outbox.count() == 1


def test_a_late_answer_to_what_need_not_arrive_counts_for_nothing(line: Line) -> None:
    line.pump.push(HEARTBEAT)
    line.next()
    line.mono += TIMEOUT_S
    line.pump.expire(line.mono)
    assert line.answer(NOW) is None


def test_a_late_refusal_counts_for_nothing(line: Line) -> None:
    line.keep(0)
    line.next()
    line.mono += TIMEOUT_S
    line.pump.expire(line.mono)
    assert line.refuse("FormatViolation") is None
    assert line.outbox.count() == 1


def test_an_answer_that_comes_twice_or_to_nothing_counts_once(line: Line) -> None:
    line.keep(0, 1)
    line.next()
    line.answer()
    assert line.answer() is None
    assert line.outbox.count() == 1
    assert line.answer(message_id="never") is None


def test_when_the_link_is_lost_kept_calls_stay_and_the_others_are_told_that_nobody_answers(line: Line) -> None:
    line.keep(0)
    line.pump.push(HEARTBEAT)
    line.next()
    line.pump.push(Send("Authorize", {"idToken": {"idToken": "04A1", "type": "ISO14443"}}))
    assert [(answered.action, answered.response) for answered in line.pump.link_lost()] == [
        ("Authorize", None),
        ("Heartbeat", None),
    ]
    assert (line.next(), line.next()) == ("TransactionEvent 0", None)
    line.pump.link_lost()
    assert line.next() == "TransactionEvent 0"


@pytest.mark.parametrize("code", ["InternalError", "GenericError", "RpcFrameworkError", "SomethingOfAVendor"])
def test_a_passing_refusal_is_tried_again_after_pauses_that_grow_and_then_buried(line: Line, code: str) -> None:
    line.keep(0, 1)
    pauses = []
    for attempt in range(1, ATTEMPTS + 1):
        assert line.next() == "TransactionEvent 0"
        answered = line.refuse(code)
        assert answered is not None
        assert answered.response is None
        if attempt < ATTEMPTS:
            assert line.next() is None
            pauses.append(line.rest())
    assert pauses == [PAUSE_S, 2 * PAUSE_S, 3 * PAUSE_S]
    assert line.next() == "TransactionEvent 1"
    assert line.dead() == [(0, code)]


def test_attempts_are_counted_over_a_restart(line: Line) -> None:
    line.keep(0)
    line.next()
    line.refuse("InternalError")
    before = line.outbox
    line.open()
    line.next()
    line.refuse("InternalError")
    assert line.rest() == 2 * PAUSE_S
    before.stop()


def test_a_refusal_of_the_sender_is_never_the_fault_of_the_call(line: Line) -> None:
    """A station that was removed from the CSMS's list, say: what it has to tell waits until it is let in again."""
    line.keep(0)
    pauses = []
    for _ in range(50):
        assert line.next() == "TransactionEvent 0"
        line.refuse("SecurityError")
        pauses.append(line.rest())
    assert pauses == [min(LONGEST_REST_S, PAUSE_S * attempt) for attempt in range(1, 51)]
    assert line.next() == "TransactionEvent 0"
    line.answer()
    assert (line.outbox.count(), line.dead()) == (0, [])


def test_while_the_backlog_rests_a_driver_does_not(line: Line) -> None:
    line.keep(0)
    line.next()
    line.refuse("InternalError")
    line.pump.push(HEARTBEAT)
    assert line.next() == "Heartbeat"


def test_a_rest_ends_with_the_link_and_wakes_nobody_while_it_is_down(line: Line) -> None:
    line.keep(0)
    line.next()
    line.refuse("InternalError")
    line.pump.link_lost()
    assert line.pump.wake_mono() is None
    assert line.next() == "TransactionEvent 0"


@pytest.mark.parametrize("code", ["FormatViolation", "PropertyConstraintViolation", "NotSupported"])
def test_a_refusal_for_good_is_buried_at_once_and_what_follows_goes_on(line: Line, code: str) -> None:
    line.keep(0, 1)
    line.next()
    line.refuse(code)
    assert line.next() == "TransactionEvent 1"
    assert line.dead() == [(0, code)]


def test_a_refusal_of_what_need_not_arrive_is_told_and_forgotten(line: Line) -> None:
    line.pump.push(HEARTBEAT)
    line.next()
    assert line.refuse("InternalError") == Answered("Heartbeat", {}, None)
    assert (line.next(), line.dead()) == (None, [])


def test_an_answer_that_its_schema_refuses_is_an_answer_all_the_same(line: Line) -> None:
    """The CSMS has it: to send it again would change nothing."""
    line.keep(0)
    line.next()
    answered = line.answer({"totalCost": "much"})
    assert answered is not None
    assert (answered.response, line.outbox.count()) == (None, 0)


def test_a_kept_call_that_cannot_be_sent_blocks_nothing(line: Line) -> None:
    line.outbox.commit([Send("TransactionEvent", {"seqNo": 7}, durable=True)], [])
    line.keep(8)
    assert line.next() == "TransactionEvent 8"
    assert line.dead() == [(7, "OccurrenceConstraintViolation")]


def test_after_a_kill_what_was_not_answered_is_sent_again(line: Line) -> None:
    line.keep(0, 1)
    line.next()
    line.answer()
    line.next()
    before = line.outbox
    line.open()
    assert line.next() == "TransactionEvent 1"
    assert line.answer(message_id=line.sent[-2].message_id) is None  # to the process that was killed
    assert line.outbox.count() == 1
    before.stop()


def test_of_what_need_not_arrive_only_so_many_wait(line: Line) -> None:
    for _ in range(MAX_WAITING + 50):
        line.pump.push(HEARTBEAT)
    sent = 0
    while line.next() is not None:
        line.answer(NOW)
        sent += 1
    assert sent == MAX_WAITING


def test_with_nothing_to_do_it_wants_no_wake(line: Line) -> None:
    assert line.pump.wake_mono() is None


def timestamps(call: Call) -> list[str]:
    payload = msgspec.json.decode(call.payload)
    return [payload["timestamp"], *(value["timestamp"] for value in payload.get("meterValue", []))]


def test_what_was_kept_before_the_wall_clock_was_set_is_sent_with_the_right_time(line: Line) -> None:
    sample = {"timestamp": "2026-11-23T10:00:01Z", "sampledValue": [{"value": 1.0}]}
    payload = {**event("Updated", 0), "timestamp": "2026-11-23T10:00:02Z", "meterValue": [sample], "offline": True}
    line.outbox.commit([Send("TransactionEvent", payload, durable=True)], [])
    line.mono += 50
    line.set_by_s = 3_600
    assert line.next() == "TransactionEvent 0"
    assert timestamps(line.sent[0]) == ["2026-11-23T11:00:02Z", "2026-11-23T11:00:01Z"]
    assert msgspec.json.decode(line.sent[0].payload)["offline"] is True


@pytest.mark.parametrize("damaged", [b"", b"[]", b"{", b"\xff\xfe", b'{"a": 1e999'])
def test_a_kept_call_that_is_damaged_blocks_nothing(line: Line, damaged: bytes) -> None:
    line.keep(0, 1)
    connection = sqlite3.connect(line.path, isolation_level=None)
    connection.execute("UPDATE calls SET payload = ? WHERE key = 1", [damaged])
    connection.close()
    assert line.next() == "TransactionEvent 1"


def test_new_settings_count_from_now_on(line: Line) -> None:
    line.keep(0)
    line.pump.settings = Settings(answer_s=1.0, message_attempts=1)
    line.next()
    assert line.pump.wake_mono() == line.mono + 1.0
    line.refuse("InternalError")
    assert line.dead() == [(0, "InternalError")]
