"""Opens the database and hands out units of work: one `Unit`, one commit."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import ConnectionPoolEntry

from cloud.store.migrations import migrate


def new_id(now: datetime) -> str:
    """A 24-character id that sorts by time: 12 hex digits of milliseconds, 12 of chance."""
    return f"{int(now.timestamp() * 1000):012x}{secrets.token_hex(6)}"


class Store:
    """The database behind a URL, such as `sqlite:////var/lib/colonnina/csms.sqlite` or `postgresql+psycopg://...`."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._engine: Engine | None = None
        #: Of which version the database was when it was opened, 0 for an empty one.
        self.found_version = 0

    @property
    def engine(self) -> Engine:
        assert self._engine is not None, "Store.start was not called"
        return self._engine

    def start(self) -> None:
        """Open, and bring the tables up to date. Raises SchemaError for a database of a newer version."""
        self._engine = create_engine(self._url)
        if self._engine.dialect.name == "sqlite":
            event.listen(self._engine, "connect", _set_up_sqlite)
            event.listen(self._engine, "begin", _begin_at_once)
        with self.write() as connection:
            self.found_version = migrate(connection)

    def stop(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """One transaction: committed at the end of the block, undone when it raises."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A consistent view for reading."""
        with self.engine.connect().execution_options(reading=True) as connection:
            yield connection


def _set_up_sqlite(connection: Any, record: ConnectionPoolEntry) -> None:
    connection.isolation_level = None  # BEGIN is ours: see _begin_at_once
    cursor = connection.cursor()
    for pragma in ("busy_timeout=10000", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin_at_once(connection: Connection) -> None:
    # A transaction that reads and then writes could find the database changed in between and fail; one that takes the
    # write lock at its start waits for its turn instead.
    reading = connection.get_execution_options().get("reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
