"""The audit trail: every request that changes something, and every login, with who, what, when, from where and how it
went. Written after the answer is known; what was sent is kept without its secrets.
"""

from __future__ import annotations

from typing import Any

import msgspec
import structlog
from flask import Flask, Response, g, request
from sqlalchemy import insert
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from cloud.store.tables import audit
from cloud.store.trail import hide
from cloud.web.login import me
from cloud.web.services import services

log = structlog.get_logger(__name__)

_SAFE = ("GET", "HEAD", "OPTIONS", "TRACE")
_LOGINS = ("/api/v1/auth/token", "/login")
#: Of what was sent, characters.
_MOST = 2_000
_HIDDEN = "(hidden)"


def install(app: Flask) -> None:
    """Before the login: a logout has forgotten who it was by the end."""

    @app.before_request
    def remember() -> None:
        if request.method not in _SAFE:
            g.colonnina_who = me()

    @app.after_request
    def note(response: Response) -> Response:
        if request.method not in _SAFE and request.url_rule is not None:
            try:
                _note(response.status_code)
            except SQLAlchemyError as error:
                log.error("a deed is missing from the audit trail", action=_action(), why=str(error))
        return response


def _note(status: int) -> None:
    who = g.get("colonnina_who")
    login = request.path in _LOGINS
    if (who is None and not login) or status == 429:
        return  # nothing was done; and who guesses passwords fast shall not fill the trail
    sent = _sent()
    typed = str(sent.get("email", "")) if login else ""
    row = {
        "at": services().now(),
        "person": who.email if who is not None else typed[:254],
        "role": who.role if who is not None else "",
        "address": (request.remote_addr or "")[:64],
        "action": _action(),
        "target": ", ".join(f"{name}={value}" for name, value in (request.view_args or {}).items())[:300],
        "status": status,
        "detail": "" if login else _detail(sent),
    }
    row = {name: value.replace("\0", "") if isinstance(value, str) else value for name, value in row.items()}
    with services().store.write() as connection:
        connection.execute(insert(audit).values(**row))


def _action() -> str:
    return f"{request.method} {request.url_rule or request.path}"[:80]


def _sent() -> dict[str, Any]:
    """What was sent, where it is fields."""
    try:
        if request.form:
            return dict(request.form.items())
        data = request.get_data()
    except HTTPException:  # it was too much to be read
        return {}
    if not request.is_json or not data:
        return {"bytes": len(data), "content_type": request.mimetype} if data else {}
    try:
        sent = msgspec.json.decode(data)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return {}
    return sent if isinstance(sent, dict) else {}


def _detail(sent: dict[str, Any]) -> str:
    sent = {name: value for name, value in sent.items() if name != "csrf_token"} | dict(request.args.items())
    if sent.get("type") == "KeyCode" and "id_token" in sent:  # what somebody types to be let in
        sent["id_token"] = _HIDDEN
    if not sent:
        return ""
    try:
        text = hide(msgspec.json.encode(sent)).decode()
    except (msgspec.MsgspecError, RecursionError, OverflowError, UnicodeError):
        return ""
    return text[:_MOST]
