"""The driver's pages: one's own charging, and the page behind the QR code of an EVSE."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, current_app, redirect, render_template, request, send_from_directory

from cloud.domain import codes
from cloud.errors import NotFoundError
from cloud.store.vehicles import battery_kwh
from cloud.web.api.evses import read_evse
from cloud.web.login import me, to_login
from cloud.web.services import services

blueprint = Blueprint("driver", __name__)


@blueprint.get("/me")
def page() -> str | Response:
    person = me()
    if person is None:
        return to_login()
    if person.is_operator:  # is shown everybody's sessions: this page takes what it is shown for one's own
        return cast(Response, redirect("/operator"))
    return render_template("me.html", typed="", error=None)


@blueprint.get("/sw.js")
def service_worker() -> Response:
    """From the root, because a service worker serves what is below its own address."""
    return send_from_directory(current_app.static_folder or "", "sw.js", mimetype="text/javascript")


@blueprint.get("/e")
def typed() -> str | Response | tuple[str, int]:
    """A code that was typed by hand: on to its page, or once more."""
    if me() is None:
        return to_login()
    given = request.args.get("code", "")[:60]
    code = codes.normal(given)
    if code is None:
        error = "That is not an EVSE code: look at the sticker once more."
        return render_template("me.html", typed=given, error=error), 404
    return cast(Response, redirect(f"/e/{code}"))


@blueprint.get("/e/<code>")
def evse(code: str) -> str | tuple[str, int]:
    """What a driver sees who scans the QR code of an EVSE. Everybody may look; starting needs a login."""
    with services().store.read() as connection:
        try:
            person = me()
            shown = read_evse(connection, code, person)
            can_reckon = person is not None and battery_kwh(connection, person.id) is not None
        except NotFoundError as error:
            return render_template("error.html", status=404, title="No such EVSE", detail=str(error)), 404
    return render_template("evse.html", evse=shown, can_reckon=can_reckon)
