"""GetLog (OCPP 2.0.1, N01): the CSMS wants a log sent to a server. The diagnostics bundle is the one there is."""

from __future__ import annotations

from edge.station.job_orders import LogOrder
from edge.station.jobs import SCHEMES, moment, order_log, retrying
from edge.station.ports import Action, CallReceived, Reply
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request = call.request

    def rejected(reason: str, why: str) -> Station:
        info = {"reasonCode": reason, "additionalInfo": why}
        actions.append(Reply(call.message_id, call.action, {"status": "Rejected", "statusInfo": info}))
        return station

    if not station.job_rules.uploads:
        return rejected("NotEnabled", "this station sends no logs")
    if request.log_type != "DiagnosticsLog":
        return rejected("NotFound", "this station keeps no log of security events; it sends each as it happens")
    if not request.log.remote_location.lower().startswith(SCHEMES):
        return rejected("InvalidURL", "logs are sent by HTTP or HTTPS")
    retries, retry_s = retrying(request)
    order = LogOrder(
        request.request_id,
        request.log.remote_location,
        f"diagnostics-{now.utc:%Y%m%dT%H%M%SZ}.tar.gz",
        retries,
        retry_s,
        moment(request.log.oldest_timestamp),
        moment(request.log.latest_timestamp),
    )
    status = "Accepted" if station.kept.log is None else "AcceptedCanceled"
    actions.append(Reply(call.message_id, call.action, {"status": status, "filename": order.filename}))
    return order_log(station, order, actions)
