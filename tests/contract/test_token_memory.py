"""The token memory's contract, on the SQLite file that keeps it."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.authorization import SqliteTokenMemory
from edge.fleet.memory import MemoryTokens
from edge.station.tokens import Cached, Known, ListEntry, ListUpdate, ListVerdict, TokenInfo, TokenMemory

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
UID, OTHER = "04A1B2C3D4E5F6", "04FFEEDDCCBBAA"
CARD = "ISO14443"
GOOD = TokenInfo("Accepted", "family", NOW + timedelta(days=1), (1, 2))
BAD = TokenInfo("Blocked")
ACCEPTED = ListVerdict("Accepted")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "tokens.sqlite"


@pytest.fixture
def in_file(path: Path) -> Iterator[SqliteTokenMemory]:
    made = SqliteTokenMemory(path, cache_capacity=3, list_capacity=5)
    made.start()
    yield made
    made.stop()


@pytest.fixture(params=["in a file", "in memory"])
def memory(request: pytest.FixtureRequest) -> TokenMemory:
    """Each of them in turn."""
    if request.param == "in memory":
        return MemoryTokens(cache_capacity=3, list_capacity=5)
    made: SqliteTokenMemory = request.getfixturevalue("in_file")
    return made


def again(path: Path) -> SqliteTokenMemory:
    made = SqliteTokenMemory(path)
    made.start()
    return made


def full(version: int, *tokens: str, info: TokenInfo = GOOD) -> ListUpdate:
    return ListUpdate(version, True, tuple(ListEntry(token, CARD, info) for token in tokens))


def change(version: int, **infos: TokenInfo | None) -> ListUpdate:
    return ListUpdate(version, False, tuple(ListEntry(token, CARD, info) for token, info in infos.items()))


def listed(memory: TokenMemory, *tokens: str) -> list[TokenInfo | None]:
    return [memory.lookup(token, CARD).listed for token in tokens]


def in_cache(memory: TokenMemory, *tokens: str) -> list[str]:
    """Those of the tokens that are in the cache."""
    return [token for token in tokens if memory.lookup(token, CARD).cached is not None]


class TestTheList:
    def test_there_is_none_at_first(self, memory: TokenMemory) -> None:
        assert (memory.list_version, memory.lookup(UID, CARD)) == (0, Known())

    def test_a_full_list_replaces_the_one_before(self, memory: TokenMemory) -> None:
        assert memory.update_list(full(5, "A", "B")) == ACCEPTED
        assert memory.update_list(full(2, "B", "C", info=BAD)) == ACCEPTED
        assert (memory.list_version, listed(memory, "A", "B", "C")) == (2, [None, BAD, BAD])

    def test_an_empty_full_list_empties_it(self, memory: TokenMemory) -> None:
        memory.update_list(full(5, "A"))
        assert memory.update_list(full(6)) == ACCEPTED
        assert (memory.list_version, listed(memory, "A")) == (6, [None])

    def test_a_differential_update_adds_changes_and_removes(self, memory: TokenMemory) -> None:
        memory.update_list(full(1, "A", "B", "C"))
        assert memory.update_list(change(2, A=BAD, B=None, D=GOOD, E=None)) == ACCEPTED
        assert listed(memory, "A", "B", "C", "D", "E") == [BAD, None, GOOD, GOOD, None]
        assert memory.list_version == 2

    def test_an_empty_differential_update_changes_the_version_only(self, memory: TokenMemory) -> None:
        memory.update_list(full(1, "A"))
        assert memory.update_list(change(3)) == ACCEPTED
        assert (memory.list_version, listed(memory, "A")) == (3, [GOOD])

    @pytest.mark.parametrize(
        ("update", "verdict"),
        [
            (change(1, A=None), ListVerdict("VersionMismatch")),
            (full(2, "A", "a"), ListVerdict("Failed", "InvalidValue")),
            (full(2, *"ABCDEF"), ListVerdict("Failed", "TooManyElements")),
            (
                change(2, A=None, B=GOOD, C=GOOD, D=GOOD, E=GOOD, F=GOOD, G=GOOD),
                ListVerdict("Failed", "TooManyElements"),
            ),
        ],
    )
    def test_one_that_is_refused_changes_nothing(
        self, memory: TokenMemory, update: ListUpdate, verdict: ListVerdict
    ) -> None:
        memory.update_list(full(1, "A"))
        assert memory.update_list(update) == verdict
        assert (memory.list_version, listed(memory, "A", "B")) == (1, [GOOD, None])

    def test_its_tokens_are_counted(self, memory: TokenMemory) -> None:
        assert memory.list_entries == 0
        memory.update_list(full(1, "A", "B", "C"))
        memory.update_list(change(2, A=None, D=GOOD, B=BAD))
        assert memory.list_entries == 3

    def test_a_token_is_found_in_whatever_case_and_by_its_type(self, memory: TokenMemory) -> None:
        memory.update_list(full(1, UID))
        assert memory.lookup(UID.lower(), CARD).listed == GOOD
        assert memory.lookup(UID, "KeyCode").listed is None

    def test_ten_thousand_tokens_are_taken_and_found(self, path: Path) -> None:
        memory = again(path)
        tokens = [f"{number:014X}" for number in range(10_000)]
        assert memory.update_list(full(1, *tokens)) == ACCEPTED
        assert memory.update_list(change(2, **dict.fromkeys(tokens, BAD))) == ACCEPTED
        assert listed(memory, *tokens[::100]) == [BAD] * 100
        memory.stop()


class TestTheCache:
    def test_it_knows_what_the_csms_said_last_and_when(self, memory: TokenMemory) -> None:
        memory.remember(UID, CARD, GOOD, NOW)
        assert memory.lookup(UID, CARD) == Known(cached=Cached(GOOD, NOW))
        later = NOW + timedelta(hours=1)
        memory.remember(UID.lower(), CARD, BAD, later)
        assert memory.lookup(UID, CARD) == Known(cached=Cached(BAD, later))

    def test_what_the_csms_wants_forgotten_is(self, memory: TokenMemory) -> None:
        memory.remember(UID, CARD, GOOD, NOW)
        memory.remember(UID, CARD, TokenInfo("Accepted", until=NOW), NOW)
        memory.remember(OTHER, CARD, TokenInfo("Accepted", until=NOW - timedelta(days=1)), NOW)
        assert in_cache(memory, UID, OTHER) == []

    def test_it_does_not_change_the_list_nor_the_list_it(self, memory: TokenMemory) -> None:
        memory.update_list(full(1, UID))
        memory.remember(UID, CARD, BAD, NOW)
        assert memory.lookup(UID, CARD) == Known(GOOD, Cached(BAD, NOW))
        memory.update_list(full(2))
        assert memory.lookup(UID, CARD) == Known(None, Cached(BAD, NOW))

    def test_above_its_capacity_the_least_recently_used_goes(self, memory: TokenMemory) -> None:
        for token in "ABC":
            memory.remember(token, CARD, GOOD, NOW)
        memory.lookup("A", CARD)
        memory.remember("D", CARD, GOOD, NOW)
        assert in_cache(memory, *"ABCD") == ["A", "C", "D"]

    def test_a_clock_that_is_set_back_does_not_matter_to_that(self, memory: TokenMemory) -> None:
        for days, token in enumerate("ABCD"):
            memory.remember(token, CARD, BAD, NOW - timedelta(days=days))
        assert in_cache(memory, *"ABCD") == ["B", "C", "D"]

    def test_strangers_do_not_push_out_drivers(self, memory: TokenMemory) -> None:
        memory.remember("A", CARD, GOOD, NOW)
        for token in "BCDEF":
            memory.remember(token, CARD, BAD, NOW)
        assert in_cache(memory, *"ABCDEF") == ["A", "E", "F"]

    def test_forgetting_all_leaves_the_list(self, memory: TokenMemory) -> None:
        memory.update_list(full(1, UID))
        memory.remember(UID, CARD, GOOD, NOW)
        assert memory.forget_all()
        assert (memory.lookup(UID, CARD), memory.list_version) == (Known(GOOD), 1)


class TestTheFile:
    @pytest.fixture
    def memory(self, in_file: SqliteTokenMemory) -> SqliteTokenMemory:
        return in_file

    def test_no_token_can_be_read_in_it(self, memory: SqliteTokenMemory, path: Path) -> None:
        memory.remember(UID, CARD, GOOD, NOW)
        memory.update_list(full(1, OTHER))
        while_open = b"".join(file.read_bytes() for file in path.parent.iterdir())
        memory.stop()
        for data in (while_open, path.read_bytes()):
            assert b"family" in data
            for token in (UID, OTHER):
                assert token.encode() not in data
                assert token.lower().encode() not in data
                assert bytes.fromhex(token) not in data

    def test_two_stations_keep_the_same_card_differently(self, path: Path, tmp_path: Path) -> None:
        keys = []
        for file in (path, tmp_path / "other.sqlite"):
            memory = again(file)
            memory.remember(UID, CARD, GOOD, NOW)
            memory.stop()
            connection = sqlite3.connect(file)
            keys += connection.execute("SELECT key FROM cached").fetchall()
            connection.close()
        assert keys[0] != keys[1]

    def test_it_survives_that_the_program_is_killed(self, path: Path) -> None:
        """A process of its own does as a station does, and is killed in the middle of a change."""
        program = f"""
