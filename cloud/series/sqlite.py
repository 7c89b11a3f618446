"""Time series in a SQLite file of their own: nothing to install, enough for one machine."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from cloud.domain import measurands
from cloud.series.port import Point, SeriesError, Value

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)
_DAY = timedelta(days=1) // _MILLISECOND
#: Every EVSE that has points, without reading the points.
_PLACES = """
WITH RECURSIVE place (station, evse) AS (
    SELECT * FROM (SELECT station, evse FROM points ORDER BY station, evse LIMIT 1)
    UNION ALL
    SELECT (SELECT station FROM points WHERE (station, evse) > (place.station, place.evse)
            ORDER BY station, evse LIMIT 1),
           (SELECT evse FROM points WHERE (station, evse) > (place.station, place.evse)
            ORDER BY station, evse LIMIT 1)
    FROM place WHERE place.station IS NOT NULL
)
SELECT station, evse FROM place WHERE station IS NOT NULL
"""

T = TypeVar("T")


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
            # 40 MB: every EVSE has a page of its own that its samples fill one by one, and it is copied once for many.
            "PRAGMA wal_autocheckpoint=10000",
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
        self._run(
            lambda: self._db.executemany(
                "INSERT INTO points VALUES (?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET fields = json_patch(fields, excluded.fields)",
                rows,
            )
        )

    def read(self, station: str, evse: int, field: str, start: datetime, end: datetime) -> list[Value]:
        rows = self._select("t, json_extract(fields, '$.' || ?) AS value", (field,), station, evse, start, end)
        return [Value(_EPOCH + t * _MILLISECOND, value) for t, value in rows if value is not None]

    def fields(self, station: str, evse: int, start: datetime, end: datetime) -> list[str]:
        rows = self._select("fields", (), station, evse, start, end)
        return sorted({name for (fields,) in rows for name in msgspec.json.decode(fields)})

    def thin(self, before: datetime, step: timedelta) -> tuple[int, int]:
        width, end = step // _MILLISECOND, _milliseconds(before)
        end -= end % width
        with self._lock:
            (steps_done,) = self._db.execute("PRAGMA user_version").fetchone()
        found = left = 0
        for station, evse in self._places():
            start = self._first(station, evse, steps_done * width)
            while start is not None and start < end:
                # A day at a time, so that nobody waits long for the lock.
                start -= start % width
                stop = min(end, start + _DAY)
                counts = self._run(partial(self._thin_part, station, evse, start, stop, width))
                found, left = found + counts[0], left + counts[1]
                start = self._first(station, evse, stop)
        # Only now: what a crash leaves undone is done the next time, and what was done comes out the same.
        self._run(lambda: self._db.execute(f"PRAGMA user_version = {max(steps_done, end // width)}"))
        return found, left

    def forget(self, before: datetime) -> int:
        end, gone = _milliseconds(before), 0
        for station, evse in self._places():
            start = self._first(station, evse)
            while start is not None and start < end:
                stop = min(end, start + _DAY)
                gone += self._run(partial(self._delete, station, evse, start, stop))
                start = self._first(station, evse, stop)
        return gone

    def _places(self) -> list[tuple[str, int]]:
        with self._lock:
            return self._db.execute(_PLACES).fetchall()

    def _first(self, station: str, evse: int, since: int = -(2**62)) -> int | None:
        query = "SELECT min(t) FROM points WHERE station = ? AND evse = ? AND t >= ?"
        with self._lock:
            (first,) = self._db.execute(query, (station, evse, since)).fetchone()
        return None if first is None else int(first)

    def _thin_part(self, station: str, evse: int, start: int, stop: int, width: int) -> tuple[int, int]:
        query = "SELECT t, fields FROM points WHERE station = ? AND evse = ? AND t >= ? AND t < ? ORDER BY t"
        rows = self._db.execute(query, (station, evse, start, stop)).fetchall()
        steps: dict[int, list[dict[str, float]]] = {}
        for t, fields in rows:
            steps.setdefault(t - t % width, []).append(msgspec.json.decode(fields))
        if [t for t, _ in rows] == list(steps):
            return 0, 0  # done before
        self._delete(station, evse, start, stop)
        self._db.executemany(
            "INSERT INTO points VALUES (?, ?, ?, ?)",
            [(station, evse, t, msgspec.json.encode(_mean(parts)).decode()) for t, parts in steps.items()],
        )
        return len(rows), len(steps)

    def _delete(self, station: str, evse: int, start: int, stop: int) -> int:
        query = "DELETE FROM points WHERE station = ? AND evse = ? AND t >= ? AND t < ?"
        return self._db.execute(query, (station, evse, start, stop)).rowcount

    def _run(self, change: Callable[[], T]) -> T:
        """One transaction."""
        with self._lock:
            try:
                self._db.execute("BEGIN IMMEDIATE")
                result = change()
                self._db.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                # A damaged file is exactly DatabaseError; its other kinds come of what it was given.
                if isinstance(error, sqlite3.OperationalError) or type(error) is sqlite3.DatabaseError:
                    raise SeriesError(str(error)) from error
                raise
            finally:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
            return result

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


def _mean(parts: Sequence[dict[str, float]]) -> dict[str, float]:
    """One point of many: the mean of what rises and falls, the first of what only counts up."""
    values: dict[str, list[float]] = {}
    for part in parts:
        for name, value in part.items():
            values.setdefault(name, []).append(value)
    return {
        name: found[0] if measurands.is_register(name) else sum(found) / len(found) for name, found in values.items()
    }
