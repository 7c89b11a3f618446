"""Id tokens: who may charge. One by one, and as a file."""

from __future__ import annotations

from functools import wraps
from typing import Any

from flask import Blueprint, Response, request
from sqlalchemy import Connection, Row, Select, select, tuple_

from cloud import cards, present
from cloud.cards import FileError, Read
from cloud.domain import tokens
from cloud.domain.tokens import TokenError
from cloud.errors import ConflictError
from cloud.store.registry import find_user, put_id_token, remove_id_token
from cloud.store.tables import id_tokens, users
from cloud.web.api import table
from cloud.web.api.admin_models import (
    IdToken,
    IdTokenChange,
    IdTokenList,
    IdTokenQuery,
    Imported,
    ImportQuery,
    NewIdToken,
    TypeQuery,
)
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import ProblemDetails
from cloud.web.auth import OPERATOR
from cloud.web.problems import Problem, not_found
from cloud.web.services import services

blueprint = Blueprint("id_tokens", __name__)

_LIMIT, _SHOWN = 100, 1_000
_TABLES = ("text/csv", "text/tab-separated-values", "text/plain", "application/vnd.ms-excel")
_COLUMNS = ("id_token", "type", "status", "driver", "expires_at", "group")
_MISSING = {404: ProblemDetails, 409: ProblemDetails}


@blueprint.get("/id-tokens")
@endpoint("Id tokens", {200: IdTokenList}, role=OPERATOR, query=IdTokenQuery)
def get_id_tokens(query: IdTokenQuery) -> dict[str, Any] | Response:
    """Id tokens, in their order. `Accept: text/csv` exports, with drivers by e-mail, as `POST` takes it."""
    ours = services()
    with ours.store.read() as connection:
        wanted = _wanted(connection, query)
        if request.accept_mimetypes.best_match(["application/json", "text/csv"]) == "text/csv":
            rows = list(connection.execute(wanted if query.limit is None else wanted.limit(query.limit)))
            return table.file("id-tokens.csv", _COLUMNS, [_line(row) for row in rows])
        limit = query.limit or _LIMIT
        rows = list(connection.execute(wanted.limit(limit + 1)))
    more = len(rows) > limit
    return {
        "id_tokens": [_shown(row) for row in rows[:limit]],
        "next": f"{rows[limit - 1].id_token}/{rows[limit - 1].type}" if more else None,
    }


@blueprint.get("/id-tokens/<id_token>")
@endpoint("Id tokens", {200: IdToken, **_MISSING}, role=OPERATOR, query=TypeQuery)
def get_id_token(id_token: str, query: TypeQuery) -> dict[str, Any]:
    """One id token. 409 where tokens of several types have this name: say which with `type`."""
    with services().store.read() as connection:
        return _shown(_find(connection, id_token, query.type))


