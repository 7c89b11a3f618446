"""The outbox: what is in it is delivered, again and again until it is taken or given up, and then never again."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import Row, delete, insert, select

from cloud.domain.notices import PAUSES_S
from cloud.notify.delivery import LEASE, THREADS, Delivery
from cloud.notify.port import Notice, PermanentError, Recipient, TemporaryError
from cloud.store.notices import Told, write
from cloud.store.store import Store, new_id
from cloud.store.tables import deliveries, notices, preferences, users
from tests.support import wait_for
from tests.support.postgres import a_postgres

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@dataclass
class Recorder:
    """A channel that takes what it is given, or raises what it is told to."""

    taken: list[tuple[str, str, str]] = field(default_factory=list)
    troubles: list[Exception] = field(default_factory=list)
    before: Callable[[], None] = lambda: None

    def check(self, address: str, email: str) -> str:
        return address

    def send(self, notice: Notice, recipient: Recipient) -> None:
        self.before()
        if self.troubles:
            raise self.troubles.pop(0)
        self.taken.append((notice.id, recipient.target or recipient.email, notice.text))


class Outbox:
    def __init__(self, store: Store) -> None:
        self.store = store
        self.now = NOON
        self.channel = Recorder()
        self.delivery = self.worker()
        with store.write() as connection:
            row = {"id": "driver", "email": "d@x.test", "role": "driver", "created_at": NOON, "password_hash": ""}
            connection.execute(insert(users).values(**row))

    def worker(self, channel: Recorder | None = None) -> Delivery:
        return Delivery(self.store, {"ch": channel or self.channel}, now=lambda: self.now, draw=lambda: 0.0)

    def put(self, session: int = 1, target: str = "") -> None:
        facts = {"station": "cs-1", "evse": 1, "problem": ""}
        with self.store.write() as connection:
            row = {"id": new_id(NOON), "user": "driver", "session": session, "kind": "fault", "at": NOON}
            no = connection.scalar(
                insert(notices).values(**row, facts=msgspec.json.encode(facts)).returning(notices.c.no)
            )
            row = {"notice": no, "channel": "ch", "target": target, "state": "waiting", "next_at": NOON}
            connection.execute(insert(deliveries).values(**row))

    def rows(self) -> list[Row[tuple[object, ...]]]:
        with self.store.read() as connection:
            return list(connection.execute(select(deliveries).order_by(deliveries.c.no)))

    def states(self) -> list[tuple[str, int, str]]:
        return [(row.state, row.attempts, row.error) for row in self.rows()]  # type: ignore[attr-defined]

    def pass_time(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


@pytest.fixture(scope="module")
def postgres() -> Iterator[str]:
    with a_postgres() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def outbox(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Outbox]:
    lite = request.param == "sqlite"
    store = Store(f"sqlite:///{tmp_path / 'csms.sqlite'}" if lite else request.getfixturevalue("postgres"))
    store.start()
    with store.write() as connection:
        connection.execute(delete(users))  # and all that is theirs
    yield Outbox(store)
    store.stop()


def test_what_is_taken_is_never_sent_again(outbox: Outbox) -> None:
    outbox.put()
    assert outbox.delivery.deliver_due() == 1
    outbox.pass_time(10 * 86_400)
    assert outbox.delivery.deliver_due() == 0
    ((_, to, text),) = outbox.channel.taken
    assert (to, text) == ("d@x.test", "cs-1, EVSE 1 reports a fault. Charging may have stopped.")
    assert outbox.states() == [("delivered", 1, "")]


def test_the_text_is_in_the_language_of_the_preferences(outbox: Outbox) -> None:
    with outbox.store.write() as connection:
        connection.execute(insert(preferences).values(user="driver", language="it"))
    outbox.put()
    outbox.delivery.deliver_due()
    assert "segnala un guasto" in outbox.channel.taken[0][2]


def test_what_fails_for_now_is_tried_again_after_a_pause(outbox: Outbox) -> None:
    outbox.put()
    outbox.channel.troubles += [TemporaryError("503"), RuntimeError("a bug of a plug-in")]
    outbox.delivery.deliver_due()
    assert outbox.states() == [("waiting", 1, "503")]
    outbox.pass_time(PAUSES_S[0] - 1)
    assert outbox.delivery.deliver_due() == 0
    outbox.pass_time(1)
    outbox.delivery.deliver_due()
    assert outbox.states() == [("waiting", 2, "RuntimeError: a bug of a plug-in")]
    outbox.pass_time(PAUSES_S[1])
    outbox.delivery.deliver_due()
    assert outbox.states() == [("delivered", 3, "")]
    assert len(outbox.channel.taken) == 1


def test_the_other_side_may_ask_for_a_longer_pause(outbox: Outbox) -> None:
    outbox.put()
    outbox.channel.troubles.append(TemporaryError("429", after_s=500))
    outbox.delivery.deliver_due()
    outbox.pass_time(499)
    assert outbox.delivery.deliver_due() == 0
    outbox.pass_time(1)
    assert outbox.delivery.deliver_due() == 1


def test_what_fails_for_good_is_not_tried_again(outbox: Outbox) -> None:
    outbox.put()
    outbox.channel.troubles.append(PermanentError("550 nobody here"))
    outbox.delivery.deliver_due()
    outbox.pass_time(10 * 86_400)
    assert outbox.delivery.deliver_due() == 0
    assert outbox.states() == [("failed", 1, "550 nobody here")]


def test_what_fails_for_a_day_is_given_up(outbox: Outbox) -> None:
    outbox.put()
    outbox.channel.troubles += [TemporaryError("away")] * 100
    for pause in (*PAUSES_S, 0, 0):
        outbox.delivery.deliver_due()
        outbox.pass_time(pause)
    assert outbox.states() == [("failed", len(PAUSES_S) + 1, "away")]


def test_one_that_fails_does_not_hold_up_the_others(outbox: Outbox) -> None:
    for session in range(5):
        outbox.put(session)
    outbox.channel.troubles.append(TemporaryError("busy"))
    outbox.delivery.deliver_due()
    assert [state for state, _, _ in outbox.states()] == ["waiting", *["delivered"] * 4]


def test_two_workers_never_send_the_same(outbox: Outbox) -> None:
    other = Recorder()
    outbox.put()
    outbox.channel.before = lambda: outbox.worker(other).deliver_due()  # type: ignore[assignment, func-returns-value]
    outbox.delivery.deliver_due()
    assert (len(outbox.channel.taken), len(other.taken)) == (1, 0)


def test_many_workers_at_once_share_the_work_and_send_each_once(outbox: Outbox) -> None:
    for session in range(30):
        outbox.put(session)
    threads = [threading.Thread(target=outbox.worker().deliver_due) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(outbox.channel.taken) == len(set(outbox.channel.taken)) == 30
    assert {state for state, _, _ in outbox.states()} == {"delivered"}


def test_what_a_dead_worker_had_claimed_is_sent_when_its_time_is_over(outbox: Outbox) -> None:
    outbox.put()
    assert len(outbox.worker().claim("ch", 1)) == 1
    assert outbox.delivery.deliver_due() == 0
    outbox.pass_time(LEASE.total_seconds())
    assert outbox.delivery.deliver_due() == 1
    assert outbox.states() == [("delivered", 2, "")]


def test_a_slow_worker_whose_claim_was_taken_over_cannot_undo_what_became_of_it(outbox: Outbox) -> None:
    outbox.put()
    (slow,) = outbox.delivery.claim("ch", 1)
    outbox.pass_time(LEASE.total_seconds())
    quick = Recorder()
    outbox.worker(quick).deliver_due()
    outbox.channel.troubles.append(PermanentError("too late"))
    outbox.delivery.deliver(slow)
    assert outbox.states() == [("delivered", 2, "")]


def test_two_workers_that_fold_the_same_session_make_one_notice(outbox: Outbox) -> None:
    told = [Told("driver", 1, kind, {"station": "cs-1"}) for kind in ("fault", "soc_threshold")]

    def fold() -> None:
        with outbox.store.write() as connection:
            write(connection, told, NOON)

    with outbox.store.write() as connection:
        write(connection, told, NOON)
        second = threading.Thread(target=fold)
        second.start()
    second.join()
    assert [(row.channel, row.state) for row in outbox.rows()] == [("in_app", "waiting")] * 2  # type: ignore[attr-defined]


def test_a_channel_that_hangs_holds_up_neither_the_other_channels_nor_the_end(outbox: Outbox) -> None:
    hanging, stopping = threading.Event(), threading.Event()
    stuck, quick = Recorder(before=lambda: hanging.wait(30)), Recorder()  # type: ignore[arg-type, return-value]
    delivery = Delivery(outbox.store, {"ch": stuck, "quick": quick}, now=lambda: outbox.now)
    for session in range(THREADS + 2):
        outbox.put(session)
    with outbox.store.write() as connection:
        first = connection.execute(select(deliveries.c.notice).limit(1)).scalar_one()
        row = {"notice": first, "channel": "quick", "target": "", "state": "waiting", "next_at": NOON}
        connection.execute(insert(deliveries).values(**row))
    running = threading.Thread(target=delivery.run, args=(stopping,), daemon=True)
    running.start()
    try:
        wait_for(lambda: [attempts for _, attempts, _ in outbox.states()] == [*[1] * THREADS, 0, 0, 1])
        wait_for(lambda: len(quick.taken) == 1)
        stopping.set()
        running.join()
        assert stuck.taken == []
    finally:
        stopping.set()
        hanging.set()
    wait_for(lambda: [state for state, _, _ in outbox.states()].count("delivered") == THREADS + 1)
