"""Authorize (OCPP 2.0.1, C01): may the holder of this id token charge?"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from cloud.store.tables import id_tokens
from cloud.unit import Unit


def handle(unit: Unit, station: str, request: Any, payload: bytes) -> Mapping[str, Any]:
    return {"idTokenInfo": token_info(unit.connection, request.id_token, unit.now)}


def token_info(connection: Connection, id_token: Any, now: datetime) -> dict[str, Any]:
    """The IdTokenInfoType of a token. Tokens are compared without regard to case (OCPP 2.0.1, IdTokenType)."""
    row = connection.execute(
        select(id_tokens).where(
            id_tokens.c.id_token.in_({id_token.id_token, id_token.id_token.upper()}), id_tokens.c.type == id_token.type
        )
    ).first()
    if row is None:
        return {"status": "Unknown"}
    if row.status == "Accepted" and row.expires_at is not None and row.expires_at <= now:
        return {"status": "Expired"}
    info: dict[str, Any] = {"status": row.status}
    if row.group_id is not None:
        info["groupIdToken"] = {"idToken": row.group_id, "type": "Central"}
    return info
