"""Backup and restore of what a CSMS on SQLite keeps: one file, made while it runs, put back while it does not.

Each database is copied with SQLite's online backup, which is one moment of it, however much is written meanwhile: the
books first, then the samples, so that no session lacks samples that it had.
"""

from __future__ import annotations

import io
import os
import shutil
import sqlite3
import tarfile
import tempfile
import zlib
from contextlib import closing
from datetime import datetime
from pathlib import Path

import msgspec
from sqlalchemy.engine import make_url

from cloud.config import CsmsFile
from cloud.errors import CloudError
from cloud.store.migrations import VERSION, SchemaError
from cloud.store.tables import schema_version

BOOKS, SERIES, KEY, ABOUT = "csms.sqlite", "series.sqlite", "secret-key", "about.json"


class BackupError(CloudError, RuntimeError):
    """It cannot be done. The message says why, and what to do."""


class About(msgspec.Struct, frozen=True):
    """at: when the backup was made. version: of the tables."""

    at: datetime
    version: int


def backup(config: CsmsFile, target: Path, now: datetime) -> None:
    """Write all of it into one new file, readable by its owner only. Raises BackupError."""
    books = _books(config)
    if target.exists():
        raise BackupError(f"{target} is there already: choose another name")
    if not books.exists():
        raise BackupError(f"there is no database {books}")
    try:
        with tempfile.TemporaryDirectory(dir=target.parent or None, prefix=".backup-") as folder:
            _pack(config, books, Path(folder), target, now)
    except (OSError, sqlite3.Error) as error:
        raise BackupError(f"{target}: {error}") from error


def restore(config: CsmsFile, source: Path, now: datetime) -> Path | None:
    """Put a backup in place; the CSMS must not run. Answers where what was there is now, None for nothing.

    Raises BackupError or SchemaError, and has then changed nothing.
    """
    books, folder = _books(config), config.folder
    try:
        with tempfile.TemporaryDirectory(dir=folder, prefix=".restore-") as name:
            unpacked = Path(name)
            _unpack(source, unpacked)
            for database in (BOOKS, SERIES):
                _check(unpacked / database)
            return _exchange(books, folder, unpacked, folder / f"before-restore-{now:%Y%m%dT%H%M%SZ}")
    except (OSError, EOFError, zlib.error, tarfile.TarError, sqlite3.Error, msgspec.MsgspecError) as error:
        raise BackupError(f"{source}: {error}") from error


def _books(config: CsmsFile) -> Path:
    url = make_url(config.database)
    if url.get_backend_name() != "sqlite" or not url.database:
        raise BackupError(
            "the books are in PostgreSQL: back them up and restore them with pg_dump and pg_restore, and copy the"
            f" folder {config.folder} (samples and the secret key) while the CSMS is stopped"
        )
    return Path(url.database)


def _pack(config: CsmsFile, books: Path, folder: Path, target: Path, now: datetime) -> None:
    _copy(books, folder / BOOKS)
    with closing(sqlite3.connect(folder / BOOKS)) as copy:
        found = copy.execute(f"SELECT version FROM {schema_version.name}").fetchone()
    _copy(config.folder / SERIES, folder / SERIES)
    if (config.folder / KEY).exists():
        shutil.copy(config.folder / KEY, folder / KEY)
    (folder / ABOUT).write_bytes(msgspec.json.encode(About(now, found[0])))
    draft = folder / "draft"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with open(descriptor, "wb") as out:
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for name in (ABOUT, BOOKS, SERIES, KEY):
                if (folder / name).exists():
                    archive.add(folder / name, name)
        out.flush()
        os.fsync(out.fileno())
    os.link(draft, target)  # fails where somebody was faster


def _copy(source: Path, target: Path) -> None:
    if not source.exists():
        return
    with closing(sqlite3.connect(f"file:{source}?mode=ro", uri=True)) as live, closing(sqlite3.connect(target)) as copy:
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it


def _unpack(source: Path, folder: Path) -> None:
    with tarfile.open(source, "r:gz") as archive:
        for name in (ABOUT, BOOKS, SERIES, KEY):
            try:
                content = archive.extractfile(name)
            except KeyError:
                continue
            if content is None:
                raise BackupError(f"{source}: {name} is no file")
            with open(os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                shutil.copyfileobj(content, out, io.DEFAULT_BUFFER_SIZE * 16)
                out.flush()
                os.fsync(out.fileno())
    if not (folder / ABOUT).exists() or not (folder / BOOKS).exists():
        raise BackupError(f"{source} is not a backup of ours")
    about = msgspec.json.decode((folder / ABOUT).read_bytes(), type=About)
    if about.version > VERSION:
        raise SchemaError(
            f"{source} is of version {about.version}, and this program knows versions up to {VERSION}: install the"
            " program that made it, or a newer one"
        )


def _check(database: Path) -> None:
    if not database.exists():
        return
    with closing(sqlite3.connect(database)) as opened:
        (said,) = opened.execute("PRAGMA quick_check(1)").fetchone()
    if said != "ok":
        raise BackupError(f"{database.name} in the backup is damaged: {said}")


def _exchange(books: Path, folder: Path, unpacked: Path, aside: Path) -> Path | None:
    """What was there goes aside, as a whole, and stays."""
    places = {BOOKS: books, SERIES: folder / SERIES, KEY: folder / KEY}
    kept = None
    for name, place in places.items():
        if not (unpacked / name).exists():
            continue
        for path in (place, Path(f"{place}-wal"), Path(f"{place}-shm")):
            if path.exists():
                aside.mkdir(exist_ok=True)
                kept = aside
                shutil.move(path, aside / path.name)
        shutil.move(unpacked / name, place)
    return kept
