"""Errors as RFC 9457 problem details for programs, and as a page for people."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, NoReturn

import msgspec
from flask import Flask, Response, render_template, request
from werkzeug.exceptions import HTTPException

from cloud.accounts.port import AccountError, ForeignAccountError
from cloud.errors import ConflictError, NotFoundError
from protocol.errors import ProtocolError
from protocol.topics import StationIdError

MEDIA_TYPE = "application/problem+json"


class Problem(HTTPException):
    """An HTTP error. status: the code. detail: for people. reason: one word for programs. members: more of the body."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.code = status
        self.reason = reason
        self.members = members
        self.headers = dict(headers or {})


def body(status: int, detail: str, reason: str | None = None, **members: Any) -> dict[str, Any]:
    """The members of a problem. `type` is left out: about:blank, so `title` is the status's own name."""
    result: dict[str, Any] = {"title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    if reason is not None:
        result["reason"] = reason
    return result | members


def install(app: Flask) -> None:
    """Answer every error of this application in one of the two ways."""
    app.register_error_handler(HTTPException, _http)
    app.register_error_handler(ConflictError, _conflict)
    app.register_error_handler(NotFoundError, _not_found)
    app.register_error_handler(ProtocolError, _protocol)
    app.register_error_handler(StationIdError, _station_id)
    app.register_error_handler(AccountError, _account)


def wants_page() -> bool:
    """Whether a person's browser asks for a page, rather than a program for data."""
    return not request.path.startswith("/api/") and request.accept_mimetypes.accept_html


def _http(error: HTTPException) -> Response:
    if error.code is None or error.code < 400:
        return _answer_of(error)
    reason = error.reason if isinstance(error, Problem) else None
    members = error.members if isinstance(error, Problem) else {}
    response = _answer(error.code, error.description or "", reason, **members)
    given = error.headers if isinstance(error, Problem) else dict(error.get_headers())
    for name, value in given.items():
        if name.lower() not in ("content-type", "content-length"):
            response.headers[name] = value
    return response


def _answer_of(error: HTTPException) -> Response:
    """A redirect that Werkzeug raises, such as to the address with its slash."""
    response = error.get_response()
    return Response(response.get_data(), response.status_code, dict(response.headers))


def _conflict(error: ConflictError) -> Response:
    return _answer(409, str(error), error.reason)


def _not_found(error: NotFoundError) -> Response:
    return _answer(404, str(error))


def _protocol(error: ProtocolError) -> Response:
    return _answer(404 if error.code == "NotImplemented" else 422, error.description, error.code)


def _station_id(error: StationIdError) -> Response:
    return _answer(422, str(error))


def _account(error: AccountError) -> Response:
    if isinstance(error, ForeignAccountError):
        return _answer(409, str(error), "reserved")
    return _answer(503, f"nothing was changed for good: {error}", "broker")


def _answer(status: int, detail: str, reason: str | None = None, **members: Any) -> Response:
    if wants_page():
        page = render_template("error.html", status=status, title=HTTPStatus(status).phrase, detail=detail)
        return Response(page, status)
    encoded = msgspec.json.encode(body(status, detail, reason, **members))
    return Response(encoded, status, content_type=MEDIA_TYPE)


def not_found(what: str) -> NoReturn:
    """There is no such thing, or the one who asks may not know of it."""
    raise Problem(404, f"no {what}")
