"""The audit trail, for administrators."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from sqlalchemy import select

from cloud.present import time
from cloud.store.tables import audit
from cloud.web.api.admin_models import AuditQuery, DeedList
from cloud.web.api.endpoint import endpoint
from cloud.web.auth import ADMIN
from cloud.web.services import services

blueprint = Blueprint("audit", __name__)

_LIMIT = 100


@blueprint.get("/audit")
@endpoint("Audit", {200: DeedList}, role=ADMIN, query=AuditQuery)
def get_audit(query: AuditQuery) -> dict[str, Any]:
    """Who did what when, newest first: every request that changes something, and every login."""
    columns = audit.c
    wanted = select(audit).order_by(columns.no.desc())
    for column, value in (
        (columns.person, query.person),
        (columns.action, query.action),
        (columns.target, query.target),
    ):
        if value is not None:
            wanted = wanted.where(column == value)
    if query.start is not None:
        wanted = wanted.where(columns.at >= query.start)
    if query.end is not None:
        wanted = wanted.where(columns.at < query.end)
    if query.cursor is not None:
        wanted = wanted.where(columns.no < query.cursor)
    limit = query.limit or _LIMIT
    with services().store.read() as connection:
        rows = connection.execute(wanted.limit(limit + 1)).all()
    names = ("person", "role", "address", "action", "target", "status", "detail")
    return {
        "audit": [{"at": time(row.at), **{name: row._mapping[name] for name in names}} for row in rows[:limit]],
        "next": str(rows[limit - 1].no) if len(rows) > limit else None,
    }
