"""Reports of stations, which come in parts, in any order: NotifyReport, NotifyMonitoringReport, ReportChargingProfiles.

Each part is kept as it comes, marked with its report. When a report that tells all that there is has come whole, what
only older reports told is gone. A later call with the same requestId makes another report.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Table, case, delete, func, insert, select, update

from cloud.domain.sequence import Sequence as Numbers
from cloud.store.tables import PLACE, calls, reports, station_monitors, station_profiles, station_variables
from cloud.store.upsert import insert_into
from protocol.errors import ProtocolError

#: Rows that one station may have in one of the tables, and reports of it that are remembered.
MAX_ROWS = 20_000
MAX_REPORTS = 20
#: So many of the last calls to a station are looked through for the one that asked for a report.
_CALLS = 50

_KEYS = {
    station_variables: [*PLACE, "attribute"],
    station_monitors: ["station", "monitor"],
    station_profiles: ["station", "profile", "evse"],
}


class _Parts(msgspec.Struct, omit_defaults=True):
    """Which parts have come. end: the number of the last one, -1 while that is not known."""

    last: int = -1
    missing: tuple[tuple[int, int], ...] = ()
    end: int = -1


class Part(msgspec.Struct, frozen=True):
    """One message of a report. seq_no: None for the report that does not number its parts. more: another one follows.

    asked_by: the calls that ask for such a report. is_whole: whether one, by its payload, asks for all.
    """

    kind: str
    request_id: int
    seq_no: int | None
    more: bool
    asked_by: tuple[str, ...]
    is_whole: Callable[[Mapping[str, Any]], bool]


def take(
    connection: Connection, now: datetime, station: str, part: Part, table: Table, rows: Sequence[Mapping[str, Any]]
) -> None:
    """Keep the rows of one part. Raises ProtocolError, before it has written anything, for more than a station has."""
    _check_room(connection, station, table, rows)
    no, parts, whole = _open(connection, now, station, part)
    if part.seq_no is None:
        complete = not part.more
    else:
        try:
            _, numbers = Numbers(parts.last, parts.missing).arrive(part.seq_no)
        except ValueError as error:
            raise ProtocolError("PropertyConstraintViolation", str(error)) from error
        parts = _Parts(numbers.last, numbers.missing, parts.end if part.more else part.seq_no)
        complete = 0 <= parts.end <= numbers.last and numbers.complete
    if rows:
        _put(connection, table, [{**row, "station": station, "report": no, "at": now} for row in rows])
    values = {"complete": complete, "at": now, "parts": msgspec.json.encode(parts)}
    connection.execute(update(reports).where(reports.c.no == no).values(values))
    if complete and whole:
        connection.execute(delete(table).where(table.c.station == station, table.c.report < no))


def _check_room(connection: Connection, station: str, table: Table, rows: Sequence[Mapping[str, Any]]) -> None:
    known = connection.scalar(select(func.count()).select_from(table).where(table.c.station == station)) or 0
    if known + len(rows) > 2 * MAX_ROWS or len(rows) > MAX_ROWS:
        raise ProtocolError("PropertyConstraintViolation", f"no station has more than {MAX_ROWS} of these")


def _open(connection: Connection, now: datetime, station: str, part: Part) -> tuple[int, _Parts, bool]:
    call, whole = _asked(connection, station, part)
    mine: ColumnElement[bool] = (
        (reports.c.station == station)
        & (reports.c.kind == part.kind)
        & (reports.c.request_id == part.request_id)
        & (reports.c.call == call)
    )
    row = connection.execute(select(reports).where(mine)).first()
    if row is not None:
        return row.no, msgspec.json.decode(row.parts, type=_Parts) if row.parts else _Parts(), row.whole
    values = {"station": station, "kind": part.kind, "request_id": part.request_id, "call": call, "whole": whole}
    no = connection.execute(insert(reports).values(**values, at=now).returning(reports.c.no)).scalar_one()
    of_station = reports.c.station == station
    old = select(reports.c.no).where(of_station).order_by(reports.c.no.desc()).limit(1).offset(MAX_REPORTS)
    connection.execute(delete(reports).where(of_station, reports.c.no <= old.scalar_subquery()))
    return no, _Parts(), whole


def _asked(connection: Connection, station: str, part: Part) -> tuple[int, bool]:
    """The number of the call that asked for this report, 0 when there is none, and whether it asked for all."""
    asked = select(calls.c.no, calls.c.payload).where(calls.c.station == station, calls.c.action.in_(part.asked_by))
    for row in connection.execute(asked.order_by(calls.c.no.desc()).limit(_CALLS)):
        payload = msgspec.json.decode(row.payload)
        if payload.get("requestId") == part.request_id:
            return row.no, part.is_whole(payload)
    return 0, False


def _put(connection: Connection, table: Table, rows: list[dict[str, Any]]) -> None:
    keys = _KEYS[table]
    # The same thing twice in one statement would be an error: the last one counts.
    rows = list({tuple(row[key] for key in keys): row for row in rows}.values())
    statement = insert_into(connection, table)
    told = {name: statement.excluded[name] for name in rows[0] if name not in keys}
    # A part of an older report that was overtaken must not make a newer one's rows look old.
    told["report"] = case((table.c.report > statement.excluded.report, table.c.report), else_=statement.excluded.report)
    connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=told), rows)
