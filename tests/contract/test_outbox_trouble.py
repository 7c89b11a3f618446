"""The outbox in trouble: too much to keep, a disk that is full or broken, rows and files that cannot be read.

Integrity rule 4: the least valuable goes first, never Started or Ended, and what can be kept comes out in order.
"""

from __future__ import annotations

import os
import resource
import shutil
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge.authorization import SqliteTokenMemory
from edge.outbox import MOMENT_S, RETRY_S, SPARE_BYTES, SqliteOutbox
from edge.station.kept import Kept
from edge.station.ports import Item, Restored, Save, Send
from edge.station.state import IdToken, Now, Transaction
from tests.support.csms_world import event

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
#: So that a few hundred calls take up some room.
CUSTOM = {"vendorId": "x" * 255}
NOTICE = Send("NotifyEvent", {"generatedAt": NOON, "seqNo": 0, "eventData": []}, durable=True)


class Wall:
    """The clocks of a station. set_by_s: by how much somebody has set the one on the wall."""

    def __init__(self) -> None:
        self.mono = 1_000.0
        self.set_by_s = 0.0

    def __call__(self) -> Now:
        return Now(NOON + timedelta(seconds=self.mono + self.set_by_s), self.mono)


@pytest.fixture
def wall() -> Wall:
    return Wall()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "station.sqlite"


Open = Callable[..., SqliteOutbox]
Later = Callable[[SqliteOutbox], None]


@pytest.fixture
def later(wall: Wall) -> Later:
    """Let some time pass."""

    def passes(outbox: SqliteOutbox) -> None:
        wall.mono += RETRY_S
        outbox.flush()

    return passes


@pytest.fixture
def open_it(path: Path, wall: Wall) -> Iterator[Open]:
    """A new outbox on the same file, as after a kill."""
    made: list[SqliteOutbox] = []

    def make(boot_id: str = "this boot", path: Path = path, **more: int) -> SqliteOutbox:
        outbox = SqliteOutbox(path, wall, boot_id, **more)
        outbox.start()
        made.append(outbox)
        return outbox

    yield make
    for outbox in made:
        outbox.stop()


def send(kind: str, seq_no: int, transaction: str = "tx-1") -> Send:
    return Send("TransactionEvent", event(kind, seq_no, transaction=transaction, customData=CUSTOM), durable=True)


def a_session(outbox: SqliteOutbox, updates: int, name: str = "tx-1", ends: bool = True) -> None:
    outbox.commit([send("Started", 0, name)], [Save(1, transaction(name))])
    for number in range(1, updates + 1):
        outbox.commit([send("Updated", number, name)], [])
    if ends:
        outbox.commit([send("Ended", updates + 1, name)], [Save(1, None)])


def transaction(name: str = "tx-1") -> Transaction:
    return Transaction(name, IdToken("04A1", "ISO14443"), 1, NOON)


def drain(outbox: SqliteOutbox) -> list[tuple[str, Any]]:
    """(kind or action, seqNo) of all that waits, in the order in which it is sent."""
    found = []
    while (item := outbox.head()) is not None:
        payload = msgspec.json.decode(item.payload)
        found.append((payload.get("eventType", item.action), payload["seqNo"]))
        outbox.done(item.key)
    return found


def rows(path: Path, query: str) -> list[tuple[Any, ...]]:
    connection = sqlite3.connect(path)
    found = connection.execute(query).fetchall()
    connection.close()
    return found


