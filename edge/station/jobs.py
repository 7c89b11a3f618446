"""Long jobs: sending a log (OCPP 2.0.1, N01), new firmware (L01, L02). Which step is next, and what the CSMS is told.

The orders are in `Kept`, so that a power cut ends none of them unheard: an upload or a download is begun anew, an
installation is looked at. Every step is told before the next one begins.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from msgspec.structs import replace

from edge.station.job_orders import (
    CancelFirmware,
    ConfirmFirmware,
    FetchFirmware,
    Firmware,
    FirmwareOrder,
    FirmwareProgress,
    InstallFirmware,
    LogOrder,
    LogProgress,
    UploadLog,
)
from edge.station.ports import Action, Send
from edge.station.state import Leaving, Now, Station

#: Statuses with which a firmware update is over (FirmwareStatusEnumType).
OVER = frozenset({"DownloadFailed", "InstallationFailed", "InstallVerificationFailed", "InvalidSignature", "Installed"})
#: The installer has the word: too late to think better of it.
INSTALLS = frozenset({"Installing", "InstallRebooting"})
FIRMWARE_UPDATE = "FirmwareUpdate"
#: What is taken where the CSMS does not say how often to try again, and after how long, s; and the most it may say.
RETRIES, RETRY_S = 3, 30.0
MOST_RETRIES, LONGEST_RETRY_S = 100, 86_400.0
SCHEMES = ("http://", "https://")


def retrying(request: Any) -> tuple[int, float]:
    """How often to try again, and the pause before each try, s, as a GetLog or UpdateFirmware request says."""
    retries = RETRIES if request.retries is msgspec.UNSET else request.retries
    retry_s = RETRY_S if request.retry_interval is msgspec.UNSET else float(request.retry_interval)
    return min(max(retries, 0), MOST_RETRIES), min(max(retry_s, 0.0), LONGEST_RETRY_S)


def moment(value: Any) -> datetime | None:
    """An optional time of a request; without a time zone it is UTC."""
    if value is msgspec.UNSET:
        return None
    assert isinstance(value, datetime)
    return value if value.tzinfo is not None else value.replace(tzinfo=UTC)


def installing(station: Station) -> bool:
    """Whether nothing new may begin here, as firmware is being installed or waits for the last transaction (L01.FR.07).

    While it is so, no transaction may start.
    """
    job = station.kept.firmware
    return job is not None and (job.status in INSTALLS or (job.due and job.status not in OVER))


def at_the_installer(station: Station) -> bool:
    """Whether an installation is under way right now: leaving would break it off."""
    job = station.kept.firmware
    return job is not None and job.status == "Installing"


def updating(station: Station) -> bool:
    """Whether a firmware update is under way."""
    job = station.kept.firmware
    return job is not None and job.status not in OVER


def log_status(station: Station) -> dict[str, Any]:
    """LogStatusNotification as it is now, for who asks (F06)."""
    order = station.kept.log
    return {"status": "Idle"} if order is None else {"status": "Uploading", "requestId": order.request_id}


def firmware_status(station: Station) -> dict[str, Any]:
    """FirmwareStatusNotification as it is now, for who asks: what was told last, Idle once all is done."""
    job = station.kept.firmware
    if job is None or not job.status:
        return {"status": "Idle"}
    return {"status": job.status, "requestId": job.order.request_id}


# -- orders -----------------------------------------------------------------------------------------------------------


def order_log(station: Station, order: LogOrder, actions: list[Action]) -> Station:
    """Take an order to send a log; one that is under way is given up, and that is told."""
    before = station.kept.log
    if before is not None:
        actions.append(_log_notice(before.request_id, "AcceptedCanceled"))
    return _with_log(station, order)


def order_firmware(station: Station, order: FirmwareOrder, actions: list[Action]) -> Station:
    """Take an order to install firmware; one that is under way is given up."""
    if updating(station):
        actions.append(CancelFirmware())
    return _with_firmware(station, Firmware(order))


# -- events -----------------------------------------------------------------------------------------------------------


def log_progress(station: Station, event: LogProgress, actions: list[Action]) -> Station:
    order = station.kept.log
    if order is None or order.request_id != event.request_id:
        return station  # of one that was given up
    actions.append(_log_notice(event.request_id, event.status))
    return station if event.status == "Uploading" else _with_log(station, None)


def firmware_progress(station: Station, event: FirmwareProgress, now: Now, actions: list[Action]) -> Station:
    job = station.kept.firmware
    if job is None or job.order.request_id != event.request_id or job.status in OVER:
        return station  # of one that was given up
    station = _tell(station, job, event.status, actions)
    match event.status:
        case "InvalidSignature":
            actions.append(security_event("InvalidFirmwareSignature", now))
        case "InstallRebooting":
            return replace(station, leaving=Leaving(FIRMWARE_UPDATE))
        case "Installed":
            actions.append(security_event("FirmwareUpdated", now))
            return _with_firmware(station, None)
    return replace(station, firmware_at_work=not (_ready(job.order, event.status) or event.status in OVER))


def security_event(kind: str, now: Now, info: str = "") -> Send:
    """SecurityEventNotification (A04). kind: of the specification's list of security events."""
    payload = {"type": kind, "timestamp": now.utc}
    return Send("SecurityEventNotification", {**payload, "techInfo": info[:255]} if info else payload, durable=True)


