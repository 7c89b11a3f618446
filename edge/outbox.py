"""The outbox: what must not be lost is on disk before it is sent, and stays there until it is answered.

Beside it, in the same file and so in the same commit, the journal of open transactions and what else must survive.

What cannot be written - the disk is full, or broken - is held in memory, in order, and written as soon as it can be:
the station goes on, and only a power cut meanwhile loses what is held. Where room is short the least valuable calls go
(`worth.py`).
"""

from __future__ import annotations

import math
import sqlite3
from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, get_type_hints

import msgspec
import structlog
from sqlite_utils import Database

from edge.clock import now
from edge.database import is_full, open_database
from edge.spare import Spare
from edge.station.kept import Kept
from edge.station.ports import Item, Restored, Save, Send
from edge.station.state import Now, Transaction
from edge.station.timestamps import step_s
from edge.station.worth import Weight, surplus, weigh

log = structlog.get_logger(__name__)

#: Calls that wait, at most. Of one EVSE that charges without a pause, with a sample every 10 s, that is 2.3 days; they
#: take up 17 MB.
MAX_CALLS = 20_000
#: Calls that are held in memory because they cannot be written, at most.
MAX_HELD = 2_000
#: How often it is written down what time it is though nothing happens, s.
MOMENT_S = 600.0
#: A disk that could not be written is left alone for so long: one that is dying takes its time over every attempt, s.
RETRY_S = 5.0

#: The fields of `Kept`, each in a row of its own, with their types.
_FIELDS = get_type_hints(Kept)
#: Pages of 4 kB that are written before they are brought into the file; and calls that are deleted at a time, each of
#: which touches two at most. The room that is spared is enough for both.
_LOG_PAGES, _BATCH = 250, 100
SPARE_BYTES = 2 * 1024 * 1024
_COLUMNS = "key, action, payload, attempts, kept_at, mono, boot"
_VALUES = ":key, :action, :payload, :attempts, :kept_at, :mono, :boot"
#: What decoding raises for a row that is damaged, or of another release.
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, TypeError, ValueError)


class _Held(msgspec.Struct):
    """What is not on disk yet, by what it is about. gone: keys of calls that are on disk still."""

    calls: dict[int, dict[str, Any]] = {}
    gone: set[int] = set()
    attempts: dict[int, int] = {}
    buried: list[dict[str, Any]] = []
    saves: dict[int, Save] = {}
    kept: Kept | None = None

    def __bool__(self) -> bool:
        return self.adds or bool(self.gone or self.attempts)

    @property
    def adds(self) -> bool:
        """Whether there is anything that calls may have to make room for."""
        return bool(self.calls or self.buried or self.saves) or self.kept is not None


class _Cap(NamedTuple):
    """The file may not grow beyond so many pages. before: how many it might."""

    before: int
    pages: int


