"""The core between the machine and its memory: what it answers from the queue, what time it takes from the CSMS."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.authorization import SqliteTokenMemory
from edge.clock import Clock
from edge.outbox import RETRY_S, SqliteOutbox
from edge.station import machine
from edge.station.core import Core
from edge.station.ports import CardRead, LinkChanged, Metered, PlugChanged, TellQueue
from edge.station.state import Settings
from edge.station.tokens import AuthorizationSettings, IdToken
from hardware.ports import Light, Reading
from protocol.envelope import Call, CallError, CallResult, decode, encode
from tests.support.station_site import IDENTITY, START, a_site

RULES = AuthorizationSettings(offline_tx_for_unknown_id_enabled=True)


class Post:
    """A station with one EVSE, without devices. It is its own hands and transport. closed: whether power flows.

    system_off_s: by how much the machine's wall clock is off.
    """

    def __init__(self, folder: Path, system_off_s: float = 0.0) -> None:
        self.mono = 100.0
        self.system_off_s = system_off_s
        self.clock = Clock(lambda: self.true + timedelta(seconds=self.system_off_s), lambda: self.mono)
        self.outbox = SqliteOutbox(folder / "station.sqlite", self.clock, "this boot")
        self.tokens = SqliteTokenMemory(folder / "tokens.sqlite")
        self.outbox.start()
        self.tokens.start()
        self.clock.not_before(self.outbox.latest)
        self.closed = False
        self.frames: list[bytes] = []
        ids = count()
        station = machine.initial([(1, [1])], "seed", Settings(), IDENTITY, RULES)
        self.core = Core(
            station,
            self,
            self.outbox,
            self.tokens,
            self,
            self.clock,
            lambda: f"id-{next(ids)}",
            told_time=self.clock.told,
        )
        self.core.take(PlugChanged(1, 1, False))
        self.core.restore()

    @property
    def true(self) -> datetime:
        return START + timedelta(seconds=self.mono)

    def stop(self) -> None:
        self.outbox.stop()
        self.tokens.stop()

    # -- hands and transport --

    def switch(self, evse: int, connector: int, *, on: bool) -> None:
        self.closed = on

    def offer(self, evse: int, connector: int, limit_a: float | None) -> None:
        raise AssertionError("there is no pilot")

    def show(self, evse: int, light: Light) -> None:
        pass

    def read_meter(self, evse: int) -> None:
        self.meter()

    def restart(self, reason: str) -> None:
        raise AssertionError("nobody asked for that")

    def send(self, frame: bytes) -> None:
        self.frames.append(frame)

    # -- what happens --

    def meter(self) -> None:
        self.core.take(Metered(1, Reading(1_000, 0.0, 0.0, 230.0), self.mono))

    def charge_offline(self) -> None:
        self.meter()
        self.core.take(PlugChanged(1, 1, True))
        self.core.take(CardRead(IdToken("04A1", "ISO14443")))

    def end(self) -> None:
        self.core.take(PlugChanged(1, 1, False))
        self.mono += 5
        self.core.tick()

    def link(self) -> None:
        self.core.take(LinkChanged(True))

    def sent(self) -> Call:
        """The call that was sent last."""
        return [call for call in map(decode, self.frames) if isinstance(call, Call)][-1]

    def answer(self, payload: dict[str, Any]) -> str:
        """Answer the call that was sent last. Its action."""
        call = self.sent()
        self.core.frame(encode(CallResult(call.message_id, payload)))
        return call.action

    def boot(self) -> None:
        accepted = {"currentTime": self.true.isoformat(), "interval": 60, "status": "Accepted"}
        assert self.answer(accepted) == "BootNotification"

    def ask(self, transaction: str | None) -> dict[str, Any]:
        """What it answers to GetTransactionStatus."""
        before = len(self.frames)
        payload = {} if transaction is None else {"transactionId": transaction}
        self.core.frame(encode(Call("asked", "GetTransactionStatus", payload)))
        answers = [decode(frame) for frame in self.frames[before:]]
        (result,) = [answer for answer in answers if isinstance(answer, CallResult) and answer.message_id == "asked"]
        return dict(msgspec.json.decode(result.payload))


@pytest.fixture
def post(tmp_path: Path) -> Iterator[Post]:
    made = Post(tmp_path)
    yield made
    made.stop()


def status(ongoing: bool | None, queued: bool) -> dict[str, bool]:
    told = {} if ongoing is None else {"ongoingIndicator": ongoing}
    return {**told, "messagesInQueue": queued}


class TestGetTransactionStatus:
    def test_whether_a_transaction_goes_on_is_asked_of_the_station_and_the_rest_of_the_outbox(self) -> None:
        site = a_site()
        site.tap()
        site.authorize()
        site.plug()
        transaction = site.evse().transaction
        assert transaction is not None
        for asked, ongoing in ((transaction.id, True), ("no such", False), (None, None)):
            payload = {} if asked is None else {"transactionId": asked}
            (told,) = site.call("GetTransactionStatus", payload)
            assert told == TellQueue("call", "GetTransactionStatus", asked, ongoing)

    def test_while_nothing_has_happened_nothing_waits(self, post: Post) -> None:
        assert (post.ask(None), post.ask("no such")) == (status(None, False), status(False, False))

    def test_events_wait_until_they_are_answered_in_flight_or_not(self, post: Post) -> None:
        post.charge_offline()
        assert (post.ask("seed-0"), post.ask("another"), post.ask(None)) == (
            status(True, True),
            status(False, False),
            status(None, True),
        )
        post.end()
        assert post.ask("seed-0") == status(False, True)
        post.link()
        post.boot()
        told = []
        while post.outbox.count():
            assert post.ask("seed-0") == status(False, True)
            if post.sent().action == "TransactionEvent":
                told.append(msgspec.json.decode(post.sent().payload)["eventType"])
            post.answer({})
        assert (told[0], told[-1]) == ("Started", "Ended")
        assert (post.ask("seed-0"), post.ask(None)) == (status(False, False), status(None, False))

    def test_one_that_could_not_be_written_down_waits_too(self, post: Post) -> None:
        post.outbox._open.execute("PRAGMA query_only = ON")
        post.charge_offline()
        assert post.ask("seed-0") == status(True, True)


class TestAFullDisk:
    def test_power_flows_by_the_same_rules_and_what_happened_is_told_when_there_is_room(self, post: Post) -> None:
        post.outbox._open.execute("PRAGMA query_only = ON")
        post.charge_offline()
        assert post.closed is True
        post.end()
        assert post.closed is False
        post.outbox._open.execute("PRAGMA query_only = OFF")
        post.mono += RETRY_S
        post.core.tick()
        assert post.outbox.count() >= 2
        assert (post.outbox.restore().transactions, post.outbox.holds("seed-0")) == ((), True)


class TestTheTime:
    def test_a_clock_that_is_wrong_is_set_by_the_answer_to_the_first_call(self, tmp_path: Path) -> None:
        post = Post(tmp_path, system_off_s=-86_400.0)
        post.link()
        assert post.clock().utc == post.true - timedelta(days=1)
        post.boot()
        assert post.clock().utc == post.true
        post.stop()

    def test_what_happened_before_is_told_with_the_right_time(self, tmp_path: Path) -> None:
        post = Post(tmp_path, system_off_s=-86_400.0)
        began = post.true
        post.charge_offline()
        post.mono += 50
        post.link()
        post.boot()
        while post.sent().action != "TransactionEvent":
            post.answer({})
        told = msgspec.json.decode(post.sent().payload, type=dict[str, Any])
        assert (told["eventType"], told["offline"]) == ("Started", True)
        assert datetime.fromisoformat(told["timestamp"]) == began
        assert datetime.fromisoformat(told["meterValue"][0]["timestamp"]) == began
        post.stop()

    def test_a_refusal_tells_no_time(self, post: Post) -> None:
        post.system_off_s = -86_400.0
        post.link()
        post.core.frame(encode(CallError(post.sent().message_id, "InternalError")))
        assert post.clock().utc == post.true - timedelta(days=1)

    def test_after_a_power_cut_it_is_not_before_what_was_written_down(self, tmp_path: Path) -> None:
        before = Post(tmp_path)
        before.charge_offline()
        written = before.clock().utc
        after = Post(tmp_path, system_off_s=-86_400.0)
        assert after.clock().utc >= written
        before.stop()
        after.stop()