# -- consequences -----------------------------------------------------------------------------------------------------


def fall_due(station: Station, now: Now) -> Station:
    """Note that the time to install has come. Before the EVSEs are settled: from here on none of them starts anew."""
    job = station.kept.firmware
    if job is None or job.due or not _ready(job.order, job.status):
        return station
    if job.order.install_at is not None and job.order.install_at > now.utc:
        return station
    return replace(station, kept=replace(station.kept, firmware=replace(job, due=True)))


def settle_jobs(station: Station, now: Now, actions: list[Action]) -> Station:
    """Begin what can begin, once the EVSEs are settled."""
    log = station.kept.log
    if log is not None and not station.log_at_work and station.online:
        actions.append(UploadLog(log))
        station = replace(station, log_at_work=True)
    return _settle_firmware(replace(station, job_mono=None), now, actions)


def _settle_firmware(station: Station, now: Now, actions: list[Action]) -> Station:
    job = station.kept.firmware
    if job is None or job.status in OVER or station.firmware_at_work:
        return station
    if job.status in INSTALLS:  # and nobody is at work: we have just started
        actions.append(ConfirmFirmware(job.order, finished=job.status == "InstallRebooting"))
        return replace(station, firmware_at_work=True)
    if not _ready(job.order, job.status):
        return _fetch(station, job, now, actions)
    if not job.due or any(evse.transaction is not None for evse in station.evses):
        if job.status != "InstallScheduled":
            station = _tell(station, job, "InstallScheduled", actions)
        if job.due or job.order.install_at is None:
            return station
        return replace(station, job_mono=now.mono + (job.order.install_at - now.utc).total_seconds())
    station = _tell(station, job, "Installing", actions)
    actions.append(InstallFirmware(job.order))
    return replace(station, firmware_at_work=True)


def _fetch(station: Station, job: Firmware, now: Now, actions: list[Action]) -> Station:
    wait_s = (job.order.retrieve_at - now.utc).total_seconds()
    if wait_s > 0:
        if not job.status:
            station = _tell(station, job, "DownloadScheduled", actions)
        return replace(station, job_mono=now.mono + wait_s)
    if not station.online:
        return station
    actions.append(FetchFirmware(job.order))
    return replace(station, firmware_at_work=True)


def _ready(order: FirmwareOrder, status: str) -> bool:
    """Whether what the order is for lies here, whole and checked."""
    return status in ("SignatureVerified", "InstallScheduled") or (status == "Downloaded" and not order.signature)


def _tell(station: Station, job: Firmware, status: str, actions: list[Action]) -> Station:
    payload = {"status": status, "requestId": job.order.request_id}
    actions.append(Send("FirmwareStatusNotification", payload, durable=True))
    return replace(station, kept=replace(station.kept, firmware=replace(job, status=status)))


def _log_notice(request_id: int, status: str) -> Send:
    return Send("LogStatusNotification", {"status": status, "requestId": request_id}, durable=True)


def _with_log(station: Station, order: LogOrder | None) -> Station:
    return replace(station, kept=replace(station.kept, log=order), log_at_work=False)


def _with_firmware(station: Station, job: Firmware | None) -> Station:
    return replace(station, kept=replace(station.kept, firmware=job), firmware_at_work=False)
