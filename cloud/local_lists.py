"""Local authorization lists (OCPP 2.0.1, D01): whom stations let in though we cannot be asked.

Every change of a token has a number of its own, its revision. A station's list has the version n when the station knows
all changes up to n; so what it lacks are the changes after n, in their order, and any first part of them is an update
whose version is the revision of its last change. A list that does not fit into one message is sent in several, and one
that was interrupted goes on where it was. When a station says VersionMismatch or Failed, it gets all of it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Annotated, Any, NamedTuple

import msgspec
from sqlalchemy import Connection, Row, Select, func, or_, select, update

from cloud import present
from cloud.domain import status
from cloud.store.counters import last_number
from cloud.store.queue import queue_call
from cloud.store.registry import CENTRAL, TOKENS
from cloud.store.tables import id_token_removals, id_tokens, local_lists, station_variables, stations
from cloud.store.upsert import insert_into
from cloud.unit import Unit

ACTION = "SendLocalList"
#: How long a station has to answer.
ANSWER_WITHIN = timedelta(seconds=30)
#: Pause after a first failure; it doubles up to SELDOM.
FIRST_PAUSE = timedelta(seconds=30)
SELDOM = timedelta(hours=6)
#: Tokens and bytes in one message to a station that has not told how much it takes.
ITEMS, BYTES = 100, 60_000
#: At most so many stations are looked at in one go.
_MOST = 100


class Tokens(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """local_lists: stations are sent the tokens that they may let in while the link is down.

    local_list_max: the most tokens in one list; where there are more, those that are Accepted go first. A station that
    tells that it keeps fewer gets fewer. master_pass_group: whose tokens may stop every session (C16); empty for none.
    """

    local_lists: bool = True
    local_list_max: Annotated[int, msgspec.Meta(ge=1, le=100_000)] = 10_000
    master_pass_group: Annotated[str, msgspec.Meta(max_length=36)] = ""


NO_LISTS = Tokens(local_lists=False)


class _Change(NamedTuple):
    """status: None for a token that is to be taken out."""

    id_token: str
    type: str
    status: str | None
    expires_at: datetime | None
    group_id: str | None
    revision: int


def push(unit: Unit, settings: Tokens) -> None:
    """Queue the next message for each station that is online and lacks something."""
    revision = last_number(unit.connection, TOKENS)
    if revision == 0:
        return
    found = unit.connection.scalars(_lacking(unit, revision).limit(_MOST)).all()
    unit.load_stations(found)
    # Once more, now that nobody else may serve them too.
    for station in unit.connection.scalars(_lacking(unit, revision).where(stations.c.id.in_(found))).all():
        _send(unit, station, revision, settings)


def answered(unit: Unit, call: Row[Any], state: str, response: dict[str, Any] | None) -> None:
    """A call of ours came to its end. state: answered, error or timeout."""
    row = unit.connection.execute(select(local_lists).where(local_lists.c.call == call.id)).first()
    if row is None:
        return  # an operator's own
    word = (response or {}).get("status", "") if state == "answered" else state
    values: dict[str, Any] = {"call": None, "sending": None, "status": word, "changed_at": unit.now}
    if word == "Accepted":
        values |= {"version": row.sending, "whole": False, "failures": 0, "retry_at": None}
    else:
        # A list that the station keeps under another number is replaced at once, the first time.
        at_once = word == "VersionMismatch" and row.failures == 0
        pause = timedelta(0) if at_once else min(SELDOM, FIRST_PAUSE * 2 ** min(row.failures, 20))
        whole = row.whole or state == "answered"
        values |= {"whole": whole, "failures": row.failures + 1, "retry_at": unit.now + pause}
    unit.connection.execute(update(local_lists).where(local_lists.c.station == row.station).values(**values))


def _lacking(unit: Unit, revision: int) -> Select[Any]:
    silent = timedelta(seconds=status.SILENT_INTERVALS * unit.heartbeat_s)
    lists = local_lists.c
    return (
        select(stations.c.id)
        .outerjoin(local_lists, lists.station == stations.c.id)
        .where(
            stations.c.link_up.is_(True),
            stations.c.seen_at >= unit.now - silent,
            or_(lists.station.is_(None), (lists.version < revision) | lists.whole.is_(True)),
            lists.call.is_(None),
            or_(lists.retry_at.is_(None), lists.retry_at <= unit.now),
        )
        .order_by(stations.c.id)
    )


def _send(unit: Unit, station: str, revision: int, settings: Tokens) -> None:
    connection = unit.connection
    row = connection.execute(select(local_lists).where(local_lists.c.station == station)).first()
    limits = _limits(connection, station)
    capacity = min(settings.local_list_max, limits.get("Entries", settings.local_list_max))
    listed = select(func.count()).select_from(id_tokens).where(id_tokens.c.type != CENTRAL)
    bounded = (connection.scalar(listed) or 0) > capacity
    # A list that lacks some cannot be brought up to date by changes: one that goes makes room for one that never came.
    whole = row is None or row.whole or (bounded if row.bounded_at is None else row.version >= row.bounded_at)
    after = 0 if whole or row is None else row.version
    bounded_at = revision if row is None or row.bounded_at is None else row.bounded_at
    changes = _changes(connection, after, capacity if bounded else None, bounded_at, whole=whole)
    entries, last, all_of_it = _part(
        changes, limits.get("ItemsPerMessage", ITEMS), limits.get("BytesPerMessage", BYTES), unit.now
    )
    version = revision if all_of_it else last
    payload: dict[str, Any] = {"versionNumber": version, "updateType": "Full" if whole else "Differential"}
    if entries:
        payload["localAuthorizationList"] = entries
    call = queue_call(
        connection,
        station,
        ACTION,
        msgspec.json.encode(payload),
        now=unit.now,
        expires_at=unit.now + ANSWER_WITHIN,
    )
    values: dict[str, Any] = {"sending": version, "call": call, "whole": whole, "changed_at": unit.now}
    if whole:
        values["bounded_at"] = revision if bounded else None
    statement = insert_into(connection, local_lists).values(station=station, **values)
    connection.execute(statement.on_conflict_do_update(index_elements=["station"], set_=values))


def _changes(
    connection: Connection, after: int, capacity: int | None, bounded_at: int, *, whole: bool
) -> Iterator[_Change]:
    """Changes after a revision, in their order; those that take a token away have no status. whole: only what stays.

    capacity: how many tokens may be in the list, where that is fewer than there are. bounded_at: as in the table.
    """
    columns = id_tokens.c
    listed = columns.type != CENTRAL
    found = select(
        columns.id_token, columns.type, columns.status, columns.expires_at, columns.group_id, columns.revision
    ).where(listed, columns.revision >= after if whole else columns.revision > after)
    out_of_bounds = None
    if capacity is not None:
        first = select(columns.revision).where(listed).order_by(columns.status != "Accepted", columns.revision)
        members = first.limit(capacity).subquery()
        inside = columns.revision.in_(select(members.c.revision))
        # What has dropped out since the first part was made may have been in it.
        out_of_bounds = found.where(~inside, columns.revision > bounded_at)
        found = found.where(inside)
    if whole:
        yield from (_Change(*row) for row in connection.execute(found.order_by(columns.revision)))
        return
    gone = id_token_removals.c
    taken = select(gone.id_token, gone.type, gone.revision).where(gone.revision > after)
    rows = [_Change(*row) for row in connection.execute(found)]
    rows += [_Change(row.id_token, row.type, None, None, None, row.revision) for row in connection.execute(taken)]
    if out_of_bounds is not None:
        outside = connection.execute(out_of_bounds)
        rows += [_Change(row.id_token, row.type, None, None, None, row.revision) for row in outside]
    yield from sorted(rows, key=lambda change: change.revision)


def _part(changes: Iterator[_Change], items: int, size: int, now: datetime) -> tuple[list[Any], int, bool]:
    """As many as one message may hold, the revision of the last, and whether there are no more."""
    entries: list[Any] = []
    last, room = 1, size - 200  # for what is around them
    for change in changes:
        entry = _entry(change, now)
        room -= len(msgspec.json.encode(entry)) + 1
        if entries and (len(entries) >= items or room < 0):
            return entries, last, False
        entries.append(entry)
        last = max(1, change.revision)
    return entries, last, True


def _entry(change: _Change, now: datetime) -> dict[str, Any]:
    entry: dict[str, Any] = {"idToken": {"idToken": change.id_token, "type": change.type}}
    if change.status is None:
        return entry  # without idTokenInfo: it is to be taken out (D01)
    expired = change.status == "Accepted" and change.expires_at is not None and change.expires_at <= now
    info: dict[str, Any] = {"status": "Expired" if expired else change.status}
    if change.expires_at is not None and not expired:
        info["cacheExpiryDateTime"] = present.time(change.expires_at)
    if change.group_id is not None:
        info["groupIdToken"] = {"idToken": change.group_id, "type": CENTRAL}
    return entry | {"idTokenInfo": info}


def _limits(connection: Connection, station: str) -> dict[str, int]:
    """What a station has told of how much it takes."""
    columns = station_variables.c
    query = select(columns.variable, columns.value, columns.max_limit).where(
        columns.station == station,
        columns.component == "LocalAuthListCtrlr",
        columns.variable.in_(("ItemsPerMessage", "BytesPerMessage", "Entries")),
        columns.attribute == "Actual",
    )
    told: dict[str, int] = {}
    for variable, value, most in connection.execute(query):
        number = most if variable == "Entries" else value
        try:
            limit = int(float(number))
        except (TypeError, ValueError, OverflowError):
            continue
        if limit >= 1:
            told[variable] = limit
    return told
