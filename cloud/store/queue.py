"""Writes down a call for a station. A worker sends it: `cloud.outgoing`."""

from __future__ import annotations

import uuid
from datetime import datetime

from sqlalchemy import Connection, insert

from cloud.store.tables import calls


def queue_call(
    connection: Connection,
    station: str,
    action: str,
    payload: bytes,
    *,
    now: datetime,
    expires_at: datetime,
    session: str | None = None,
) -> str:
    """Queue a call and answer its id. payload: JSON. session: the id of the session that it is about."""
    call = str(uuid.uuid4())
    connection.execute(
        insert(calls).values(
            id=call,
            station=station,
            action=action,
            payload=payload,
            session=session,
            state="queued",
            created_at=now,
            expires_at=expires_at,
        )
    )
    return call
