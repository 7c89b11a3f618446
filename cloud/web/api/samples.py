"""What was measured during a session."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from cloud.domain.measurands import unit_of
from cloud.present import time
from cloud.web import visible
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import ProblemDetails, SampleList, SampleQuery
from cloud.web.auth import DRIVER
from cloud.web.login import require
from cloud.web.problems import Problem
from cloud.web.services import services

blueprint = Blueprint("samples", __name__)


@blueprint.get("/sessions/<session>/samples")
@endpoint("Sessions", {200: SampleList, 404: ProblemDetails}, query=SampleQuery)
def get_samples(session: str, query: SampleQuery) -> dict[str, Any]:
    """The samples of a session, by measurand, then by time.

    `measurand` takes names with their unit, such as power_w, energy_wh, soc_pct, voltage_l1_v, several with commas;
    without it all that the session has are answered. `from` and `to` narrow the session's own time.
    """
    ours = services()
    with ours.store.read() as connection:
        row: Any = visible.session(connection, require(DRIVER), session)
    for field in query.measurand or ():
        if unit_of(field) is None:
            raise Problem(422, f"measurand: there is no {field[:40]!r}; power_w, energy_wh and soc_pct are some")
    if row.evse is None:
        return {"samples": []}
    # Never wider than the session: what was measured before and after is another driver's.
    start, end = row.started_at or row.created_at, row.ended_at or ours.now()
    start, end = max(start, query.start or start), min(end, query.end or end)
    found = []
    for field in query.measurand or ours.series.fields(row.station, row.evse, start, end):
        for at, value in ours.series.read(row.station, row.evse, field, start, end):
            found.append({"t": time(at), "value": value, "unit": unit_of(field), "measurand": field})
    return {"samples": found}