@endpoint("Id tokens", {201: IdToken, 409: ProblemDetails}, role=OPERATOR, body=NewIdToken)
def post_id_token(body: NewIdToken) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Add an id token. With `Content-Type: text/csv` this is `POST /id-tokens/import`."""
    try:
        id_token = tokens.normal(body.id_token, body.type)
    except TokenError as error:
        raise Problem(422, str(error), reason="invalid") from error
    with services().store.write() as connection:
        key = (id_tokens.c.id_token == id_token) & (id_tokens.c.type == body.type)
        if connection.execute(select(id_tokens.c.type).where(key)).first() is not None:
            raise ConflictError("exists", f"there is a token {id_token} already")
        put_id_token(connection, id_token, body.type, **_changed(connection, body))
        shown = _shown(_find(connection, id_token, body.type))
    return shown, 201, {"Location": f"/api/v1/id-tokens/{id_token}?type={body.type}"}


@blueprint.patch("/id-tokens/<id_token>")
@endpoint("Id tokens", {200: IdToken, **_MISSING}, role=OPERATOR, query=TypeQuery, body=IdTokenChange)
def patch_id_token(id_token: str, query: TypeQuery, body: IdTokenChange) -> dict[str, Any]:
    """Change what is given of an id token. Stations that keep local lists are told within seconds."""
    with services().store.write() as connection:
        row = _find(connection, id_token, query.type)
        columns = _changed(connection, body)
        if columns:
            put_id_token(connection, row.id_token, row.type, **columns)
        return _shown(_find(connection, row.id_token, row.type))


@blueprint.delete("/id-tokens/<id_token>")
@endpoint("Id tokens", {204: None, **_MISSING}, role=OPERATOR, query=TypeQuery)
def delete_id_token(id_token: str, query: TypeQuery) -> tuple[str, int]:
    """Remove an id token: it is unknown from now on. Sessions keep its name."""
    with services().store.write() as connection:
        row = _find(connection, id_token, query.type)
        remove_id_token(connection, row.id_token, row.type)
    return "", 204


@blueprint.post("/id-tokens/import")
@endpoint("Id tokens", {200: Imported, 422: ProblemDetails}, role=OPERATOR, query=ImportQuery)
def import_id_tokens(query: ImportQuery) -> dict[str, Any]:
    """Add and change id tokens from a CSV file (or TSV, or a JSON list): all of them, or none when one row is bad.

    The body is the file. Its columns are id_token and, as wanted, type, status, driver (e-mail or id), expires_at and
    group; other names for them in English and Italian are understood, and a file without a header, too. A column that
    is missing, or a cell that is empty, changes nothing. `dry_run=true` tells what would change, and every bad row.
    """
    data = request.get_data()
    with services().store.write() as connection:
        try:
            read = cards.read(connection, data, query.encoding)
        except FileError as error:
            raise Problem(422, str(error), reason="file") from error
        if read.faults and not query.dry_run:
            errors = [{"field": f"line {line}", "message": why} for line, why in read.faults[:_SHOWN]]
            detail = (
                f"{len(read.faults)} rows are bad, so nothing was written; line {read.faults[0][0]}: "
                + (read.faults[0][1])
            )
            raise Problem(422, detail, reason="rows", errors=errors)
        if not query.dry_run:
            cards.write(connection, read.cards)
    return _imported(read, applied=not query.dry_run)


@blueprint.post("/id-tokens")
@wraps(post_id_token)
def post_either() -> Any:
    return import_id_tokens() if request.mimetype in _TABLES else post_id_token()


def _imported(read: Read, *, applied: bool) -> dict[str, Any]:
    return {
        "applied": applied,
        **{change: read.count(change) for change in ("added", "changed", "same")},
        "columns": read.taken,
        "encoding": read.encoding,
        "rows": [
            {"line": card.line, "id_token": card.id_token, "type": card.type, "change": card.change}
            for card in read.cards[:_SHOWN]
        ],
        "faults": [{"line": line, "reason": why} for line, why in read.faults[:_SHOWN]],
    }


def _wanted(connection: Connection, query: IdTokenQuery) -> Select[Any]:
    columns = id_tokens.c
    wanted = select(id_tokens, users.c.email).outerjoin(users, users.c.id == columns.driver)
    if query.type is not None:
        wanted = wanted.where(columns.type.in_(query.type))
    if query.status is not None:
        wanted = wanted.where(columns.status.in_(query.status))
    if query.group is not None:
        wanted = wanted.where(columns.group_id == query.group)
    if query.driver is not None:
        wanted = wanted.where(columns.driver == (find_user(connection, query.driver) or ""))
    if query.cursor is not None:
        last, _, kind = query.cursor.rpartition("/")
        wanted = wanted.where(tuple_(columns.id_token, columns.type) > tuple_(last, kind))
    return wanted.order_by(columns.id_token, columns.type)


def _find(connection: Connection, id_token: str, kind: str | None) -> Row[Any]:
    """Raises Problem 404, or ConflictError when the type must be said."""
    query = select(id_tokens).where(id_tokens.c.id_token.in_({id_token, id_token.upper()}))
    rows = connection.execute(query if kind is None else query.where(id_tokens.c.type == kind)).all()
    if not rows:
        not_found(f"id token {id_token[:60]}")
    if len(rows) > 1:
        kinds = ", ".join(sorted(row.type for row in rows))
        raise ConflictError("ambiguous", f"there are several of that name: say which type, {kinds}")
    return rows[0]


def _changed(connection: Connection, body: NewIdToken | IdTokenChange) -> dict[str, Any]:
    """The columns that a body tells. Raises Problem 422 for a driver that nobody is, or a status that is null."""
    given = body.model_fields_set
    columns: dict[str, Any] = {}
    if "status" in given:
        if body.status is None:
            raise Problem(422, "status: a token has one", reason="invalid")
        columns["status"] = body.status
    if "driver" in given:
        columns["driver"] = None if body.driver is None else find_user(connection, body.driver)
        if body.driver is not None and columns["driver"] is None:
            raise Problem(422, f"driver: there is no user {body.driver[:80]}", reason="invalid")
    if "expires_at" in given:
        columns["expires_at"] = body.expires_at
    if "group" in given:
        columns["group_id"] = body.group
    return columns


def _shown(row: Row[Any]) -> dict[str, Any]:
    master = services().master_pass_group
    return {
        "id_token": row.id_token,
        "type": row.type,
        "status": row.status,
        "driver": row.driver,
        "expires_at": present.time(row.expires_at),
        "group": row.group_id,
        "master_pass": row.group_id is not None and row.group_id == master,
    }


def _line(row: Row[Any]) -> dict[str, Any]:
    return _shown(row) | {"driver": row.email}
