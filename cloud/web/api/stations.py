"""Stations: looking at them, registering one, removing one."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from cloud import present
from cloud.store.registry import ConnectorSpec, EvseSpec
from cloud.web import visible
from cloud.web.api.credentials import credentials
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import NewStation, ProblemDetails, Provisioned, Station, StationList
from cloud.web.auth import ADMIN
from cloud.web.login import require
from cloud.web.problems import not_found
from cloud.web.services import services

blueprint = Blueprint("stations", __name__)


@blueprint.get("/stations")
@endpoint("Stations", {200: StationList})
def get_stations() -> dict[str, Any]:
    """All stations, by id. Drivers see their public fields."""
    return {"stations": _shown(None), "next": None}


@blueprint.get("/stations/<station>")
@endpoint("Stations", {200: Station, 404: ProblemDetails})
def get_station(station: str) -> dict[str, Any]:
    """One station. Drivers see its public fields."""
    shown = _shown([station])
    return shown[0] if shown else not_found(f"station {station[:60]}")


@blueprint.post("/stations")
@endpoint("Stations", {201: Provisioned, 409: ProblemDetails, 503: ProblemDetails}, role=ADMIN, body=NewStation)
def post_station(body: NewStation) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Register a station, and make its account at the broker.

    Its password is answered this once; only a hash of it is kept. 503 when the broker cannot be asked: then nothing is
    registered.
    """
    layout = [
        EvseSpec(evse.number, tuple(ConnectorSpec(**connector.model_dump()) for connector in evse.connectors))
        for evse in body.evses
    ]
    password = services().registrar.add_station(body.id, layout)
    return credentials("station", body.id, password), 201, {"Location": f"/api/v1/stations/{body.id}"}


@blueprint.post("/stations/<station>/credentials")
@endpoint("Stations", {200: Provisioned, 404: ProblemDetails, 503: ProblemDetails}, role=ADMIN)
def post_station_credentials(station: str) -> dict[str, Any]:
    """Give a station a new password. The old one is worthless at once; the station's link is cut."""
    return credentials("station", station, services().registrar.renew("station", station))


@blueprint.delete("/stations/<station>")
@endpoint("Stations", {204: None, 404: ProblemDetails, 409: ProblemDetails}, role=ADMIN)
def delete_station(station: str) -> tuple[str, int]:
    """Remove a station and cut its link. Its sessions are kept. 409 while one is open."""
    services().registrar.remove_station(station)
    return "", 204


def _shown(ids: list[str] | None) -> list[present.Json]:
    """Stations as the one who asks may see them."""
    ours, person = services(), require("driver")
    with ours.store.read() as connection:
        shown = present.station_list(connection, ours.now(), ours.heartbeat_s, ids)
        if person.is_operator:
            return shown
        own = visible.open_sessions(connection, person)
    return [visible.station(station, own) for station in shown]