import os, signal
from datetime import datetime
from pathlib import Path
from edge.authorization import SqliteTokenMemory
from edge.station.tokens import ListEntry, ListUpdate, TokenInfo
memory = SqliteTokenMemory(Path({str(path)!r}))
memory.start()
good = TokenInfo("Accepted")
memory.update_list(ListUpdate(4, True, (ListEntry("A", "ISO14443", good),)))
memory.remember("B", "ISO14443", good, datetime.fromisoformat({NOW.isoformat()!r}))
with memory._open.atomic():
    memory._apply(ListUpdate(5, True, (ListEntry("C", "ISO14443", good),)))
    os.kill(os.getpid(), signal.SIGKILL)
"""
        killed = subprocess.run([sys.executable, "-c", program], check=False, timeout=30)
        assert killed.returncode == -9
        memory = again(path)
        good = TokenInfo("Accepted")
        assert (memory.list_version, listed(memory, "A", "C")) == (4, [good, None])
        assert memory.lookup("B", CARD) == Known(cached=Cached(good, NOW))
        memory.stop()

    def test_one_that_cannot_be_read_is_put_aside_and_begun_anew(self, path: Path) -> None:
        path.parent.mkdir()
        path.write_bytes(b"not a database at all" * 1_000)
        memory = again(path)
        assert memory.list_version == 0
        assert memory.update_list(full(1, UID)) == ACCEPTED
        memory.stop()
        assert path.with_suffix(".broken").read_bytes()[:5] == b"not a"

    def test_while_it_cannot_be_written_nothing_is_raised_nor_changed(
        self, memory: SqliteTokenMemory, path: Path
    ) -> None:
        memory.update_list(full(1, UID))
        memory.remember(UID, CARD, BAD, NOW)
        memory._open.execute("PRAGMA query_only=1")
        assert memory.update_list(full(2)) == ListVerdict("Failed", "InternalError")
        memory.remember(OTHER, CARD, GOOD, NOW)
        assert not memory.forget_all()
        assert memory.lookup(UID, CARD) == Known(GOOD, Cached(BAD, NOW))
        assert memory.list_version == 1
