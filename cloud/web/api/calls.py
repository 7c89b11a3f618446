"""Any OCPP call to a station, for operators who know what they do."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import CallBody, CallOutcome, ProblemDetails
from cloud.web.auth import OPERATOR
from cloud.web.services import services

blueprint = Blueprint("calls", __name__)


@blueprint.post("/stations/<station>/calls/<action>")
@endpoint("Stations", {200: CallOutcome, 404: ProblemDetails, 409: ProblemDetails}, role=OPERATOR, body=CallBody)
def post_call(station: str, action: str, body: CallBody) -> dict[str, Any]:
    """Send an OCPP 2.0.1 request to a station and wait for the end of it, at most about 12 seconds.

    Any action that OCPP lets a CSMS send. The payload is checked against OCPP's own schema; 422 says what it refuses,
    with OCPP's error code as `reason`.
    """
    outcome = services().commands.call(station, action, body.payload)
    return {"status": outcome.status, "response": outcome.response}
