"""SQLite files of the station: opened also on a disk that is full or read-only, put aside when they are damaged."""

from __future__ import annotations

import itertools
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import structlog
from sqlite_utils import Database

log = structlog.get_logger(__name__)

#: What SQLite keeps beside a database.
_BESIDE = ("-wal", "-shm")
#: Where files are in memory on Linux.
_RAM = Path("/dev/shm")  # noqa: S108 - a folder of our own in it


def open_database(path: Path, what: str, set_up: Callable[[Database], None]) -> Database:
    """Open a file, making it and its folder where they are missing. what: names it in the log.

    set_up: makes its tables; called again with a new file when this one proves to be damaged. A damaged file is put
    aside, as `.broken`. On a disk that is mounted read-only, as Linux does with one that has failed, a copy in memory
    is opened: a station must not stop for that. Raises sqlite3.DatabaseError for anything else.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists() and os.statvfs(path).f_flag & os.ST_RDONLY:
        log.error(f"{what} is on a disk that is read-only: what is new does not survive a restart", path=str(path))
        return _copy(path, set_up)
    try:
        return _open(path, set_up)
    except sqlite3.DatabaseError as error:
        if not is_damage(error):
            raise
        aside = _put_aside(path)
        log.error(f"{what} cannot be read and is begun anew", path=str(path), put_aside=aside.name, why=str(error))
        return _open(path, set_up)


def is_damage(error: sqlite3.DatabaseError) -> bool:
    """Whether the file itself is broken."""
    return _name(error).startswith(("SQLITE_NOTADB", "SQLITE_CORRUPT"))


def is_full(error: sqlite3.DatabaseError) -> bool:
    """Whether the disk, or the file, has no room."""
    return _name(error).startswith("SQLITE_FULL")


def _name(error: sqlite3.DatabaseError) -> str:
    return getattr(error, "sqlite_errorname", "")  # errors that Python's own module raises have none


def _open(path: Path, set_up: Callable[[Database], None]) -> Database:
    try:
        return _connect(path, set_up, alone=False)
    except sqlite3.OperationalError as error:
        if not (is_full(error) or _name(error).startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN"))):
            raise
        # On a full disk there is no room for the memory that processes share. Alone with the file we need none.
        return _connect(path, set_up, alone=True)


def _connect(path: Path, set_up: Callable[[Database], None], *, alone: bool) -> Database:
    db = Database(sqlite3.connect(path, check_same_thread=False))
    try:
        if alone:
            db.execute("PRAGMA locking_mode=EXCLUSIVE")
        db.enable_wal()
        db.execute("PRAGMA synchronous=FULL")
        set_up(db)
    except BaseException:
        db.close()
        raise
    return db


def _copy(path: Path, set_up: Callable[[Database], None]) -> Database:
    """A copy in memory. SQLite does not open a file with a write-ahead log where it cannot write beside it."""
    connection = sqlite3.connect(":memory:", check_same_thread=False)
    with tempfile.TemporaryDirectory(dir=_RAM if _RAM.is_dir() else None) as folder:
        copy = Path(shutil.copy(path, folder))
        log_file = path.with_name(path.name + "-wal")
        if log_file.exists():
            shutil.copy(log_file, folder)
        with closing(sqlite3.connect(copy)) as source:
            source.backup(connection)
    db = Database(connection)
    set_up(db)
    return db


def _put_aside(path: Path) -> Path:
    """Move the file out of the way, over none that was put aside before."""
    for number in itertools.count(1):
        aside = path.with_suffix(".broken" if number == 1 else f".broken-{number}")
        if not aside.exists():
            break
    path.replace(aside)
    for rest in _BESIDE:
        beside = path.with_name(path.name + rest)
        if beside.exists():
            beside.replace(aside.with_name(aside.name + rest))
    return aside
