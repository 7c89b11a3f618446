"""One EVSE, by its id or by the code that is printed next to it."""

from __future__ import annotations

from typing import Any

from flask import Blueprint
from sqlalchemy import Connection

from cloud import present, receipt
from cloud.commands import find_evse
from cloud.store.tariffs import in_force
from cloud.web import visible
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import ProblemDetails
from cloud.web.api.money_models import EvseOffer
from cloud.web.auth import DRIVER, Person
from cloud.web.login import require
from cloud.web.services import services

blueprint = Blueprint("evses", __name__)


@blueprint.get("/evses/<evse>")
@endpoint("Stations", {200: EvseOffer, 404: ProblemDetails})
def get_evse(evse: str) -> dict[str, Any]:
    """One EVSE, with its tariff.

    Spaces, dashes and small letters in a code do not matter; a slip in one is recognised.
    """
    with services().store.read() as connection:
        return read_evse(connection, evse, require(DRIVER))


def read_evse(connection: Connection, reference: str, person: Person | None) -> present.Json:
    """An EVSE as this person, or somebody without a login, may see it. Raises NotFoundError."""
    ours = services()
    station, number = find_evse(connection, reference)
    [shown] = present.station_list(connection, ours.now(), ours.heartbeat_s, [station])
    whole: present.Json = next(part for part in shown["evses"] if part["number"] == number)
    if person is None or not person.is_operator:
        whole = visible.evse(whole, visible.open_sessions(connection, person) if person is not None else ())
    of_station = {"station": shown["id"], "online": shown["online"], "since": shown["since"], "site": shown["site"]}
    agreed = in_force(connection, station, number, ours.now())
    return whole | of_station | {"tariff": None if agreed is None else receipt.offer(agreed, ours.now())}
