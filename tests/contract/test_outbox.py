"""What every outbox promises: in order, all at once, and still there after a power cut."""

from __future__ import annotations

import inspect
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest

from edge.fleet.memory import MemoryOutbox
from edge.outbox import SqliteOutbox
from edge.station.kept import Counters, Kept, Reservation
from edge.station.ports import Item, Restored, Save, Send
from edge.station.smart_charging import Installed, Period, Profile, Profiles, Schedule
from edge.station.state import IdToken, Now, Stop, Transaction

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
Reopen = Callable[[], SqliteOutbox]
AnyOutbox = SqliteOutbox | MemoryOutbox


def transaction(name: str = "tx-1", seq_no: int = 1) -> Transaction:
    stop = Stop("Local", "StopAuthorized", NOON)
    return Transaction(name, IdToken("04A1", "ISO14443"), 1, NOON, seq_no=seq_no, remote_start_id=7, stop=stop)


def send(number: int) -> Send:
    return Send("TransactionEvent", {"seqNo": number, "timestamp": NOON}, durable=True)


def kept(*ids: int) -> Kept:
    """With a value in every field; charging profiles of a transaction, in a schedule with every kind of value."""
    schedule = Schedule(1, "W", (Period(0, 4001.6), Period(60, 0.0, number_phases=3)), NOON, duration=90)
    profiles = Profiles(
        tuple(
            Installed(Profile(id, 0, "TxProfile", "Absolute", (schedule,), valid_to=NOON, transaction_id="tx-1"), 1)
            for id in ids
        )
    )
    return Kept(
        profiles,
        frozenset({(0, 0), (2, 1)}),
        (Reservation(7, IdToken("04A1", "ISO14443"), NOON, evse=1), Reservation(8, IdToken("x", "Central"), NOON)),
        frozenset({(1, "ContactorWelded")}),
        Counters().closed(1, 1).closed(1, 1).tripped("OverCurrent"),
        (("SampledDataCtrlr.TxUpdatedInterval", "30"),),
        "RemoteReset",
    )


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "not" / "there" / "station.sqlite"


