"""Tariffs: what charging costs, and where."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint
from sqlalchemy import Connection

from cloud import receipt
from cloud.commands import find_evse
from cloud.domain import tariffs as domain
from cloud.present import evse_id
from cloud.store import sites, tariffs
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import ProblemDetails
from cloud.web.api.money_models import (
    EvseChange,
    EvseTariff,
    KeyQuery,
    NewElement,
    NewTariff,
    StationChange,
    StationPlace,
    Tariff,
    TariffChange,
    TariffList,
    next_of,
)
from cloud.web.auth import OPERATOR
from cloud.web.problems import Problem
from cloud.web.services import services

blueprint = Blueprint("tariffs", __name__)

PART = 100


@blueprint.get("/tariffs")
@endpoint("Tariffs", {200: TariffList}, role=OPERATOR, query=KeyQuery)
def get_tariffs(query: KeyQuery) -> dict[str, Any]:
    """Tariffs as they are now, by id."""
    limit = query.limit or PART
    with services().store.read() as connection:
        found = tariffs.listed(connection, after=query.cursor, limit=limit + 1)
    part, cursor = next_of([receipt.listed(one) for one in found], limit)
    return {"tariffs": part, "next": cursor}


@blueprint.get("/tariffs/<tariff>")
@endpoint("Tariffs", {200: Tariff, 404: ProblemDetails}, role=OPERATOR)
def get_tariff(tariff: str) -> dict[str, Any]:
    """One tariff as it is now."""
    with services().store.read() as connection:
        return receipt.listed(tariffs.get(connection, tariff))


@blueprint.post("/tariffs")
@endpoint("Tariffs", {201: Tariff, 409: ProblemDetails}, role=OPERATOR, body=NewTariff)
def post_tariff(body: NewTariff) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Add a tariff. Put it in force as the default, or at a site, a station or an EVSE."""
    ours = services()
    content = _content(body.model_dump(exclude={"id", "name", "default", "elements"}), body.elements)
    with ours.store.write() as connection:
        key = tariffs.create(connection, body.id, body.name, content, ours.now())
        if body.default:
            tariffs.place(connection, tariffs.DEFAULT, "", key, ours.now())
        made = receipt.listed(tariffs.get(connection, key))
    return made, 201, {"Location": f"/api/v1/tariffs/{key}"}


@blueprint.patch("/tariffs/<tariff>")
@endpoint("Tariffs", {200: Tariff, 404: ProblemDetails}, role=OPERATOR, body=TariffChange)
def patch_tariff(tariff: str, body: TariffChange) -> dict[str, Any]:
    """Change a tariff from now on: a new version. Sessions that have begun keep the one that they began with."""
    ours = services()
    with ours.store.write() as connection:
        known = tariffs.get(connection, tariff)
        values = msgspec.structs.asdict(known.tariff)
        values |= body.model_dump(exclude={"name", "default", "elements"}, exclude_none=True)
        if body.elements is not None:
            values["elements"] = tuple(map(_element, body.elements))
        content = domain.Tariff(**values)
        tariffs.change(connection, tariff, known.name if body.name is None else body.name, content, ours.now())
        if body.default is not None and body.default != known.is_default:
            tariffs.place(connection, tariffs.DEFAULT, "", tariff if body.default else None, ours.now())
        return receipt.listed(tariffs.get(connection, tariff))


@blueprint.patch("/evses/<evse>")
@endpoint("Tariffs", {200: EvseTariff, 404: ProblemDetails, 422: ProblemDetails}, role=OPERATOR, body=EvseChange)
def patch_evse(evse: str, body: EvseChange) -> dict[str, Any]:
    """Give an EVSE a tariff of its own from now on, or take it away."""
    ours = services()
    with ours.store.write() as connection:
        station, number = find_evse(connection, evse)
        where = evse_id(station, number)
        check_tariff(connection, body.tariff)
        tariffs.place(connection, tariffs.EVSE, where, body.tariff, ours.now())
    return {"id": where, "tariff": body.tariff}


@blueprint.patch("/stations/<station>")
@endpoint("Tariffs", {200: StationPlace, 404: ProblemDetails, 422: ProblemDetails}, role=OPERATOR, body=StationChange)
def patch_station(station: str, body: StationChange) -> dict[str, Any]:
    """Say at which site a station is, and whether it has a tariff of its own."""
    ours = services()
    with ours.store.write() as connection:
        site = sites.site_of(connection, station)
        if "site" in body.model_fields_set:
            site = body.site
            check_site(connection, site)
            sites.put_station(connection, station, site)
        if "tariff" in body.model_fields_set:
            check_tariff(connection, body.tariff)
            tariffs.place(connection, tariffs.STATION, station, body.tariff, ours.now())
        own = tariffs.placed(connection, tariffs.STATION, [station]).get(station)
    return {"id": station, "site": site, "tariff": own}


def check_tariff(connection: Connection, key: str | None) -> None:
    """Raises Problem 422 when the body names a tariff that is not there."""
    if key is not None and not tariffs.listed(connection, only=key):
        raise _wrong("tariff", f"no tariff {key}")


def check_site(connection: Connection, key: str | None) -> None:
    """Raises Problem 422 when the body names a site that is not there."""
    if key is not None and not sites.listed(connection, only=key):
        raise _wrong("site", f"no site {key}")


def _wrong(field: str, message: str) -> Problem:
    return Problem(422, f"{field}: {message}", reason="invalid", errors=[{"field": field, "message": message}])


def _content(values: dict[str, Any], elements: list[NewElement]) -> domain.Tariff:
    return domain.Tariff(**values, elements=tuple(map(_element, elements)))


def _element(element: NewElement) -> domain.Element:
    return domain.Element(
        days=tuple(sorted(domain.DAYS.index(day) for day in element.days)),
        from_min=_minute(element.start),
        to_min=_minute(element.end),
        energy_per_kwh=element.energy_per_kwh,
        charging_per_min=element.charging_per_min,
        idle_per_min=element.idle_per_min,
    )


def _minute(clock: str) -> int:
    hours, _, minutes = clock.partition(":")
    return int(hours) * 60 + int(minutes)
