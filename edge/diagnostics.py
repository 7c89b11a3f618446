"""The diagnostics bundle: what somebody far away needs in order to help, and nothing that he must not know.

Secrets of the configuration and tokens of drivers are masked wherever they appear, in log lines, too. Every part is
made by itself: one that cannot be had says why, and the rest is there all the same.
"""

from __future__ import annotations

import io
import json
import os
import platform
import re
import shutil
import sqlite3
import subprocess
import tarfile
import tomllib
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, suppress
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from edge.config import StationFile
from protocol import logs, redact
from protocol.errors import SettingsError
from wiring import pins as wiring_pins

#: Rows of the outbox and the dead letters that are shown, and log lines.
HEADS, LINES = 20, logs.REMEMBERED
UNIT = "colonnina-station"
JOURNAL_S = 30.0
DATABASE = "station.sqlite"
#: Of what the station keeps, what tells nothing about a driver.
_HARMLESS = ("boot_reason", "counters", "faults", "inoperative")
#: A card's UID in a log line: 4, 7 or 10 bytes.
_UID = re.compile(r"(?<![0-9A-Za-z])(?:[0-9A-Fa-f]{8}|[0-9A-Fa-f]{14}|[0-9A-Fa-f]{20})(?![0-9A-Za-z])")
_TOKEN_KEY = re.compile(r"(id_?token|group_?id)$", re.IGNORECASE)
_TIMESTAMP = re.compile(r"\btimestamp=(\S+)")
#: Where secrets and cards are in the station's database.
_TELLING = (
    "SELECT payload FROM calls",
    "SELECT payload FROM dead_letters",
    "SELECT open FROM journal",
    "SELECT value FROM kept WHERE name IN ('reservations', 'log', 'firmware')",
)
#: Shorter than this, a secret's letters are in every other word.
SHORTEST = 4


def log_file(config: StationFile) -> Path:
    """Where the station's log lines are kept on a machine without the journal."""
    return Path(config.station.data) / "log" / "station.log"


def bundle(
    config: StationFile,
    path: Path,
    name: str,
    now: datetime,
    oldest: datetime | None = None,
    latest: datetime | None = None,
) -> bytes:
    """A bundle, made in memory: the disk may be what is wrong. path: the station's TOML file.

    name: says what it is to be: a .zip, .tar.gz or .tgz. oldest, latest: bounds of the log. Raises SettingsError for
    another kind.
    """
    parts: dict[str, Callable[[], str]] = {
        "about.json": lambda: _json(_about(config, now)),
        "config.json": lambda: _json(redact.tree(_toml(path))),
        "pins.txt": lambda: wiring_pins.pinout(wiring_pins.load(config.pins.map or wiring_pins.DEFAULT)),
        "outbox.json": lambda: _without_uids(_json(_table(config, "calls"))),
        "dead-letters.json": lambda: _without_uids(_json(_table(config, "dead_letters"))),
        "kept.json": lambda: _json(_kept(config)),
        "system.json": lambda: _json(_system(config)),
        "log.txt": lambda: _without_uids("\n".join(_log(config, oldest, latest))),
    }
    secrets = _secrets(config, path)
    return _pack(name, {part: _scrub(_made(make), secrets) for part, make in parts.items()}, now)


def _made(make: Callable[[], str]) -> str:
    try:
        return make()
    except (OSError, sqlite3.Error, ValueError) as error:
        return f"cannot be had: {error}"


def _pack(name: str, parts: Mapping[str, str], now: datetime) -> bytes:
    packed = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for part, text in parts.items():
                archive.writestr(part, text)
        return packed.getvalue()
    if not name.endswith((".tar.gz", ".tgz")):
        raise SettingsError(f"{name}: a bundle is a .zip or a .tar.gz")
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for part, text in parts.items():
            data = text.encode()
            entry = tarfile.TarInfo(part)
            entry.size, entry.mtime = len(data), int(now.timestamp())
            tar.addfile(entry, io.BytesIO(data))
    return packed.getvalue()


# -- the parts --------------------------------------------------------------------------------------------------------


def _about(config: StationFile, now: datetime) -> dict[str, Any]:
    return {
        "station": config.station.id,
        "made_at": now.isoformat(timespec="seconds"),
        "python": platform.python_version(),
        "machine": platform.machine(),
        "packages": dict(sorted((found.name, found.version) for found in distributions())),
    }


def _toml(path: Path) -> dict[str, Any]:
    return tomllib.loads(path.read_text("utf-8"))


def _table(config: StationFile, name: str) -> dict[str, Any]:
    """How many rows there are, and the first of them."""
    with closing(_database(config)) as db:
        (count,) = db.execute(f'SELECT count(*) FROM "{name}"').fetchone()
        found = db.execute(f'SELECT * FROM "{name}" ORDER BY rowid LIMIT {HEADS}').fetchall()
    rows = [dict(row) for row in found]
    for row in rows:
        if isinstance(row.get("payload"), bytes):
            row["payload"] = json.loads(row["payload"])
    return {"count": count, "first": redact.tree(rows)}


