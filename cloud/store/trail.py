"""What stations said, kept for people to look at: frames, messages, dead letters. Bounded for each station."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, delete, insert, select
from sqlalchemy.sql.compiler import SQLCompiler

from cloud.limits import Limits
from cloud.store.tables import Moment, dead_letters, frames, station_messages
from protocol.envelope import Call, CallResult, Frame

#: A longer frame is cut in the log, in bytes. Dead letters and messages are kept whole.
MAX_LOGGED_BYTES = 8 * 1024
IN, OUT = "in", "out"
#: Calls of ours that may carry a password. The log gets them without.
_SECRETIVE = {"GetLog", "PublishFirmware", "SetNetworkProfile", "SetVariables", "UpdateFirmware"}
_HIDDEN = "(hidden)"


class Trail:
    """What one batch adds. now: when it was taken."""

    def __init__(self, connection: Connection, now: datetime, limits: Limits) -> None:
        self._connection = connection
        self._now = now
        self._limits = limits
        self._at = Moment().process_bind_param(now, connection.dialect)
        self._frames: list[tuple[Any, ...]] = []
        self._messages: list[dict[str, Any]] = []
        self._dead: list[dict[str, Any]] = []

    @property
    def logged(self) -> Counter[str]:
        """By how many frames the log of each station has become longer."""
        return Counter(row[0] for row in self._frames)

    def frame(self, station: str, direction: str, data: bytes, frame: Frame | None, action: str = "") -> None:
        """Note a frame. direction: IN or OUT. frame: what is in it; None for what is none. action: of an answer."""
        if self._limits.kept_frames == 0:
            return
        if isinstance(frame, Call):
            kind, action = "call", frame.action
            if direction == OUT and action in _SECRETIVE:
                data = hide(data)
        else:
            kind = "bad" if frame is None else "result" if isinstance(frame, CallResult) else "error"
        message_id = "" if frame is None else frame.message_id
        self._frames.append((station, self._at, direction, kind, action[:50], message_id, data[:MAX_LOGGED_BYTES]))

    def message(self, station: str, action: str, payload: bytes) -> None:
        """Keep what a station told that has no table of its own."""
        self._messages.append({"station": station, "at": self._now, "action": action, "payload": payload})

    def dead_letter(self, station: str, topic: str, code: str, text: str, data: bytes) -> None:
        """Keep a frame that was not accepted. station: "" for one that is not registered."""
        row = {"station": station, "topic": topic[:100], "at": self._now, "code": code[:50], "text": text[:200]}
        self._dead.append({**row, "data": data})

    def flush(self) -> None:
        """Write it all down; of messages and dead letters the oldest go."""
        if self._frames:
            self._write_frames()
        self._add(station_messages, self._messages, ("station", "action"), self._limits.kept_messages)
        self._add(dead_letters, self._dead, ("station",), self._limits.kept_dead_letters)

    def _write_frames(self) -> None:
        """There are two for each frame that is handled: written without what SQLAlchemy does for every single row."""
        columns = ("station", "at", "direction", "kind", "action", "message_id", "data")
        statement = insert(frames).compile(dialect=self._connection.dialect, column_keys=columns)
        assert isinstance(statement, SQLCompiler)
        rows: list[Any] = self._frames
        if not statement.positional:
            rows = [dict(zip(columns, row, strict=True)) for row in rows]
        elif statement.positiontup != list(columns):
            raise NotImplementedError(f"columns in the order {statement.positiontup}")
        self._connection.exec_driver_sql(str(statement), rows)

    def _add(self, table: Table, rows: list[dict[str, Any]], by: tuple[str, ...], keep: int) -> None:
        groups: dict[tuple[str, ...], list[dict[str, Any]]] = {}
        for row in rows:
            groups.setdefault(tuple(row[name] for name in by), []).append(row)
        for group, added in sorted(groups.items()):
            self._connection.execute(insert(table), added[-keep:])
            trim(self._connection, table, dict(zip(by, group, strict=True)), keep)


def trim(connection: Connection, table: Table, group: dict[str, str], keep: int) -> None:
    """Leave only the newest `keep` rows of a group."""
    mine: list[ColumnElement[bool]] = [table.c[name] == value for name, value in group.items()]
    oldest = select(table.c.no).where(*mine).order_by(table.c.no.desc()).limit(1).offset(keep).scalar_subquery()
    connection.execute(delete(table).where(*mine, table.c.no <= oldest))


class Trimmer:
    """Keeps the log of frames short, now and then rather than for every frame. keep: frames of each station.

    A station that this process has not seen yet may have a long log from before, so it is due at once.
    """

    def __init__(self, keep: int) -> None:
        self._keep = keep
        self._added: dict[str, int] = {}

    def note(self, logged: Mapping[str, int]) -> None:
        """A batch has added so many frames to the logs of these stations."""
        for station, count in logged.items():
            self._added[station] = self._added.get(station, self._every) + count

    @property
    def _every(self) -> int:
        return max(1, self._keep // 10)

    def trim(self, connection: Connection, most: int = 200) -> None:
        """Shorten the logs that are due, at most so many in one go."""
        due = sorted(station for station, added in self._added.items() if added >= self._every)[:most]
        for station in due:
            trim(connection, frames, {"station": station}, self._keep)
            self._added[station] = 0


def hide(data: bytes) -> bytes:
    """One of our calls without the passwords in it."""
    return msgspec.json.encode(_hidden(msgspec.json.decode(data)))


def _hidden(value: Any) -> Any:
    if isinstance(value, list):
        return [_hidden(part) for part in value]
    if isinstance(value, str):
        return re.sub(r"://[^/@\s]+@", f"://{_HIDDEN}@", value)
    if not isinstance(value, dict):
        return value
    variable = value.get("variable")
    secret = isinstance(variable, dict) and "password" in str(variable.get("name")).lower()
    return {
        name: _HIDDEN
        if "password" in name.lower() or name == "key" or (secret and name == "attributeValue")
        else _hidden(part)
        for name, part in value.items()
    }
