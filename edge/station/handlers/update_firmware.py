"""UpdateFirmware (OCPP 2.0.1, L01; L02 without a signature, where that is allowed)."""

from __future__ import annotations

import msgspec

from edge.station.job_orders import FirmwareOrder
from edge.station.jobs import INSTALLS, SCHEMES, moment, order_firmware, retrying, security_event, updating
from edge.station.ports import Action, CallReceived, Reply
from edge.station.signature import certificate_fault
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    order = _order(call)

    def refused(status: str, reason: str, why: str) -> Station:
        info = {"reasonCode": reason, "additionalInfo": why[:512]}
        actions.append(Reply(call.message_id, call.action, {"status": status, "statusInfo": info}))
        return station

    if not station.job_rules.installs:
        return refused("Rejected", "NotEnabled", "no installer is configured on this station")
    if not order.location.lower().startswith(SCHEMES):
        return refused("Rejected", "InvalidURL", "firmware is fetched by HTTP or HTTPS")
    if bool(order.certificate) != bool(order.signature) or not (order.signature or station.job_rules.unsigned):
        return refused("Rejected", "MissingParam", "firmware needs a signature and a signing certificate")
    fault = certificate_fault(order.certificate, station.job_rules.roots, now.utc) if order.certificate else None
    if fault is not None:
        actions.append(security_event("InvalidFirmwareSigningCertificate", now, fault))
        return refused("InvalidCertificate", "InvalidCertificate", fault)
    firmware = station.kept.firmware
    if firmware is not None and firmware.status in INSTALLS:
        return refused("Rejected", "FwUpdateInProgress", "an installation cannot be given up half-way")
    status = "AcceptedCanceled" if updating(station) else "Accepted"
    actions.append(Reply(call.message_id, call.action, {"status": status}))
    return order_firmware(station, order, actions)


def _order(call: CallReceived) -> FirmwareOrder:
    firmware = call.request.firmware
    retries, retry_s = retrying(call.request)
    retrieve_at = moment(firmware.retrieve_date_time)
    assert retrieve_at is not None, "the schema asks for it"
    return FirmwareOrder(
        call.request.request_id,
        firmware.location,
        retrieve_at,
        moment(firmware.install_date_time),
        retries,
        retry_s,
        "" if firmware.signing_certificate is msgspec.UNSET else firmware.signing_certificate,
        "" if firmware.signature is msgspec.UNSET else firmware.signature,
    )
