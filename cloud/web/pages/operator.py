"""The operator's page: every station, every session and the network's power, live."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from flask import Blueprint, Response, render_template
from sqlalchemy import or_, select

from cloud.present import OPEN
from cloud.store.tables import sessions
from cloud.web import power
from cloud.web.auth import OPERATOR
from cloud.web.login import me, require, to_login
from cloud.web.services import services

blueprint = Blueprint("operator", __name__)

#: What the chart shows, and how finely.
WINDOW = timedelta(minutes=10)
STEP = timedelta(seconds=5)


@blueprint.get("/operator")
def page() -> str | Response:
    if me() is None:
        return to_login()
    require(OPERATOR)
    return render_template("operator.html")


@blueprint.get("/operator/power")
def history() -> dict[str, Any]:
    """What the chart starts with: {times: [s since 1970], stations: {id: [W]}} of the last ten minutes."""
    require(OPERATOR)
    ours = services()
    end = ours.now()
    start = end - WINDOW
    with ours.store.read() as connection:
        recent = select(sessions).where(
            sessions.c.evse.is_not(None),
            or_(sessions.c.state.in_(OPEN), sessions.c.ended_at >= start),
        )
        rows = connection.execute(recent).all()
    drawn = power.Drawn(start, end, STEP)
    for row in rows:
        values = ours.series.read(row.station, row.evse, "power_w", max(start, row.started_at or start), end)
        drawn.add(row.station, values, row.ended_at)
    return {"times": drawn.times, "stations": drawn.stations}
