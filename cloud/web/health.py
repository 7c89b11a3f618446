"""/healthz, /readyz and /metrics: for whoever watches the process, without a login and without a prefix."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, current_app

from cloud.web.metrics import Metrics
from cloud.web.services import OK, services

health = Blueprint("health", __name__)


@health.get("/healthz")
def healthz() -> dict[str, Any]:
    """The process answers."""
    return {"status": OK}


@health.get("/readyz")
def readyz() -> tuple[dict[str, Any], int]:
    """It can do its work: every part that it needs is there, else 503 with what is wrong."""
    parts = dict(services().parts())
    ready = all(state == OK for state in parts.values())
    return {"status": OK if ready else "unavailable", "parts": parts}, 200 if ready else 503


@health.get("/metrics")
def metrics() -> Response:
    shown: Metrics = current_app.extensions["colonnina_metrics"]
    return shown.page()