@pytest.fixture
def reopen(path: Path) -> Iterator[Reopen]:
    """A new outbox on the same file; those before are left as a killed process leaves them: neither closed nor told."""
    made: list[SqliteOutbox] = []

    def make() -> SqliteOutbox:
        outbox = SqliteOutbox(path, lambda: Now(NOON, 0.0), "this boot")
        outbox.start()
        made.append(outbox)
        return outbox

    yield make
    for outbox in made:
        outbox.stop()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test that asks for the file is about it; all others run on every outbox."""
    if "outbox" in metafunc.fixturenames:
        about_the_file = {"path", "reopen"} & set(inspect.signature(metafunc.function).parameters)
        kinds = ["in a file"] if about_the_file else ["in a file", "in memory"]
        metafunc.parametrize("outbox", kinds, indirect=True)


@pytest.fixture
def outbox(request: pytest.FixtureRequest) -> AnyOutbox:
    if request.param == "in memory":
        return MemoryOutbox()
    reopen: Reopen = request.getfixturevalue("reopen")
    return reopen()


def drain(outbox: AnyOutbox) -> list[int]:
    numbers = []
    while (item := outbox.head()) is not None:
        numbers.append(msgspec.json.decode(item.payload)["seqNo"])
        outbox.done(item.key)
    return numbers


def test_a_new_one_is_empty(outbox: AnyOutbox) -> None:
    assert (outbox.head(), outbox.count(), outbox.restore()) == (None, 0, Restored(Kept()))


def test_calls_come_out_in_the_order_they_were_kept(outbox: AnyOutbox) -> None:
    outbox.commit([send(0), send(1)], [])
    outbox.commit([send(2)], [])
    assert outbox.count() == 3
    assert drain(outbox) == [0, 1, 2]


def test_the_head_stays_until_it_is_done(outbox: AnyOutbox) -> None:
    outbox.commit([send(0)], [])
    head = outbox.head()
    assert head == Item(1, "TransactionEvent", b'{"seqNo":0,"timestamp":"2026-11-23T12:00:00Z"}', 0)
    assert outbox.head() == head


def test_what_was_committed_survives_a_kill(outbox: SqliteOutbox, reopen: Reopen) -> None:
    outbox.commit([send(0), send(1)], [Save(1, transaction()), Save(2, transaction("tx-2"))])
    outbox.failed(1)
    again = reopen()
    head = again.head()
    assert head is not None
    assert (head.attempts, again.count()) == (1, 2)
    assert again.restore().transactions == ((1, transaction()), (2, transaction("tx-2")))


def test_calls_and_journal_are_kept_together_or_not_at_all(outbox: SqliteOutbox, reopen: Reopen, path: Path) -> None:
    outbox.commit([send(0)], [Save(1, transaction())])
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "CREATE TRIGGER full BEFORE INSERT ON journal BEGIN SELECT RAISE(ABORT, 'no room is left on the disk'); END"
    )
    connection.close()
    outbox.commit([send(1)], [Save(2, transaction("tx-2"))])
    after_a_kill = reopen()
    assert (drain(after_a_kill), after_a_kill.restore().transactions) == ([0], ((1, transaction()),))


def test_the_journal_holds_the_last_word_on_each_evse(outbox: AnyOutbox) -> None:
    outbox.commit([], [Save(1, transaction()), Save(1, transaction(seq_no=2)), Save(2, transaction("tx-2"))])
    outbox.commit([], [Save(2, None)])
    assert outbox.restore().transactions == ((1, transaction(seq_no=2)),)
    outbox.commit([], [Save(1, None), Save(3, None)])
    assert outbox.restore().transactions == ()


def test_what_is_kept_beside_the_transactions_is_what_was_kept_last(outbox: SqliteOutbox, reopen: Reopen) -> None:
    outbox.commit([], [], kept(1))
    outbox.commit([], [], kept(2, 3))
    outbox.commit([send(0)], [Save(1, transaction())])
    assert reopen().restore().kept == kept(2, 3)
    outbox.commit([], [], Kept())
    assert reopen().restore().kept == Kept()


def test_they_are_kept_together_with_the_journal_or_not_at_all(
    outbox: SqliteOutbox, reopen: Reopen, path: Path
) -> None:
    outbox.commit([], [Save(1, transaction())], kept(1))
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute(
        "CREATE TRIGGER full BEFORE UPDATE ON kept BEGIN SELECT RAISE(ABORT, 'no room is left on the disk'); END"
    )
    connection.close()
    outbox.commit([send(0)], [Save(1, None)], Kept())
    after_a_kill = reopen()
    assert (drain(after_a_kill), after_a_kill.restore()) == ([], Restored(kept(1), ((1, transaction()),)))


def test_failures_are_counted_and_the_call_keeps_its_place(outbox: AnyOutbox) -> None:
    outbox.commit([send(0), send(1)], [])
    assert [outbox.failed(1), outbox.failed(1)] == [1, 2]
    assert drain(outbox) == [0, 1]


def buried(path: Path) -> list[tuple[bytes, str, str]]:
    connection = sqlite3.connect(path)
    rows = connection.execute("SELECT payload, code, description FROM dead_letters ORDER BY rowid").fetchall()
    connection.close()
    return rows


def test_what_is_buried_is_out_of_the_way_and_not_away(outbox: SqliteOutbox, path: Path) -> None:
    outbox.commit([send(0), send(1)], [])
    outbox.bury(1, "FormatViolation", "no such field")
    assert buried(path) == [(b'{"seqNo":0,"timestamp":"2026-11-23T12:00:00Z"}', "FormatViolation", "no such field")]
    assert drain(outbox) == [1]


def test_every_call_that_is_buried_is_kept_also_when_the_outbox_was_empty_between(
    outbox: SqliteOutbox, path: Path
) -> None:
    """SQLite gives the number of a row that is gone to the next one."""
    for number in range(3):
        outbox.commit([send(number)], [])
        head = outbox.head()
        assert head is not None
        outbox.bury(head.key, "FormatViolation", str(number))
    assert [description for _, _, description in buried(path)] == ["0", "1", "2"]
    assert outbox.count() == 0


def test_to_bury_or_forget_what_is_gone_does_nothing(outbox: SqliteOutbox, path: Path) -> None:
    outbox.bury(7, "FormatViolation", "")
    outbox.done(7)
    assert (buried(path), outbox.count()) == ([], 0)


def test_it_may_be_stopped_twice_and_started_again(reopen: Reopen) -> None:
    outbox = reopen()
    outbox.commit([send(0)], [])
    outbox.stop()
    outbox.stop()
    outbox.start()
    assert drain(outbox) == [0]
