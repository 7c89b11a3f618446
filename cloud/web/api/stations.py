"""Stations: looking at them, registering one, removing one."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Blueprint
from sqlalchemy import delete, select

from cloud import present
from cloud.errors import ConflictError
from cloud.store.registry import ConnectorSpec, EvseSpec, add_station
from cloud.store.tables import connectors, sessions, stations
from cloud.web import visible
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import NewStation, ProblemDetails, Provisioned, Station, StationList
from cloud.web.auth import ADMIN
from cloud.web.login import require
from cloud.web.problems import not_found
from cloud.web.services import services
from protocol.mqtt import Broker

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
@endpoint("Stations", {201: Provisioned, 409: ProblemDetails}, role=ADMIN, body=NewStation)
def post_station(body: NewStation) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Register a station. Its password is answered this once; only a hash of it is kept."""
    ours = services()
    password = secrets.token_urlsafe(18)
    layout = [
        EvseSpec(evse.number, tuple(ConnectorSpec(**connector.model_dump()) for connector in evse.connectors))
        for evse in body.evses
    ]
    with ours.store.write() as connection:
        add_station(connection, body.id, layout, ours.now(), password=password)
    answer = {
        "id": body.id,
        "username": body.id,
        "password": password,
        "provisioning": provisioning(body.id, password, ours.station_broker),
    }
    return answer, 201, {"Location": f"/api/v1/stations/{body.id}"}


@blueprint.delete("/stations/<station>")
@endpoint("Stations", {204: None, 404: ProblemDetails, 409: ProblemDetails}, role=ADMIN)
def delete_station(station: str) -> tuple[str, int]:
    """Remove a station. Its sessions are kept. 409 while one is open."""
    with services().store.write() as connection:
        if connection.scalar(select(stations.c.id).where(stations.c.id == station)) is None:
            not_found(f"station {station[:60]}")
        running = select(sessions.c.id).where(sessions.c.station == station, sessions.c.state.in_(present.OPEN))
        if connection.execute(running.limit(1)).first() is not None:
            raise ConflictError("session_open", f"somebody is charging at {station}: stop that session first")
        connection.execute(delete(connectors).where(connectors.c.station == station))
        connection.execute(delete(stations).where(stations.c.id == station))
    return "", 204


def provisioning(station: str, password: str, broker: Broker) -> str:
    """What to put into the station's configuration file. None of the values can hold a quote."""
    return (
        f'[station]\nid = "{station}"\n\n'
        f'[broker]\nhost = "{broker.host}"\nport = {broker.port}\n'
        f'username = "{station}"\npassword = "{password}"\n'
    )


def _shown(ids: list[str] | None) -> list[present.Json]:
    """Stations as the one who asks may see them."""
    ours, person = services(), require("driver")
    with ours.store.read() as connection:
        shown = present.station_list(connection, ours.now(), ours.heartbeat_s, ids)
        if person.is_operator:
            return shown
        own = visible.open_sessions(connection, person)
    return [visible.station(station, own) for station in shown]
