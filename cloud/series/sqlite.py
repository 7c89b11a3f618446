"""Time series in a SQLite file of their own: nothing to install, enough for one machine."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from cloud.series.port import Point, SeriesError, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


class SqliteSeries:
    """One row per EVSE and moment, its fields as JSON, in the order that they are read: by EVSE, then by time."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._connection: sqlite3.Connection | None = None
        self._lock = threading.Lock()

    def start(self) -> None:
        self._connection = sqlite3.connect(self._path, check_same_thread=False, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode=WAL",
            "PRAGMA synchronous=FULL",
            "PRAGMA busy_timeout=10000",
            "CREATE TABLE IF NOT EXISTS points (station TEXT, evse INTEGER, t INTEGER, fields TEXT NOT NULL,"
            " PRIMARY KEY (station, evse, t)) WITHOUT ROWID",
        ):
            self._connection.execute(statement)

    def stop(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def write(self, points: Sequence[Point]) -> None:
        if not points:
            return
        rows = [
            (point.station, point.evse, _milliseconds(point.at), msgspec.json.encode(point.fields).decode())
            for point in points
        ]
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                self._db.executemany(
                    "INSERT INTO points VALUES (?, ?, ?, ?)"
                    " ON CONFLICT DO UPDATE SET fields = json_patch(fields, excluded.fields)",
                    rows,
                )
                self._db.execute("COMMIT")
            except sqlite3.OperationalError as error:
                raise SeriesError(str(error)) from error
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")

    def read(self, station: str, evse: int, field: str, start: datetime, end: datetime) -> list[Value]:
        rows = self._select("t, json_extract(fields, '$.' || ?) AS value", (field,), station, evse, start, end)
        return [Value(_EPOCH + t * _MILLISECOND, value) for t, value in rows if value is not None]

    def fields(self, station: str, evse: int, start: datetime, end: datetime) -> list[str]:
        rows = self._select("fields", (), station, evse, start, end)
        return sorted({name for (fields,) in rows for name in msgspec.json.decode(fields)})

    @property
    def _db(self) -> sqlite3.Connection:
        assert self._connection is not None, "SqliteSeries.start was not called"
        return self._connection

    def _select(
        self, what: str, first: tuple[str, ...], station: str, evse: int, start: datetime, end: datetime
    ) -> list[tuple[Any, ...]]:
        query = f"SELECT {what} FROM points WHERE station = ? AND evse = ? AND t BETWEEN ? AND ? ORDER BY t"
        with self._lock:
            cursor = self._db.execute(query, (*first, station, evse, _milliseconds(start), _milliseconds(end)))
            return cursor.fetchall()


def _milliseconds(at: datetime) -> int:
    return (at - _EPOCH) // _MILLISECOND
