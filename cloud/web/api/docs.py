"""The API's description: OpenAPI at /api/openapi.json, pages to read and try it at /api/docs, both offline."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import offapi
from flask import Blueprint, Response, redirect, render_template, send_from_directory

from cloud.web.api.endpoint import spec
from cloud.web.problems import MEDIA_TYPE

# spectree leaves out endpoints whose name begins so: a description does not describe itself.
blueprint = Blueprint("openapi", __name__)

_FILES = Path(offapi.__file__).parent

#: Served by asgi.py and not by Flask, so it is written down here.
_EVENTS = {
    "summary": "What changes, while it changes",
    "description": (
        "Server-Sent Events. `evse`: the station (as in GET /api/v1/stations) one of whose EVSEs changed. `session`: "
        "the session that changed. `command`: how a call went. `notification`: something that you are told, as in "
        "GET /api/v1/me/notifications; nobody gets those of others. Operators get all else; drivers get their own "
        "sessions and, of stations, the public fields without `session_id`. A line of comment comes every 15 "
        "seconds. A client that reads too slowly is disconnected: connect again, and read what you show afresh."
    ),
    "operationId": "get_events",
    "tags": ["Events"],
    "security": [{"bearer": []}, {"cookie": []}],
    "parameters": [],
    "responses": {
        "200": {"description": "OK", "content": {"text/event-stream": {"schema": {"type": "string"}}}},
        "401": {"description": "Unauthorized"},
    },
}


@blueprint.get("/openapi.json")
def get_description() -> dict[str, Any]:
    return _description()


@blueprint.get("/docs")
def get_docs() -> str:
    return render_template("docs.html")


@blueprint.get("/docs/")
def get_docs_again() -> Any:
    return redirect("/api/docs")


@blueprint.get("/docs/<any('swagger_bundle.js', 'swagger_style.css'):name>")
def get_docs_file(name: str) -> Response:
    """Swagger UI, which comes in the offapi wheel."""
    return send_from_directory(_FILES, name)


@cache
def _description() -> dict[str, Any]:
    description: dict[str, Any] = spec.spec
    for path in description["paths"].values():
        for operation in path.values():
            for status, answer in operation["responses"].items():
                content = answer.get("content", {})
                if int(status) >= 400 and "application/json" in content:
                    content[MEDIA_TYPE] = content.pop("application/json")
    text = {"schema": {"type": "string"}}
    for exported in ("sessions", "id-tokens"):
        description["paths"][f"/api/v1/{exported}"]["get"]["responses"]["200"]["content"]["text/csv"] = text
    for taken in ("id-tokens", "id-tokens/import"):
        body = description["paths"][f"/api/v1/{taken}"]["post"].setdefault("requestBody", {"content": {}})
        body["content"]["text/csv"] = text
    description["paths"]["/api/v1/events"] = {"get": _EVENTS}
    return description