class SqliteOutbox:
    """An outbox in a SQLite file, which is made when it is missing; one that is damaged is put aside.

    clock: the time, on both clocks. boot_id: names the time since the machine was switched on, during which the
    monotonic clock goes on over restarts of the station; none given: no timestamp is ever corrected. max_calls,
    max_held: above them the least valuable go. spare_bytes: room that is kept beside the file to tidy up a full disk.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], Now] = now,
        boot_id: str = "",
        *,
        max_calls: int = MAX_CALLS,
        max_held: int = MAX_HELD,
        spare_bytes: int = 0,
    ) -> None:
        self._path = path
        self._clock = clock
        self._boot_id = boot_id
        self._max_calls = max_calls
        self._max_held = max_held
        self._spare = Spare(path.with_suffix(".spare"), spare_bytes)
        self._cap: _Cap | None = None
        self._cap_mono = -math.inf
        self._db: Database | None = None
        self._queue: OrderedDict[int, Weight] = OrderedDict()  # every call that waits, on disk or held, by its key
        self._last_key = 0
        self._held = _Held()
        self._dropped = 0
        self._failing = False
        self._noted_mono = -math.inf
        self._failed_mono = -math.inf
        self._latest: datetime | None = None

    def start(self) -> None:
        self._held, self._cap = _Held(), None
        self._db = open_database(self._path, "the outbox", self._set_up)
        self._spare.keep()

    def stop(self) -> None:
        """What could not be written until now is tried for the last time."""
        if self._db is not None:
            self._failed_mono = -math.inf
            self._write()
            self._db.close()
            self._db = None

    @property
    def latest(self) -> datetime | None:
        """The last moment that was written down before the start. None: there is none."""
        return self._latest

    def commit(self, sends: Sequence[Send], saves: Sequence[Save], kept: Kept | None = None) -> None:
        moment = self._clock()
        payloads = [msgspec.json.encode(send.payload) for send in sends]
        for send, payload in zip(sends, payloads, strict=True):
            self._last_key += 1
            row = {"key": self._last_key, "action": send.action, "payload": payload, "attempts": 0}
            self._held.calls[self._last_key] = {**row, **self._moment(moment)}
            self._queue[self._last_key] = weigh(send.action, payload)
        self._held.saves.update({save.evse: save for save in saves})
        if kept is not None:
            self._held.kept = kept
        self._forget(surplus(self._queue, self._max_calls), "more calls wait than may")
        self._write()

    def flush(self) -> None:
        if self._cap is not None and self._clock().mono - self._cap_mono >= RETRY_S:
            self._cap_mono = self._clock().mono
            self._grow_again()
        if self._held or self._clock().mono - self._noted_mono >= MOMENT_S:
            self._write()

    def head(self) -> Item | None:
        while self._queue:
            key = next(iter(self._queue))
            try:
                row = self._row(key)
            except sqlite3.DatabaseError as error:
                self._note_failure(error)
                if not self._held.calls:
                    return None
                row = next(iter(self._held.calls.values()))  # better out of order than not at all
            if row is not None:
                return Item(row["key"], row["action"], row["payload"], row["attempts"], self._shift_s(row))
            self._forget_one(key)
        return None

    def holds(self, transaction_id: str | None) -> bool:
        if transaction_id is None:
            return any(weight.transaction_id is not None for weight in self._queue.values())
        return any(weight.transaction_id == transaction_id for weight in self._queue.values())

    def done(self, key: int) -> None:
        if key in self._queue:
            self._forget_one(key)
            self._write()
        self._note_sent()

    def failed(self, key: int) -> int:
        row = self._row_if_any(key)
        if row is None:
            return 1
        attempts = int(row["attempts"]) + 1
        if key in self._held.calls:
            self._held.calls[key]["attempts"] = attempts
        else:
            self._held.attempts[key] = attempts
        self._write()
        return attempts

    def bury(self, key: int, code: str, description: str) -> None:
        row = self._row_if_any(key)
        if row is None:
            return
        row = {name: row[name] for name in ("key", "action", "payload", "attempts", "kept_at")}
        buried_at = _text(self._clock().utc)
        self._held.buried.append({**row, "code": code, "description": description, "buried_at": buried_at})
        self._forget_one(key)
        self._write()
        self._note_sent()

    def restore(self) -> Restored:
        """What cannot be understood is put aside, in the table `broken`, and the rest taken up."""
        transactions, fields = [], {}
        for row in list(self._open.table("journal").rows_where(order_by="evse")):
            try:
                transactions.append((row["evse"], msgspec.json.decode(row["open"], type=Transaction)))
            except _BROKEN as error:
                log.error(
                    "an open transaction cannot be read: it ends here, without a last event; the CSMS has to close it",
                    evse=row["evse"],
                    why=str(error),
                )
                self._put_aside("journal", "evse", row["evse"], row["open"], error)
        for row in list(self._open.table("kept").rows):
            if row["name"] not in _FIELDS:
                continue
            try:
                fields[row["name"]] = msgspec.json.decode(row["value"], type=_FIELDS[row["name"]])
            except _BROKEN as error:
                log.error("what was kept cannot be read: as if it had never been", name=row["name"], why=str(error))
                self._put_aside("kept", "name", row["name"], row["value"], error)
        return Restored(Kept(**fields), tuple(transactions))

    def count(self) -> int:
        """Calls that wait."""
        return len(self._queue)

    # -- one call --

    def _row(self, key: int) -> dict[str, Any] | None:
        """A call that waits. None: somebody else has deleted it."""
        held = self._held.calls.get(key)
        if held is not None:
            return held
        row = next(iter(self._open.table("calls").rows_where("key = ?", [key])), None)
        if row is not None and key in self._held.attempts:
            row["attempts"] = self._held.attempts[key]
        return row

    def _row_if_any(self, key: int) -> dict[str, Any] | None:
        """None: it was dropped meanwhile, or cannot be read."""
        try:
            return self._row(key) if key in self._queue else None
        except sqlite3.DatabaseError as error:
            self._note_failure(error)
            return None

    def _forget_one(self, key: int) -> None:
        self._queue.pop(key, None)
        self._held.attempts.pop(key, None)
        if self._held.calls.pop(key, None) is None:
            self._held.gone.add(key)

    def _forget(self, keys: Iterable[int], why: str) -> None:
        """Drop what is worth least. Logged once until everything that waits has been sent."""
        before = self._dropped
        for key in keys:
            self._forget_one(key)
            self._dropped += 1
        if self._dropped and not before:
            log.warning("calls are dropped, the least valuable first", why=why)

    def _note_sent(self) -> None:
        if not self._queue and self._dropped:
            log.info("the backlog is sent", dropped=self._dropped)
            self._dropped = 0

    def _shift_s(self, row: dict[str, Any]) -> float:
        if not self._boot_id or row["boot"] != self._boot_id:
            return 0.0
        return step_s(Now(datetime.fromisoformat(row["kept_at"]), row["mono"]), self._clock())

    def _moment(self, at: Now) -> dict[str, Any]:
        return {"kept_at": _text(at.utc), "mono": at.mono, "boot": self._boot_id}

    # -- the file --

    def _write(self) -> None:
        """Bring the file up to date; when it is full, with calls dropped, if that helps."""
        if self._clock().mono - self._failed_mono < RETRY_S:
            self._bound_held()
            return
        try:
            self._put()
        except sqlite3.DatabaseError as error:
            if not (is_full(error) and self._held.adds and self._make_room()):
                self._failed_mono = self._clock().mono
                self._note_failure(error)
                self._bound_held()
                return
        if self._failing:
            self._failing = False
            log.info("the outbox's disk works again")

    def _bound_held(self) -> None:
        held = {key: self._queue[key] for key in self._held.calls}
        self._forget(surplus(held, self._max_held), "they cannot be written down")

    def _make_room(self) -> bool:
        """Write with more and more calls dropped: a quarter, then half of the rest, and so on. False: nothing helps."""
        try:
            self._stop_growing()
            self._delete(list(self._held.gone))
            for keep in (1.0, 0.75, 0.5, 0.25, 0.0):
                drop = surplus(self._queue, int(len(self._queue) * keep))
                for start in range(0, len(drop), _BATCH):
                    batch = drop[start : start + _BATCH]
                    self._delete(batch)
                    self._forget(batch, "the disk is full")
                    self._held.gone.difference_update(batch)
                if (drop or keep == 1.0) and self._fits():
                    return True
        except sqlite3.DatabaseError:
            pass  # nothing can be deleted either
        return False

    def _fits(self) -> bool:
        try:
            self._put()
        except sqlite3.DatabaseError:
            return False
        return True

    def _stop_growing(self) -> None:
        """Bring what the write-ahead log holds into the file, with the room that was spared for that, and keep the file
        at that size: a log that cannot be brought into the file any more would grow, and there would be no way out.
        """
        self._spare.release()
        self._open.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()
        (pages,) = self._open.execute("PRAGMA page_count").fetchone()
        (before,) = self._open.execute("PRAGMA max_page_count").fetchone()
        self._open.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        if self._cap is None or before != self._cap.pages:
            self._cap = _Cap(before, pages)

    def _grow_again(self) -> None:
        if self._cap is None or not self._spare.keep():
            return
        (pages,) = self._open.execute("PRAGMA max_page_count").fetchone()
        if pages == self._cap.pages:
            self._open.execute(f"PRAGMA max_page_count = {self._cap.before}").fetchall()
        self._cap = None

    def _delete(self, keys: Sequence[int]) -> None:
        """Delete calls that are on disk, a few at a time: in one go it would take as much room again as they do."""
        for start in range(0, len(keys), _BATCH):
            batch = keys[start : start + _BATCH]
            with self._open.atomic():
                self._open.conn.executemany("DELETE FROM calls WHERE key = ?", [(key,) for key in batch])
            self._held.gone.difference_update(batch)
            self._open.execute("PRAGMA wal_checkpoint(RESTART)").fetchall()

    def _put(self) -> None:
        """Write all that is held in one commit."""
        held, moment = self._held, self._clock()
        with self._open.atomic():
            run = self._open.conn.executemany
            run("DELETE FROM calls WHERE key = ?", [(key,) for key in held.gone])
            # Replace: what failed to be committed may have been so all the same.
            run(f"INSERT OR REPLACE INTO calls ({_COLUMNS}) VALUES ({_VALUES})", list(held.calls.values()))
            run("UPDATE calls SET attempts = ? WHERE key = ?", [(count, key) for key, count in held.attempts.items()])
            self._open.table("dead_letters").insert_all(held.buried)
            for save in held.saves.values():
                if save.transaction is None:
                    self._open.table("journal").delete_where("evse = ?", [save.evse])
                else:
                    row = {"evse": save.evse, "open": msgspec.json.encode(save.transaction)}
                    self._open.table("journal").upsert(row, pk="evse")
            if held.kept is not None:
                rows = ({"name": name, "value": msgspec.json.encode(getattr(held.kept, name))} for name in _FIELDS)
                self._open.table("kept").upsert_all(rows, pk="name")
            self._open.execute("INSERT OR REPLACE INTO moments VALUES (1, ?)", [_text(moment.utc)])
        self._held, self._noted_mono = _Held(), moment.mono

    def _note_failure(self, error: sqlite3.DatabaseError) -> None:
        if not self._failing:
            self._failing = True
            log.error("the outbox's disk refuses; the station goes on from memory", why=str(error))

    def _put_aside(self, table: str, key: str, name: object, value: bytes, why: Exception) -> None:
        row = {"name": f"{table} {name}", "value": value, "why": str(why), "at": _text(self._clock().utc)}
        try:
            with self._open.atomic():
                self._open.table("broken").insert(row)
                self._open.table(table).delete_where(f"{key} = ?", [name])
        except sqlite3.DatabaseError as error:
            self._note_failure(error)  # then it stays where it is, and the next start says so again

    def _set_up(self, db: Database) -> None:
        db.execute(f"PRAGMA wal_autocheckpoint = {_LOG_PAGES}").fetchall()
        calls = {"key": int, "action": str, "payload": bytes, "attempts": int, "kept_at": str}
        db.table("calls").create({**calls, "mono": float, "boot": str}, pk="key", if_not_exists=True)
        for name, kind in {"mono": float, "boot": str}.items():
            if name not in db.table("calls").columns_dict:  # made by an older release
                db.table("calls").add_column(name, kind)
        buried = {**calls, "code": str, "description": str, "buried_at": str}
        db.table("dead_letters").create(buried, if_not_exists=True)  # a call's number comes again: no primary key here
        db.table("journal").create({"evse": int, "open": bytes}, pk="evse", if_not_exists=True)
        db.table("kept").create({"name": str, "value": bytes}, pk="name", if_not_exists=True)
        db.table("broken").create({"name": str, "value": bytes, "why": str, "at": str}, if_not_exists=True)
        db.table("moments").create({"id": int, "at": str}, pk="id", if_not_exists=True)
        (found,) = db.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            error = sqlite3.DatabaseError(found)
            error.sqlite_errorname = "SQLITE_CORRUPT"
            raise error
        rows = db.execute("SELECT key, action, payload FROM calls ORDER BY key")
        self._queue = OrderedDict((key, weigh(action, payload)) for key, action, payload in rows)
        self._last_key = next(reversed(self._queue), 0)
        (at,) = db.execute("SELECT coalesce((SELECT at FROM moments), (SELECT max(kept_at) FROM calls))").fetchone()
        try:
            self._latest = datetime.fromisoformat(at)
        except (TypeError, ValueError):
            self._latest = None

    @property
    def _open(self) -> Database:
        assert self._db is not None, "SqliteOutbox.start was not called"
        return self._db


def _text(utc: datetime) -> str:
    return utc.isoformat(timespec="microseconds")
