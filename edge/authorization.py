"""The token memory: the Local Authorization List and the Authorization Cache, in a SQLite file of their own.

A file of their own, `tokens.sqlite`: whatever happens to it, the outbox and the journal are whole. One that cannot be
read is put aside and begun anew; the list's version is then 0, and the CSMS sends it again.

Tokens are kept as a keyed hash, and the key is made once for each station: the file shows no card's UID, and those of
two stations cannot be compared. The key lies beside them; against somebody who has the whole file, and tries each UID
there is, it does not help. Groups are kept as they are.
"""

from __future__ import annotations

import hashlib
import secrets
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import structlog
from sqlite_utils import Database

from edge.database import open_database
from edge.station.authorization import ACCEPTED, judge
from edge.station.tokens import MOST_LISTED, Cached, Known, ListUpdate, ListVerdict, TokenInfo

log = structlog.get_logger(__name__)

#: Tokens in the cache, and in the list, at most.
CACHE_CAPACITY = 2_000
LIST_CAPACITY = MOST_LISTED


class SqliteTokenMemory:
    """A token memory in a SQLite file, which is made when it is missing.

    cache_capacity: above it those that were not accepted go first, so that strangers' cards do not push out drivers,
    then those that were not used for longest (C10). list_capacity: a list above it is refused.
    """

    def __init__(self, path: Path, *, cache_capacity: int = CACHE_CAPACITY, list_capacity: int = LIST_CAPACITY) -> None:
        self._path = path
        self._cache_capacity = cache_capacity
        self._list_capacity = list_capacity
        self._db: Database | None = None
        self._salt = b""

    def start(self) -> None:
        self._db = open_database(self._path, "the token memory", self._set_up)
        self._salt = self._about()["salt"]

    def stop(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    @property
    def list_version(self) -> int:
        try:
            return self._version()
        except sqlite3.Error as error:
            log.error("the list's version cannot be read", why=str(error))
            return 0

    @property
    def list_entries(self) -> int:
        try:
            return int(self._open.table("listed").count)
        except sqlite3.Error as error:
            log.error("the list cannot be counted", why=str(error))
            return 0

    def lookup(self, id_token: str, type: str) -> Known:
        key = self._key(id_token, type)
        try:
            listed = next(self._open.table("listed").rows_where("key = ?", [key]), None)
            cached = next(self._open.table("cached").rows_where("key = ?", [key]), None)
            known = Known(
                None if listed is None else msgspec.json.decode(listed["said"], type=TokenInfo),
                None if cached is None else msgspec.json.decode(cached["said"], type=Cached),
            )
        except (sqlite3.Error, msgspec.DecodeError) as error:
            log.error("a token cannot be looked up", why=str(error))
            return Known()
        if known.cached is not None:
            self._note_use(key)
        return known

    def remember(self, id_token: str, type: str, info: TokenInfo, now: datetime) -> None:
        """One whose cacheExpiryDateTime has passed is forgotten instead (C10.FR.13)."""
        key = self._key(id_token, type)
        try:
            with self._open.atomic():
                if info.until is not None and info.until <= now:
                    self._open.table("cached").delete_where("key = ?", [key])
                    return
                said = msgspec.json.encode(Cached(info, now))
                row = {"key": key, "said": said, "accepted": info.status == ACCEPTED, "used": self._next_use()}
                self._open.table("cached").insert(row, pk="key", replace=True)
                surplus = max(0, self._open.table("cached").count - self._cache_capacity)
                oldest = "key IN (SELECT key FROM cached ORDER BY accepted, used LIMIT ?)"
                self._open.table("cached").delete_where(oldest, [surplus])
        except sqlite3.Error as error:
            log.error("a token cannot be remembered", why=str(error))

    def update_list(self, update: ListUpdate) -> ListVerdict:
        try:
            with self._open.atomic():
                verdict = judge(update, self._version())
                if verdict.status == ACCEPTED:
                    self._apply(update)
            return verdict
        except _TooLongError:
            return ListVerdict("Failed", "TooManyElements")
        except sqlite3.Error as error:
            log.error("the local list cannot be written", why=str(error))
            return ListVerdict("Failed", "InternalError")

    def forget_all(self) -> bool:
        try:
            self._open.table("cached").delete_where()
        except sqlite3.Error as error:
            log.error("the cache cannot be emptied", why=str(error))
            return False
        return True

    def _set_up(self, db: Database) -> None:
        with db.atomic():
            cached = {"key": str, "said": bytes, "accepted": int, "used": int}
            db.table("cached").create(cached, pk="key", if_not_exists=True)
            db.table("listed").create({"key": str, "said": bytes}, pk="key", if_not_exists=True)
            db.table("about").create({"id": int, "version": int, "salt": bytes}, pk="id", if_not_exists=True)
            new = {"id": 1, "version": 0, "salt": secrets.token_bytes(hashlib.blake2b.MAX_KEY_SIZE)}
            db.table("about").insert(new, ignore=True)

    def _apply(self, update: ListUpdate) -> None:
        listed = self._open.table("listed")
        if update.full:
            listed.delete_where()
        gone = [(self._key(entry.id_token, entry.type),) for entry in update.entries if entry.info is None]
        self._open.conn.executemany("DELETE FROM listed WHERE key = ?", gone)
        listed.insert_all(self._rows(update), pk="key", replace=True)
        if listed.count > self._list_capacity:
            raise _TooLongError
        self._open.table("about").update(1, {"version": update.version})

    def _rows(self, update: ListUpdate) -> Iterator[dict[str, Any]]:
        for entry in update.entries:
            if entry.info is not None:
                yield {"key": self._key(entry.id_token, entry.type), "said": msgspec.json.encode(entry.info)}

    def _key(self, id_token: str, type: str) -> str:
        text = f"{type} {id_token.casefold()}"
        return hashlib.blake2b(text.encode(), key=self._salt, digest_size=16).hexdigest()

    def _note_use(self, key: str) -> None:
        try:
            self._open.table("cached").update(key, {"used": self._next_use()})
        except sqlite3.Error as error:  # the disk is full, say: its holder is let in all the same
            log.error("the use of a token cannot be noted", why=str(error))

    def _next_use(self) -> int:
        """Counted, not timed: a clock may be set back."""
        (used,) = self._open.execute("SELECT coalesce(max(used), 0) + 1 FROM cached").fetchone()
        return int(used)

    def _version(self) -> int:
        return int(self._about()["version"])

    def _about(self) -> dict[str, Any]:
        return dict(self._open.table("about").get(1))

    @property
    def _open(self) -> Database:
        assert self._db is not None, "SqliteTokenMemory.start was not called"
        return self._db


class _TooLongError(Exception):
    """The list would exceed its capacity: undoes what was done in the transaction."""