def run(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    for statement in statements:
        connection.execute(statement)
    connection.close()


class TestTooManyCalls:
    def test_every_second_updated_goes_and_seq_nos_stay(self, open_it: Open) -> None:
        outbox = open_it(max_calls=10)
        a_session(outbox, 12)
        assert drain(outbox) == [
            ("Started", 0),
            *(("Updated", seq_no) for seq_no in (1, 3, 5, 7, 9, 11, 12)),
            ("Ended", 13),
        ]

    def test_it_is_dropped_from_the_disk_as_well(self, open_it: Open) -> None:
        a_session(open_it(max_calls=10), 12)
        assert open_it().count() == 9

    def test_when_no_updated_is_left_notices_go_the_oldest_first(self, open_it: Open) -> None:
        outbox = open_it(max_calls=4)
        outbox.commit([NOTICE, NOTICE], [])
        a_session(outbox, 5)
        assert drain(outbox) == [("NotifyEvent", 0), ("NotifyEvent", 0), ("Started", 0), ("Ended", 6)]
        for number in range(3):
            outbox.commit([NOTICE], [])
            a_session(outbox, 0, f"tx-{number}")
        assert drain(outbox) == [("Started", 0), ("Ended", 1)] * 3

    def test_what_started_and_ended_is_never_dropped(self, open_it: Open) -> None:
        outbox = open_it(max_calls=4)
        for number in range(10):
            a_session(outbox, 3, f"tx-{number}")
        assert drain(outbox) == [("Started", 0), ("Ended", 4)] * 10

    def test_it_is_told_once_until_the_backlog_is_sent(self, open_it: Open) -> None:
        outbox = open_it(max_calls=10)
        with capture_logs() as logs:
            a_session(outbox, 40)
            left = len(drain(outbox))
            a_session(outbox, 5)
            drain(outbox)
        assert [(entry["log_level"], entry.get("dropped")) for entry in logs] == [
            ("warning", None),
            ("info", 42 - left),
        ]

    def test_one_that_is_in_flight_may_go_and_its_answer_counts_for_no_other(self, open_it: Open) -> None:
        outbox = open_it(max_calls=1)
        outbox.commit([send("Updated", 1)], [])
        flight = outbox.head()
        assert flight is not None
        outbox.commit([send("Ended", 2)], [])
        assert outbox.failed(flight.key) == 1
        outbox.bury(flight.key, "FormatViolation", "")
        outbox.done(flight.key)
        assert drain(outbox) == [("Ended", 2)]


def limit(outbox: SqliteOutbox, more_pages: int) -> None:
    """From now on the file can grow by so much and no more: SQLite says SQLITE_FULL, as on a full disk."""
    connection = outbox._open.conn
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    connection.execute(f"PRAGMA max_page_count = {pages + more_pages}").fetchone()


class TestAFullFile:
    def test_updated_make_room_for_what_must_be_kept(self, open_it: Open) -> None:
        outbox = open_it()
        a_session(outbox, 200, ends=False)
        limit(outbox, 0)
        with capture_logs() as logs:
            for number in range(20):
                a_session(outbox, 0, f"tx-{number}")
            outbox.commit([send("Ended", 201)], [Save(1, None)], Kept(boot_reason="RemoteReset"))
        assert [entry["why"] for entry in logs] == ["the disk is full"]
        after_a_kill = open_it()
        told = drain(after_a_kill)
        left = [seq_no for kind, seq_no in told if kind == "Updated"]
        assert left == list(range(1, 201, 200 // len(left)))
        assert told == [
            ("Started", 0),
            *(("Updated", seq_no) for seq_no in left),
            *[("Started", 0), ("Ended", 1)] * 20,
            ("Ended", 201),
        ]
        assert after_a_kill.restore() == Restored(Kept(boot_reason="RemoteReset"))

    def test_a_station_goes_on_charging_for_as_long_as_it_likes(self, open_it: Open) -> None:
        outbox = open_it()
        limit(outbox, 30)
        for number in range(6):
            a_session(outbox, 100, f"tx-{number}")
        kinds = [kind for kind, _ in drain(open_it())]
        assert (kinds.count("Started"), kinds.count("Ended")) == (6, 6)
        assert kinds.count("Updated") > 10

    def test_what_finds_no_room_at_all_is_held_in_order_and_written_when_there_is_some(
        self, open_it: Open, wall: Wall, later: Later
    ) -> None:
        outbox = open_it()
        for number in range(200):
            a_session(outbox, 0, f"tx-{number}")
        limit(outbox, 0)
        with capture_logs() as logs:
            for number in range(200, 300):
                a_session(outbox, 0, f"tx-{number}")
            assert outbox.count() == 600
            held = 600 - open_it().count()
            assert held > 100
            limit(outbox, 1_000)
            later(outbox)
        told = [entry["event"] for entry in logs]
        assert told == [
            "the outbox's disk refuses; the station goes on from memory",
            "the outbox's disk works again",
        ]
        assert drain(open_it()) == [("Started", 0), ("Ended", 1)] * 300

    def test_what_was_held_makes_room_too_when_it_is_tried_again(self, open_it: Open, later: Later) -> None:
        outbox = open_it()
        a_session(outbox, 200, ends=False)
        lock(outbox, True)
        for number in range(20):
            a_session(outbox, 0, f"tx-{number}")
        lock(outbox, False)
        limit(outbox, 0)
        later(outbox)
        assert open_it().count() == outbox.count()
        told = drain(outbox)
        assert [kind for kind, _ in told if kind != "Updated"] == ["Started", *["Started", "Ended"] * 20]
        assert len(told) < 241


class TestADiskThatCannotBeWritten:
    """A file that may not be written any more: SQLITE_READONLY. Nothing that is dropped would help."""

    @pytest.fixture
    def outbox(self, open_it: Open) -> SqliteOutbox:
        outbox = open_it(max_held=10)
        outbox.commit([send("Started", 0)], [Save(1, transaction())])
        lock(outbox, True)
        return outbox

    def test_all_is_held_in_order_and_written_when_it_can_be(
        self, outbox: SqliteOutbox, open_it: Open, later: Later
    ) -> None:
        outbox.commit([send("Updated", 1)], [], Kept(boot_reason="RemoteReset"))
        outbox.commit([send("Ended", 2)], [Save(1, None)])
        after_a_kill = open_it()
        assert (drain(after_a_kill), after_a_kill.restore().transactions) == ([("Started", 0)], ((1, transaction()),))
        lock(outbox, False)
        later(outbox)
        assert open_it().restore() == Restored(Kept(boot_reason="RemoteReset"))
        assert drain(open_it()) == [("Updated", 1), ("Ended", 2)]

    def test_meanwhile_it_is_sent_once(self, outbox: SqliteOutbox, open_it: Open, later: Later) -> None:
        outbox.commit([send("Ended", 1)], [])
        assert drain(outbox) == [("Started", 0), ("Ended", 1)]
        later(outbox)
        assert open_it().count() == 1  # a restart would send what was sent again: the CSMS knows it
        lock(outbox, False)
        later(outbox)
        assert (open_it().count(), outbox.count()) == (0, 0)

    def test_attempts_and_dead_letters_are_held_too(
        self, outbox: SqliteOutbox, open_it: Open, path: Path, later: Later
    ) -> None:
        outbox.commit([send("Ended", 1)], [])
        assert [outbox.failed(1), outbox.failed(1), outbox.failed(2)] == [1, 2, 1]
        head = outbox.head()
        assert head is not None
        assert head.attempts == 2
        outbox.bury(1, "InternalError", "why")
        outbox.bury(2, "InternalError", "why")
        lock(outbox, False)
        later(outbox)
        assert rows(path, "SELECT attempts, code FROM dead_letters") == [(2, "InternalError"), (1, "InternalError")]
        assert open_it().count() == 0

    def test_of_what_is_held_the_least_valuable_goes_first(self, outbox: SqliteOutbox) -> None:
        for number in range(1, 31):
            outbox.commit([send("Updated", number)], [])
        for number in range(12):
            a_session(outbox, 0, f"tx-{number}")
        assert drain(outbox) == [("Started", 0)] + [("Started", 0), ("Ended", 1)] * 12

    def test_it_is_told_once_when_it_is_lost_and_once_when_it_is_back(self, outbox: SqliteOutbox, later: Later) -> None:
        with capture_logs() as logs:
            outbox.commit([send("Updated", 1)], [])
            outbox.commit([send("Updated", 2)], [])
            later(outbox)
            lock(outbox, False)
            later(outbox)
            outbox.commit([send("Updated", 3)], [])
        assert [entry["log_level"] for entry in logs] == ["error", "info"]

    def test_when_it_is_stopped_what_is_held_is_tried_once_more(self, outbox: SqliteOutbox, open_it: Open) -> None:
        outbox.commit([send("Ended", 1)], [])
        lock(outbox, False)
        outbox.stop()
        assert drain(open_it()) == [("Started", 0), ("Ended", 1)]


def lock(outbox: SqliteOutbox, locked: bool) -> None:
    outbox._open.execute(f"PRAGMA query_only = {'ON' if locked else 'OFF'}")


@contextmanager
def no_file_may_grow(path: Path) -> Iterator[None]:
    """The operating system refuses every byte beyond what the files have: SQLITE_IOERR."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.with_name(path.name + "-wal").stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_when_the_operating_system_refuses_to_write_nothing_is_lost(open_it: Open, path: Path, later: Later) -> None:
    outbox = open_it()
    a_session(outbox, 3, ends=False)
    with no_file_may_grow(path):
        outbox.commit([send("Ended", 4)], [Save(1, None)])
        assert open_it().restore().transactions == ((1, transaction()),)
    later(outbox)
    assert open_it().restore().transactions == ()
    assert [kind for kind, _ in drain(open_it())] == ["Started", "Updated", "Updated", "Updated", "Ended"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 6 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("only root can have a small disk")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path) -> None:
    """Somebody else's file takes up all that is left."""
    with (disk / "somebody-else's").open("ab", buffering=0) as file:
        for size in (4096, 1):
            try:
                while file.write(b"\0" * size):
                    pass
            except OSError:
                continue


class TestARealFullDisk:
    def test_a_station_goes_on_and_nothing_precious_is_lost(
        self, open_it: Open, small_disk: Path, later: Later
    ) -> None:
        outbox = open_it(path=small_disk / "station.sqlite")
        a_session(outbox, 100, "before", ends=False)
        fill(small_disk)
        for number in range(100):
            outbox.commit([send("Updated", 101 + number, "before")], [])
        a_session(outbox, 100, "during")
        (small_disk / "somebody-else's").unlink()
        later(outbox)
        assert open_it(path=small_disk / "station.sqlite").count() == outbox.count()
        told = drain(outbox)
        assert [kind for kind, _ in told if kind != "Updated"] == ["Started", "Started", "Ended"]
        assert len(told) > 100

    def test_with_the_room_that_was_spared_it_tidies_up_and_writes_everything_down(
        self, open_it: Open, small_disk: Path, later: Later
    ) -> None:
        path = small_disk / "station.sqlite"
        outbox = open_it(path=path, spare_bytes=SPARE_BYTES)
        a_session(outbox, 200, "before", ends=False)
        fill(small_disk)
        with capture_logs() as logs:
            a_session(outbox, 900, "during")
            a_session(outbox, 300, "later")
        assert [entry["why"] for entry in logs] == ["the disk is full"]
        told = drain(open_it(path=path))
        assert [kind for kind, _ in told if kind != "Updated"] == ["Started", "Started", "Ended", "Started", "Ended"]
        assert len(told) > 100
        assert path.with_suffix(".spare").exists() is False
        (small_disk / "somebody-else's").unlink()
        later(outbox)
        assert path.with_suffix(".spare").stat().st_size == SPARE_BYTES
        a_session(outbox, 2_000, "last")
        assert len([entry for entry in logs if entry["log_level"] == "error"]) == 0
        assert outbox.count() > 2_000

    def test_it_starts_on_one_and_takes_up_what_was_there(self, open_it: Open, small_disk: Path) -> None:
        path = small_disk / "station.sqlite"
        before = open_it(path=path)
        a_session(before, 3, ends=False)
        before.stop()
        fill(small_disk)
        outbox = open_it(path=path)
        assert (outbox.count(), outbox.restore().transactions) == (4, ((1, transaction()),))
        outbox.commit([send("Ended", 4)], [Save(1, None)])
        assert [kind for kind, _ in drain(outbox)] == ["Started", "Updated", "Updated", "Updated", "Ended"]

    def test_it_starts_on_one_that_is_read_only_and_changes_nothing_there(
        self, open_it: Open, path: Path, small_disk: Path
    ) -> None:
        a_session(open_it(), 3, ends=False)
        files = (path, path.with_name(path.name + "-wal"))  # as after a kill: most is in the write-ahead log
        path, _ = (Path(shutil.copy(file, small_disk)) for file in files)
        subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
        outbox = open_it(path=path)
        assert outbox.restore().transactions == ((1, transaction()),)
        outbox.commit([send("Ended", 4)], [Save(1, None)])
        assert [kind for kind, _ in drain(outbox)] == ["Started", "Updated", "Updated", "Updated", "Ended"]
        assert outbox.restore().transactions == ()
        assert (open_it(path=path).count(), sorted(each.name for each in small_disk.iterdir())) == (
            4,
            ["station.sqlite", "station.sqlite-wal"],
        )

    def test_the_token_memory_starts_on_one_as_well(self, small_disk: Path) -> None:
        memory = SqliteTokenMemory(small_disk / "tokens.sqlite")
        memory.start()
        memory.stop()
        fill(small_disk)
        memory.start()
        assert memory.list_version == 0
        memory.stop()


class TestWhatCannotBeRead:
    def test_a_transaction_that_cannot_be_read_is_put_aside_and_the_others_go_on(
        self, open_it: Open, path: Path
    ) -> None:
        outbox = open_it()
        outbox.commit([send("Started", 0)], [Save(1, transaction()), Save(2, transaction("tx-2"))])
        run(path, """UPDATE journal SET open = CAST('{"id": 7}' AS BLOB) WHERE evse = 1""")
        with capture_logs() as logs:
            restored = open_it().restore()
        assert restored == Restored(Kept(), ((2, transaction("tx-2")),))
        assert [(entry["log_level"], entry["evse"]) for entry in logs] == [("error", 1)]
        assert rows(path, "SELECT name, value FROM broken") == [("journal 1", b'{"id": 7}')]
        assert open_it().restore() == restored
        assert drain(open_it()) == [("Started", 0)]

    @pytest.mark.parametrize("value", ["CAST('{' AS BLOB)", "NULL", "'[1]'", "x'ff00'", "12"])
    def test_nor_does_any_other_damage_stop_the_start(self, open_it: Open, path: Path, value: str) -> None:
        open_it().commit([send("Started", 0)], [Save(1, transaction())], Kept(boot_reason="RemoteReset"))
        run(
            path,
            f"UPDATE journal SET open = {value}",
            f"UPDATE kept SET value = {value} WHERE name <> 'boot_reason'",
            f"UPDATE calls SET payload = {value}, kept_at = 'long ago'",
            "UPDATE moments SET at = 'long ago'",
        )
        outbox = open_it()
        assert outbox.restore() == Restored(Kept(boot_reason="RemoteReset"))
        assert (outbox.count(), outbox.holds("tx-1"), outbox.latest) == (1, False, None)
        assert rows(path, "SELECT count(*) FROM broken") == [(len(Kept.__struct_fields__),)]

    def test_what_a_newer_release_kept_is_left_as_it_is(self, open_it: Open, path: Path) -> None:
        open_it().commit([], [], Kept())
        run(path, "INSERT INTO kept VALUES ('something_new', x'00')")
        assert open_it().restore() == Restored(Kept())
        assert rows(path, "SELECT count(*) FROM broken") == [(0,)]

    @pytest.mark.parametrize("what", ["no database", "a damaged page"])
    def test_a_damaged_file_is_put_aside_and_begun_anew(self, open_it: Open, path: Path, what: str) -> None:
        before = open_it()
        a_session(before, 100)
        before.stop()
        data = path.read_bytes()
        damaged = b"not a database" + data if what == "no database" else data[:8192] + b"\xaa" * 20_000 + data[28_192:]
        path.write_bytes(damaged)
        with capture_logs() as logs:
            outbox = open_it()
        assert [entry["event"] for entry in logs] == ["the outbox cannot be read and is begun anew"]
        assert (outbox.count(), outbox.restore()) == (0, Restored(Kept()))
        assert path.with_suffix(".broken").read_bytes() == damaged
        outbox.commit([send("Started", 0)], [])
        assert open_it().count() == 1

    def test_a_second_one_does_not_replace_the_first(self, open_it: Open, path: Path) -> None:
        for text in (b"the first that is no database", b"the second that is no database"):
            path.write_bytes(text)
            open_it().stop()
        assert path.with_suffix(".broken").read_bytes() == b"the first that is no database"
        assert path.with_suffix(".broken-2").read_bytes() == b"the second that is no database"

    def test_a_file_of_an_older_release_is_taken_up(self, open_it: Open, path: Path) -> None:
        run(
            path,
            "CREATE TABLE calls (key INTEGER PRIMARY KEY, action TEXT, payload BLOB, attempts INTEGER, kept_at TEXT)",
            """INSERT INTO calls VALUES (7, 'Heartbeat', CAST('{}' AS BLOB), 2, '2026-11-23T12:00:00.000+00:00')""",
        )
        outbox = open_it()
        assert outbox.head() == Item(7, "Heartbeat", b"{}", 2)
        assert outbox.latest == NOON
        outbox.commit([send("Started", 0)], [])
        assert open_it().count() == 2


class TestWhatIsInTheQueue:
    def test_it_knows_whose_events_wait(self, open_it: Open) -> None:
        outbox = open_it()
        outbox.commit([NOTICE, send("Started", 0)], [])
        again = open_it()
        for each in (outbox, again):
            assert (each.holds("tx-1"), each.holds("tx-2"), each.holds(None)) == (True, False, True)
        outbox.done(2)
        assert (outbox.holds("tx-1"), outbox.holds(None), outbox.count()) == (False, False, 1)

    def test_also_of_those_that_are_in_flight_or_could_not_be_written(self, open_it: Open) -> None:
        outbox = open_it()
        outbox.commit([send("Started", 0)], [])
        outbox.head()
        lock(outbox, True)
        outbox.commit([send("Started", 0, "tx-2")], [])
        assert (outbox.holds("tx-1"), outbox.holds("tx-2"), outbox.holds("tx-3")) == (True, True, False)


class TestTheClockOnTheWall:
    def shift_s(self, outbox: SqliteOutbox) -> float:
        head = outbox.head()
        assert head is not None
        return head.shift_s

    def test_what_was_kept_before_it_was_set_is_to_be_shifted(self, open_it: Open, wall: Wall) -> None:
        outbox = open_it()
        outbox.commit([send("Started", 0)], [])
        wall.mono += 100
        assert self.shift_s(outbox) == 0.0
        wall.set_by_s = 3_600.0
        assert (self.shift_s(outbox), self.shift_s(open_it())) == (3_600.0, 3_600.0)
        wall.set_by_s = -60.0
        assert self.shift_s(outbox) == -60.0

    def test_what_was_kept_after_is_not(self, open_it: Open, wall: Wall) -> None:
        outbox = open_it()
        wall.set_by_s = 3_600.0
        outbox.commit([send("Started", 0)], [])
        assert self.shift_s(outbox) == 0.0

    def test_nor_is_what_was_kept_before_the_machine_was_switched_on(self, open_it: Open, wall: Wall) -> None:
        open_it("an earlier boot").commit([send("Started", 0)], [])
        wall.set_by_s = 3_600.0
        assert self.shift_s(open_it()) == 0.0

    def test_a_small_step_is_no_step(self, open_it: Open, wall: Wall) -> None:
        outbox = open_it()
        outbox.commit([send("Started", 0)], [])
        wall.set_by_s = 1.9
        assert self.shift_s(outbox) == 0.0

    def test_the_last_moment_is_known_after_a_power_cut(self, open_it: Open, wall: Wall) -> None:
        outbox = open_it()
        assert outbox.latest is None
        outbox.commit([send("Started", 0)], [])
        assert open_it().latest == wall().utc

    def test_that_is_the_last_and_not_the_latest_when_the_clock_was_wrong(self, open_it: Open, wall: Wall) -> None:
        outbox = open_it()
        wall.set_by_s = 1e9
        outbox.commit([send("Started", 0)], [])
        wall.set_by_s = 0.0
        outbox.commit([], [Save(1, None)])
        assert open_it().latest == wall().utc

    def test_it_is_written_down_now_and_then_though_nothing_happens(self, open_it: Open, wall: Wall) -> None:
        outbox = open_it()
        outbox.flush()
        first = wall().utc
        wall.mono += MOMENT_S - 1
        outbox.flush()
        assert open_it().latest == first
        wall.mono += 1
        outbox.flush()
        assert open_it().latest == wall().utc


class TestAnyOrderOfTroubles:
    @settings(max_examples=60, deadline=None)
    @given(st.lists(st.sampled_from(["keep", "keep", "answer", "lose the disk", "find it", "kill"]), max_size=40))
    def test_what_was_kept_comes_out_in_order_and_once_whatever_becomes_of_the_disk(
        self, tmp_path_factory: pytest.TempPathFactory, doings: list[str]
    ) -> None:
        path, wall = tmp_path_factory.mktemp("any") / "station.sqlite", Wall()
        outbox = SqliteOutbox(path, wall, "this boot")
        outbox.start()
        waiting: list[int] = []
        lost, kept = False, 0
        for doing in doings:
            wall.mono += 1
            if doing == "keep":
                kept += 1
                outbox.commit([send("Updated", kept)], [Save(1, transaction(f"tx-{kept}"))])
                waiting.append(kept)
            elif doing == "answer" and waiting:
                head = outbox.head()
                assert head is not None
                assert msgspec.json.decode(head.payload)["seqNo"] == waiting.pop(0)
                outbox.done(head.key)
            elif doing in ("lose the disk", "find it"):
                lost = doing == "lose the disk"
                lock(outbox, lost)
            elif doing == "kill" and not lost:
                wall.mono += RETRY_S
                outbox.flush()
                outbox._open.close()
                outbox = SqliteOutbox(path, wall, "this boot")
                outbox.start()
        lock(outbox, False)
        assert outbox.count() == len(waiting)
        outbox.stop()
        outbox.start()
        assert [found for _, found in drain(outbox)] == waiting
        assert outbox.restore().transactions == (((1, transaction(f"tx-{kept}")),) if kept else ())
        outbox.stop()