def _kept(config: StationFile) -> dict[str, Any]:
    with closing(_database(config)) as db:
        kept = {row["name"]: json.loads(row["value"]) for row in db.execute("SELECT name, value FROM kept")}
        (transactions,) = db.execute("SELECT count(*) FROM journal").fetchone()
    firmware = kept.get("firmware") or {}
    return {
        **{name: kept.get(name) for name in _HARMLESS},
        "open_transactions": transactions,
        "reservations": len(kept.get("reservations") or ()),
        "variables_set": [name for name, _ in kept.get("variables") or ()],
        "firmware": {"status": firmware.get("status"), "request_id": firmware.get("order", {}).get("request_id")},
    }


def _system(config: StationFile) -> dict[str, Any]:
    memory = dict(re.findall(r"^(MemTotal|MemAvailable|SwapTotal|SwapFree):\s+(\d+) kB", _read("/proc/meminfo"), re.M))
    heat = _read("/sys/class/thermal/thermal_zone0/temp").strip()
    uptime = _read("/proc/uptime").split()
    disk = shutil.disk_usage(config.station.data)
    return {
        "kernel": platform.release(),
        "model": _read("/proc/device-tree/model").strip("\0\n") or None,
        "uptime_s": float(uptime[0]) if uptime else None,
        "load": os.getloadavg(),
        "memory_kb": {name: int(value) for name, value in memory.items()},
        "disk_bytes": {"total": disk.total, "free": disk.free},
        "soc_temperature_c": int(heat) / 1000 if heat else None,
    }


def _read(path: str) -> str:
    """What the kernel says there; nothing on a machine that has it not."""
    try:
        return Path(path).read_text("utf-8", "replace")
    except OSError:
        return ""


def _log(config: StationFile, oldest: datetime | None, latest: datetime | None) -> list[str]:
    """The last lines, from the first place that has any: the journal, the file, this process."""
    return _journal(oldest, latest) or [
        line for line in _file_lines(config) or logs.recent() if _within(line, oldest, latest)
    ]


def _journal(oldest: datetime | None, latest: datetime | None) -> list[str]:
    if (program := shutil.which("journalctl")) is None:
        return []
    command = [program, "--unit", UNIT, "--lines", str(LINES), "--no-pager", "--quiet", "--output", "short-iso"]
    for option, bound in (("--since", oldest), ("--until", latest)):
        if bound is not None:
            command += [option, f"{bound.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=JOURNAL_S, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return []
    return done.stdout.splitlines() if done.returncode == 0 else []


def _file_lines(config: StationFile) -> list[str]:
    newest = log_file(config)
    lines: list[str] = []
    for path in (newest.with_name(newest.name + ".1"), newest):
        if path.exists():
            lines += path.read_text("utf-8", "replace").splitlines()
    return lines[-LINES:]


def _within(line: str, oldest: datetime | None, latest: datetime | None) -> bool:
    found = _TIMESTAMP.search(line)
    try:
        at = datetime.fromisoformat(found[1]) if found else None
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        return True
    return (oldest is None or at >= oldest) and (latest is None or at <= latest)


def _database(config: StationFile) -> sqlite3.Connection:
    """To read, beside the station that writes."""
    db = sqlite3.connect(f"file:{Path(config.station.data) / DATABASE}?mode=ro", uri=True)
    db.row_factory = sqlite3.Row
    return db


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False, default=str)


# -- what must not be in them -----------------------------------------------------------------------------------------


def _secrets(config: StationFile, path: Path) -> set[str]:
    """All strings that must not be shown, as far as the station knows them."""
    found: set[str] = set()
    with suppress(OSError, ValueError):
        found.update(_hidden_in(_toml(path)))
    for query in _TELLING:
        with suppress(sqlite3.Error, ValueError), closing(_database(config)) as db:
            for (value,) in db.execute(query):
                found.update(_hidden_in(json.loads(value)))
    with suppress(sqlite3.Error, ValueError), closing(_database(config)) as db:
        for (value,) in db.execute("SELECT value FROM kept WHERE name = 'variables'"):
            found.update(set_to for name, set_to in json.loads(value) if redact.secret_key(name))
    return {secret for secret in found if len(secret) >= SHORTEST}


def _hidden_in(tree: Any, hidden: bool = False) -> Iterator[str]:
    """Strings under a key that says they are secret or a driver's, and accounts in URLs."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            below = redact.secret_key(str(key)) or _TOKEN_KEY.search(str(key)) is not None
            yield from _hidden_in(value, below or (hidden and key != "type"))
    elif isinstance(tree, list):
        for value in tree:
            yield from _hidden_in(value, hidden)
    elif isinstance(tree, str):
        if hidden:
            yield tree
        if "://" in tree:
            yield from _account(tree)


def _account(url: str) -> Iterator[str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        return
    for part in (parts.password, parts.query):
        if part:
            yield part
            yield unquote(part)


def _scrub(text: str, secrets: set[str]) -> str:
    """Without any of these, however they are written."""
    text = redact.text(text)
    if not secrets:
        return text
    known = "|".join(re.escape(secret) for secret in sorted(secrets, key=len, reverse=True))
    return re.sub(known, redact.MASK, text, flags=re.IGNORECASE)


def _without_uids(text: str) -> str:
    return _UID.sub(redact.MASK, text)
