"""The outbox: what must not be lost is on disk before it is sent, and stays there until it is answered.

Beside it, in the same file and so in the same commit, the journal of open transactions and what else must survive.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import get_type_hints

import msgspec
from sqlite_utils import Database
from sqlite_utils.db import NotFoundError

from edge.station.kept import Kept
from edge.station.ports import Item, Restored, Save, Send
from edge.station.state import Transaction

#: The fields of `Kept`, each in a row of its own, with their types.
_FIELDS = get_type_hints(Kept)


class SqliteOutbox:
    """An outbox in a SQLite file, which is made when it is missing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._db: Database | None = None

    def start(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        db = self._db = Database(sqlite3.connect(self._path, check_same_thread=False))
        db.enable_wal()
        db.execute("PRAGMA synchronous=FULL")
        calls = {"key": int, "action": str, "payload": bytes, "attempts": int, "kept_at": str}
        db.table("calls").create(calls, pk="key", if_not_exists=True)
        buried = {**calls, "code": str, "description": str, "buried_at": str}
        db.table("dead_letters").create(buried, if_not_exists=True)  # SQLite gives a key out again: no primary key here
        db.table("journal").create({"evse": int, "open": bytes}, pk="evse", if_not_exists=True)
        db.table("kept").create({"name": str, "value": bytes}, pk="name", if_not_exists=True)

    def stop(self) -> None:
        if self._db is not None:
            self._db.close()
            self._db = None

    def commit(self, sends: Sequence[Send], saves: Sequence[Save], kept: Kept | None = None) -> None:
        with self._open.atomic():
            for send in sends:
                payload = msgspec.json.encode(send.payload)
                row = {"action": send.action, "payload": payload, "attempts": 0, "kept_at": _now()}
                self._open.table("calls").insert(row)
            for save in saves:
                if save.transaction is None:
                    self._open.table("journal").delete_where("evse = ?", [save.evse])
                else:
                    row = {"evse": save.evse, "open": msgspec.json.encode(save.transaction)}
                    self._open.table("journal").upsert(row, pk="evse")
            if kept is not None:
                rows = ({"name": name, "value": msgspec.json.encode(getattr(kept, name))} for name in _FIELDS)
                self._open.table("kept").upsert_all(rows, pk="name")

    def head(self) -> Item | None:
        for row in self._open.table("calls").rows_where(order_by="key", limit=1):
            return Item(row["key"], row["action"], row["payload"], row["attempts"])
        return None

    def done(self, key: int) -> None:
        with self._open.atomic():
            self._open.table("calls").delete_where("key = ?", [key])

    def failed(self, key: int) -> int:
        with self._open.atomic():
            attempts = int(self._open.table("calls").get(key)["attempts"]) + 1
            self._open.table("calls").update(key, {"attempts": attempts})
        return attempts

    def bury(self, key: int, code: str, description: str) -> None:
        with self._open.atomic():
            try:
                row = self._open.table("calls").get(key)
            except NotFoundError:
                return
            buried = {**row, "code": code, "description": description, "buried_at": _now()}
            self._open.table("dead_letters").insert(buried)
            self._open.table("calls").delete_where("key = ?", [key])

    def restore(self) -> Restored:
        rows = self._open.table("journal").rows_where(order_by="evse")
        transactions = tuple((row["evse"], msgspec.json.decode(row["open"], type=Transaction)) for row in rows)
        fields = {
            row["name"]: msgspec.json.decode(row["value"], type=_FIELDS[row["name"]])
            for row in self._open.table("kept").rows
            if row["name"] in _FIELDS
        }
        return Restored(Kept(**fields), transactions)

    def count(self) -> int:
        """Calls that wait."""
        return int(self._open.table("calls").count)

    @property
    def _open(self) -> Database:
        assert self._db is not None, "SqliteOutbox.start was not called"
        return self._db


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
