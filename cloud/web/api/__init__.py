"""The HTTP API: one module per resource. `endpoint.py` is how a resource says what it takes and what it gives."""

from __future__ import annotations

from flask import Blueprint

from cloud.web.api import (
    audit,
    calls,
    controllers,
    docs,
    drivers,
    evses,
    id_tokens,
    me,
    samples,
    sessions,
    sites,
    stations,
    tariffs,
    tokens,
    told,
)

api = Blueprint("api", __name__, url_prefix="/api")
for part in (
    tokens,
    stations,
    evses,
    sessions,
    samples,
    calls,
    told,
    me,
    controllers,
    id_tokens,
    audit,
    tariffs,
    sites,
    drivers,
):
    api.register_blueprint(part.blueprint, url_prefix="/v1")
api.register_blueprint(docs.blueprint)
