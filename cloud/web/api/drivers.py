"""Drivers: people who charge, with their id tokens."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

from flask import Blueprint
from sqlalchemy import Connection, Row, Select, select

from cloud.domain import tokens
from cloud.domain.tokens import TokenError
from cloud.errors import ConflictError
from cloud.present import time
from cloud.store.registry import CENTRAL, add_user, put_id_token
from cloud.store.tables import id_tokens, users
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import ProblemDetails
from cloud.web.api.money_models import Driver, DriverAdded, DriverList, KeyQuery, NewDriver, next_of
from cloud.web.auth import DRIVER, OPERATOR
from cloud.web.problems import Problem, not_found
from cloud.web.services import services

blueprint = Blueprint("drivers", __name__)

_LIMIT = 100


@blueprint.get("/drivers")
@endpoint("Drivers", {200: DriverList}, role=OPERATOR, query=KeyQuery)
def get_drivers(query: KeyQuery) -> dict[str, Any]:
    """Drivers, in the order in which they were added."""
    limit = query.limit or _LIMIT
    wanted = _drivers().limit(limit + 1)
    if query.cursor is not None:
        wanted = wanted.where(users.c.id > query.cursor)
    with services().store.read() as connection:
        found = _shown(connection, connection.execute(wanted).all())
    part, cursor = next_of(found, limit)
    return {"drivers": part, "next": cursor}


@blueprint.get("/drivers/<driver>")
@endpoint("Drivers", {200: Driver, 404: ProblemDetails}, role=OPERATOR)
def get_driver(driver: str) -> dict[str, Any]:
    """One driver."""
    with services().store.read() as connection:
        found = _shown(connection, connection.execute(_drivers().where(users.c.id == driver)).all())
    return found[0] if found else not_found(f"driver {driver[:60]}")


@blueprint.post("/drivers")
@endpoint("Drivers", {201: DriverAdded, 409: ProblemDetails}, role=OPERATOR, body=NewDriver)
def post_driver(body: NewDriver) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Add a driver, who may log in with the password, and charge with the id tokens."""
    ours = services()
    wanted = []
    for number, token in enumerate(body.id_tokens):
        try:
            wanted.append((tokens.normal(token.id_token, token.type), token.type))
        except TokenError as error:
            field = f"id_tokens[{number}].id_token"
            errors = [{"field": field, "message": str(error)}]
            raise Problem(422, f"{field}: {error}", reason="invalid", errors=errors) from error
    password = body.password or secrets.token_urlsafe(12)
    with ours.store.write() as connection:
        key = add_user(connection, body.email, password, DRIVER, ours.now(), name=body.name)
        for id_token, kind in wanted:
            mine = (id_tokens.c.id_token == id_token) & (id_tokens.c.type == kind)
            row = connection.execute(select(id_tokens.c.driver).where(mine)).first()
            if row is not None and row.driver not in (None, key):
                raise ConflictError("token_taken", f"id token {id_token} is another driver's")
            put_id_token(connection, id_token, kind, driver=key)
        [made] = _shown(connection, connection.execute(_drivers().where(users.c.id == key)).all())
    made["password"] = None if body.password else password
    return made, 201, {"Location": f"/api/v1/drivers/{key}"}


def _drivers() -> Select[Any]:
    return select(users).where(users.c.role == DRIVER).order_by(users.c.id)


def _shown(connection: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    """Without the tokens that we made for them ourselves, to start by page."""
    there: dict[str, list[dict[str, str]]] = {row.id: [] for row in rows}
    query = select(id_tokens).where(id_tokens.c.driver.in_(there)).order_by(id_tokens.c.id_token, id_tokens.c.type)
    for token in connection.execute(query):
        if (token.id_token, token.type) != (f"D{token.driver}", CENTRAL):
            there[token.driver].append({"id_token": token.id_token, "type": token.type})
    return [
        {
            "id": row.id,
            "email": row.email,
            "name": row.name,
            "created_at": time(row.created_at),
            "id_tokens": there[row.id],
        }
        for row in rows
    ]
