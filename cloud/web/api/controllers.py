"""Local Controllers: looking at them, registering one, removing one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from sqlalchemy import select

from cloud.present import time
from cloud.store.tables import controller_stations, controllers
from cloud.web.api.admin_models import Controller, ControllerList, NewController
from cloud.web.api.credentials import credentials
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import ProblemDetails, Provisioned
from cloud.web.auth import ADMIN, OPERATOR
from cloud.web.problems import not_found
from cloud.web.services import services

blueprint = Blueprint("controllers", __name__)

_MISSING = {404: ProblemDetails}
_AWAY = {503: ProblemDetails}


@blueprint.get("/controllers")
@endpoint("Controllers", {200: ControllerList}, role=OPERATOR)
def get_controllers() -> dict[str, Any]:
    """All Local Controllers, by id, with the stations behind them."""
    return {"controllers": _shown(), "next": None}


@blueprint.get("/controllers/<controller>")
@endpoint("Controllers", {200: Controller, **_MISSING}, role=OPERATOR)
def get_controller(controller: str) -> dict[str, Any]:
    """One Local Controller."""
    shown = _shown(controller)
    return shown[0] if shown else not_found(f"controller {controller[:60]}")


@blueprint.post("/controllers")
@endpoint("Controllers", {201: Provisioned, 409: ProblemDetails, **_MISSING, **_AWAY}, role=ADMIN, body=NewController)
def post_controller(body: NewController) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Register a Local Controller, and make its account at the broker.

    It may speak for itself and for the stations behind it. Its password is answered this once.
    """
    password = services().registrar.add_controller(body.id, body.stations, body.name)
    return credentials("controller", body.id, password), 201, {"Location": f"/api/v1/controllers/{body.id}"}


@blueprint.post("/controllers/<controller>/credentials")
@endpoint("Controllers", {200: Provisioned, **_MISSING, **_AWAY}, role=ADMIN)
def post_controller_credentials(controller: str) -> dict[str, Any]:
    """Give a Local Controller a new password. The old one is worthless at once; its link is cut."""
    return credentials("controller", controller, services().registrar.renew("controller", controller))


@blueprint.delete("/controllers/<controller>")
@endpoint("Controllers", {204: None, **_MISSING}, role=ADMIN)
def delete_controller(controller: str) -> tuple[str, int]:
    """Remove a Local Controller and cut its link. The stations behind it stay registered."""
    services().registrar.remove_controller(controller)
    return "", 204


def _shown(only: str | None = None) -> list[dict[str, Any]]:
    query = select(controllers).order_by(controllers.c.id)
    with services().store.read() as connection:
        rows = connection.execute(query if only is None else query.where(controllers.c.id == only)).all()
        behind: dict[str, list[str]] = {}
        for station, controller in connection.execute(select(controller_stations).order_by("station")):
            behind.setdefault(controller, []).append(station)
    return [
        {
            "id": row.id,
            "name": row.name,
            "stations": behind.get(row.id, []),
            "registered_at": time(row.registered_at),
        }
        for row in rows
    ]
