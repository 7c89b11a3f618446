"""Sites: where stations are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flask import Blueprint
from sqlalchemy import Connection, Row

from cloud.store import sites, tariffs
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import ProblemDetails
from cloud.web.api.money_models import KeyQuery, NewSite, Site, SiteChange, SiteList, next_of
from cloud.web.api.tariffs import PART, check_tariff
from cloud.web.auth import OPERATOR
from cloud.web.problems import Problem, not_found
from cloud.web.services import services

blueprint = Blueprint("sites", __name__)


@blueprint.get("/sites")
@endpoint("Sites", {200: SiteList}, role=OPERATOR, query=KeyQuery)
def get_sites(query: KeyQuery) -> dict[str, Any]:
    """Sites, by id."""
    limit = query.limit or PART
    with services().store.read() as connection:
        found = _shown(connection, sites.listed(connection, after=query.cursor, limit=limit + 1))
    part, cursor = next_of(found, limit)
    return {"sites": part, "next": cursor}


@blueprint.get("/sites/<site>")
@endpoint("Sites", {200: Site, 404: ProblemDetails}, role=OPERATOR)
def get_site(site: str) -> dict[str, Any]:
    """One site."""
    with services().store.read() as connection:
        return _one(connection, site)


@blueprint.post("/sites")
@endpoint("Sites", {201: Site, 409: ProblemDetails}, role=OPERATOR, body=NewSite)
def post_site(body: NewSite) -> tuple[dict[str, Any], int, dict[str, str]]:
    """Add a site. Its time zone decides what the time of day is in a tariff."""
    ours = services()
    with ours.store.write() as connection:
        columns = body.model_dump(exclude={"id", "tariff", "stations"})
        key = sites.add(connection, body.id, ours.now(), **columns)
        _place(connection, key, body)
        made = _one(connection, key)
    return made, 201, {"Location": f"/api/v1/sites/{key}"}


@blueprint.patch("/sites/<site>")
@endpoint("Sites", {200: Site, 404: ProblemDetails}, role=OPERATOR, body=SiteChange)
def patch_site(site: str, body: SiteChange) -> dict[str, Any]:
    """Change a site. Sessions that have begun keep the tariff and the time zone that they began with."""
    with services().store.write() as connection:
        given = body.model_dump(exclude={"tariff", "stations"}, exclude_unset=True)
        columns = {name: value for name, value in given.items() if value is not None or name.endswith("itude")}
        sites.change(connection, site, **columns)
        _place(connection, site, body)
        shown = _one(connection, site)
        if (shown["latitude"] is None) != (shown["longitude"] is None):
            raise Problem(422, "latitude and longitude come together", reason="invalid")
        return shown


def _place(connection: Connection, key: str, body: NewSite | SiteChange) -> None:
    if "tariff" in body.model_fields_set:
        check_tariff(connection, body.tariff)
        tariffs.place(connection, tariffs.SITE, key, body.tariff, services().now())
    if body.stations is not None:
        strangers = sites.put_stations(connection, key, body.stations)
        if strangers:
            message = f"no station {strangers[0][:60]}"
            errors = [{"field": "stations", "message": message}]
            raise Problem(422, f"stations: {message}", reason="invalid", errors=errors)


def _one(connection: Connection, key: str) -> dict[str, Any]:
    found = _shown(connection, sites.listed(connection, only=key))
    return found[0] if found else not_found(f"site {key[:60]}")


def _shown(connection: Connection, rows: Sequence[Row[Any]]) -> list[dict[str, Any]]:
    keys = [row.id for row in rows]
    there = sites.stations_of(connection, keys)
    own = tariffs.placed(connection, tariffs.SITE, keys)
    return [{**row._mapping, "tariff": own.get(row.id), "stations": there[row.id]} for row in rows]
