"""Long jobs in the pure core: what is replied, told, kept over a power cut, and when firmware is installed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from edge.station import jobs
from edge.station.job_orders import (
    CancelFirmware,
    ConfirmFirmware,
    FetchFirmware,
    FirmwareProgress,
    InstallFirmware,
    JobRules,
    LogProgress,
    UploadLog,
)
from edge.station.ports import Reply
from tests.support.signing import NOW, YEAR, issue
from tests.support.station_site import START, Site, a_site

ROOT = issue("Manufacturer", ca=True)
SIGNER = issue("Signer", ROOT)
RULES = JobRules(uploads=True, installs=True, roots=ROOT.pem)
LOG = {"remoteLocation": "https://logs.example/put/"}


def site(rules: JobRules = RULES) -> Site:
    return a_site(job_rules=rules)


def get_log(at: Site, number: int = 1, **more: Any) -> dict[str, Any]:
    payload = {"requestId": number, "logType": "DiagnosticsLog", "log": LOG, **more}
    reply = at.remote("GetLog", payload)
    assert isinstance(reply, Reply)
    return dict(reply.payload)


def firmware(at: datetime = START, install: datetime | None = None, **more: Any) -> dict[str, Any]:
    order: dict[str, Any] = {
        "location": "https://firmware.example/1.2.3",
        "retrieveDateTime": at,
        "signingCertificate": SIGNER.pem,
        "signature": SIGNER.sign(b"firmware"),
        **({} if install is None else {"installDateTime": install}),
        **more,
    }
    return {key: value for key, value in order.items() if value is not None}


def update(at: Site, number: int = 1, order: dict[str, Any] | None = None, **more: Any) -> dict[str, Any]:
    reply = at.remote("UpdateFirmware", {"requestId": number, "firmware": order or firmware(), **more})
    assert isinstance(reply, Reply)
    return dict(reply.payload)


def heard(at: Site, *statuses: str, number: int = 1) -> None:
    """The doers say how it goes."""
    for status in statuses:
        at.step(FirmwareProgress(number, status))


def fetched(at: Site) -> None:
    heard(at, "Downloading", "Downloaded", "SignatureVerified")


def told(at: Site, number: int = 1) -> list[str]:
    return [status for kind, request, status in at.job_statuses if kind == "Firmware" and request == number]


def charging(at: Site, evse: int = 1) -> None:
    at.plug(evse)
    at.remote_start(evse, evse)
    at.meter(evse)


def reason(reply: dict[str, Any]) -> tuple[str, str]:
    return reply["status"], reply["statusInfo"]["reasonCode"]


# -- logs -------------------------------------------------------------------------------------------------------------


def test_a_log_is_made_and_sent_and_each_step_is_told() -> None:
    here = site()
    oldest = START - timedelta(days=1)
    bounds = {**LOG, "oldestTimestamp": oldest, "latestTimestamp": START}
    assert get_log(here, 7, log=bounds, retries=2, retryInterval=5) == {
        "status": "Accepted",
        "filename": "diagnostics-20261123T120000Z.tar.gz",
    }
    (order,) = here.jobs
    assert isinstance(order, UploadLog)
    assert (order.order.location, order.order.filename) == (
        "https://logs.example/put/",
        "diagnostics-20261123T120000Z.tar.gz",
    )
    assert (order.order.retries, order.order.retry_s) == (2, 5.0)
    assert (order.order.oldest, order.order.latest) == (oldest, START)
    assert jobs.log_status(here.station) == {"status": "Uploading", "requestId": 7}
    here.step(LogProgress(7, "Uploading"))
    here.step(LogProgress(7, "Uploaded"))
    assert here.job_statuses == [("Log", 7, "Uploading"), ("Log", 7, "Uploaded")]
    assert jobs.log_status(here.station) == {"status": "Idle"}
    assert here.kept.log is None


def test_a_second_log_takes_the_place_of_the_first() -> None:
    here = site()
    get_log(here, 1)
    assert get_log(here, 2)["status"] == "AcceptedCanceled"
    assert here.job_statuses == [("Log", 1, "AcceptedCanceled")]
    assert [action.order.request_id for action in here.jobs if isinstance(action, UploadLog)] == [1, 2]
    here.step(LogProgress(1, "UploadFailure"))  # it was under way when the first was given up
    assert here.job_statuses == [("Log", 1, "AcceptedCanceled")]
    here.step(LogProgress(2, "PermissionDenied"))
    assert here.job_statuses[1:] == [("Log", 2, "PermissionDenied")]


def test_a_log_that_cannot_be_had_or_sent_is_refused() -> None:
    here = site()
    assert reason(get_log(here, logType="SecurityLog")) == ("Rejected", "NotFound")
    assert reason(get_log(here, log={"remoteLocation": "ftp://logs.example/"})) == ("Rejected", "InvalidURL")
    assert reason(get_log(site(JobRules()))) == ("Rejected", "NotEnabled")
    assert here.jobs == []


def test_an_upload_that_a_power_cut_ended_is_begun_anew_once_the_csms_is_there() -> None:
    here = site()
    get_log(here, 3)
    here.power_cut()
    assert len(here.jobs) == 1
    here.link(True)
    assert here.jobs[1:] == here.jobs[:1]
    here.link(False)
    here.link(True)
    assert len(here.jobs) == 2


@pytest.mark.parametrize(
    ("given", "taken"), [({}, (3, 30.0)), ({"retries": -1, "retryInterval": 10**9}, (0, 86_400.0))]
)
def test_retries_have_bounds(given: dict[str, int], taken: tuple[int, float]) -> None:
    here = site()
    get_log(here, **given)
    (action,) = here.jobs
    assert isinstance(action, UploadLog)
    assert (action.order.retries, action.order.retry_s) == taken


# -- firmware: what is taken ------------------------------------------------------------------------------------------


def test_firmware_is_fetched_checked_installed_and_running_after_a_restart() -> None:
    here = site()
    assert update(here) == {"status": "Accepted"}
    assert [type(action) for action in here.jobs] == [FetchFirmware]
    fetched(here)
    assert [type(action) for action in here.jobs] == [FetchFirmware, InstallFirmware]
    heard(here, "InstallRebooting")
    assert here.left == ["FirmwareUpdate"]
    assert here.kept.boot_reason == "FirmwareUpdate"
    here.power_cut()
    confirm = here.jobs[2]
    assert isinstance(confirm, ConfirmFirmware)
    assert confirm.finished
    heard(here, "Installed")
    steps = ["Downloading", "Downloaded", "SignatureVerified", "InstallScheduled", "Installing", "InstallRebooting"]
    assert told(here) == [step for step in steps if step != "InstallScheduled"] + ["Installed"]
    assert here.security_events == ["FirmwareUpdated"]
    assert here.kept.firmware is None
    assert jobs.firmware_status(here.station) == {"status": "Idle"}
    here.power_cut()
    here.link(True)
    assert (told(here).count("Installed"), len(here.jobs)) == (1, 3)


def test_firmware_that_does_not_run_after_the_restart_is_told_once() -> None:
    here = site()
    update(here)
    fetched(here)
    heard(here, "InstallRebooting")
    here.power_cut()
    heard(here, "InstallationFailed")
    assert told(here)[-2:] == ["InstallRebooting", "InstallationFailed"]
    assert jobs.firmware_status(here.station) == {"status": "InstallationFailed", "requestId": 1}
    assert not jobs.installing(here.station)
    here.power_cut()
    assert told(here).count("InstallationFailed") == 1


def test_without_an_installer_firmware_is_refused() -> None:
    assert reason(update(site(JobRules(uploads=True)))) == ("Rejected", "NotEnabled")


@pytest.mark.parametrize("missing", [{"signature": None}, {"signingCertificate": None}])
def test_half_a_signature_is_refused_even_where_none_is_needed(missing: dict[str, None]) -> None:
    lax = JobRules(uploads=True, installs=True, roots=ROOT.pem, unsigned=True)
    for rules in (RULES, lax):
        assert reason(update(site(rules), order=firmware(**missing))) == ("Rejected", "MissingParam")


def test_unsigned_firmware_is_taken_only_where_the_owner_says_so() -> None:
    bare = firmware(signature=None, signingCertificate=None)
    assert reason(update(site(), order=bare)) == ("Rejected", "MissingParam")
    here = site(JobRules(installs=True, unsigned=True))
    assert update(here, order=bare) == {"status": "Accepted"}
    heard(here, "Downloading", "Downloaded")
    assert told(here) == ["Downloading", "Downloaded", "Installing"]


def test_a_certificate_that_is_not_trusted_is_refused_and_noted() -> None:
    here = site()
    late = issue("Signer", ROOT, valid=(NOW - 2 * YEAR, NOW - YEAR))
    for pem in (issue("Stranger").pem, late.pem, "nonsense"):
        assert reason(update(here, order=firmware(signingCertificate=pem))) == (
            "InvalidCertificate",
            "InvalidCertificate",
        )
    assert here.security_events == ["InvalidFirmwareSigningCertificate"] * 3
    assert (here.jobs, told(here)) == ([], [])


def test_firmware_comes_by_http_only() -> None:
    assert reason(update(site(), order=firmware(location="file:///etc/passwd"))) == ("Rejected", "InvalidURL")


# -- firmware: when ---------------------------------------------------------------------------------------------------


def test_firmware_is_fetched_and_installed_no_sooner_than_was_asked_for() -> None:
    here = site()
    order = firmware(START + timedelta(seconds=100), START + timedelta(seconds=300))
    update(here, order=order)
    assert (here.jobs, told(here)) == ([], ["DownloadScheduled"])
    here.pass_time(99)
    assert here.jobs == []
    here.pass_time(1)
    assert [type(action) for action in here.jobs] == [FetchFirmware]
    fetched(here)
    here.pass_time(199)
    assert told(here)[-1] == "InstallScheduled"
    assert not jobs.installing(here.station)
    here.pass_time(1)
    assert jobs.installing(here.station)
    assert told(here) == [
        *("DownloadScheduled", "Downloading", "Downloaded", "SignatureVerified", "InstallScheduled", "Installing")
    ]


def test_a_time_without_a_zone_is_utc() -> None:
    here = site()
    update(here, order=firmware(datetime(2026, 11, 23, 12, 1), datetime(2026, 11, 23, 12, 2)))  # noqa: DTZ001
    get_log(here, log={**LOG, "oldestTimestamp": "2026-11-23T11:00:00"})
    (log,) = here.jobs
    assert isinstance(log, UploadLog)
    assert log.order.oldest == START - timedelta(hours=1)
    here.pass_time(60)
    fetched(here)
    assert told(here)[-1] == "InstallScheduled"
    here.pass_time(60)
    assert told(here)[-1] == "Installing"


def test_an_installation_waits_for_the_last_transaction() -> None:
    here = site()
    charging(here)
    update(here)
    fetched(here)
    assert told(here)[-1] == "InstallScheduled"
    assert jobs.installing(here.station)  # nobody may start any more
    assert [type(action) for action in here.jobs] == [FetchFirmware]
    here.unplug()
    here.meter()
    assert told(here)[-1] == "Installing"
    assert [type(action) for action in here.jobs] == [FetchFirmware, InstallFirmware]


def test_an_installation_that_failed_lets_drivers_in_again() -> None:
    here = site()
    update(here)
    fetched(here)
    heard(here, "InstallationFailed")
    assert not jobs.installing(here.station)
    assert here.left == []
    charging(here)
    assert here.closed == {(1, 1)}


@pytest.mark.parametrize("fault", ["DownloadFailed", "InvalidSignature"])
def test_firmware_that_did_not_come_whole_is_never_installed(fault: str) -> None:
    here = site()
    update(here)
    heard(here, "Downloading", fault)
    assert told(here) == ["Downloading", fault]
    assert here.security_events == (["InvalidFirmwareSignature"] if fault == "InvalidSignature" else [])
    here.pass_time(1_000)
    here.power_cut()
    here.link(True)
    assert [type(action) for action in here.jobs] == [FetchFirmware]
    assert update(here, 2) == {"status": "Accepted"}


def test_a_second_update_takes_the_place_of_the_first() -> None:
    here = site()
    update(here, 1)
    heard(here, "Downloading")
    assert update(here, 2) == {"status": "AcceptedCanceled"}
    assert [type(action) for action in here.jobs] == [FetchFirmware, CancelFirmware, FetchFirmware]
    heard(here, "Downloaded", "SignatureVerified")  # the first had come that far
    assert told(here) == ["Downloading"]
    for status in ("Downloading", "Downloaded", "SignatureVerified"):
        heard(here, status, number=2)
    assert told(here, 2)[-1] == "Installing"


def test_an_installation_is_not_given_up_half_way() -> None:
    here = site()
    update(here)
    fetched(here)
    assert reason(update(here, 2)) == ("Rejected", "FwUpdateInProgress")
    heard(here, "InstallRebooting")
    assert reason(update(here, 2)) == ("Rejected", "FwUpdateInProgress")


def test_a_reset_waits_until_the_installer_has_ended() -> None:
    for outcome, left in (("InstallationFailed", "RemoteReset"), ("InstallRebooting", "FirmwareUpdate")):
        here = site()
        update(here)
        fetched(here)
        here.remote("Reset", {"type": "Immediate"})
        assert here.left == []
        heard(here, outcome)
        assert here.left == [left]


# -- firmware: power cuts ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("so_far", [[], ["Downloading"], ["Downloading", "Downloaded"]])
def test_a_download_that_a_power_cut_ended_is_begun_anew(so_far: list[str]) -> None:
    here = site()
    update(here)
    heard(here, *so_far)
    here.power_cut()
    assert [type(action) for action in here.jobs] == [FetchFirmware]
    here.link(True)
    assert [type(action) for action in here.jobs] == [FetchFirmware, FetchFirmware]
    fetched(here)
    assert told(here)[-1] == "Installing"


def test_a_wait_for_the_time_to_install_outlasts_a_power_cut() -> None:
    here = site()
    update(here, order=firmware(install=START + timedelta(seconds=60)))
    fetched(here)
    here.power_cut()
    here.pass_time(60)
    assert [type(action) for action in here.jobs] == [FetchFirmware, InstallFirmware]
    assert told(here).count("InstallScheduled") == 1


def test_an_installation_that_a_power_cut_ended_is_looked_at() -> None:
    here = site()
    update(here)
    fetched(here)
    here.power_cut()
    (*_, confirm) = here.jobs
    assert isinstance(confirm, ConfirmFirmware)
    assert not confirm.finished
    assert jobs.installing(here.station)
    heard(here, "InstallationFailed")
    assert told(here)[-2:] == ["Installing", "InstallationFailed"]
