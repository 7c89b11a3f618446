"""The doers of long jobs against a real HTTP server: what they tell, what lies on disk, what is installed."""

from __future__ import annotations

import queue
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from edge.jobs.installer import CommandInstaller
from edge.jobs.transfer import Transfer, TransferError
from edge.jobs.work import Progress, Work
from edge.station.job_orders import (
    CancelFirmware,
    ConfirmFirmware,
    FetchFirmware,
    FirmwareOrder,
    InstallFirmware,
    LogOrder,
    UploadLog,
)
from tests.support.files_server import FilesServer
from tests.support.signing import NOW, issue

FIRMWARE = bytes(range(256)) * 2_000
ROOT = issue("Manufacturer", ca=True)
SIGNER = issue("Signer", ROOT)
LOG = b"a bundle"


@pytest.fixture
def server() -> Iterator[FilesServer]:
    running = FilesServer({"/firmware": FIRMWARE})
    running.start()
    yield running
    running.stop()


class Place:
    """A station's folder with its doers. installed: where the installer's command writes what it was given."""

    def __init__(self, folder: Path, **more: Any) -> None:
        self.data = folder / "data"
        self.data.mkdir()
        self.installed = folder / "installed"
        copy = "import pathlib, sys; pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())"
        install = [sys.executable, "-c", copy, "{file}", str(self.installed)]
        options = {"max_bytes": 1_000_000, "spared": 0, "installer": CommandInstaller(install, [], 20.0), **more}
        transfer = options.pop("transfer", Transfer())
        self.work = Work(self.data, transfer, self._make_log, **options)
        self._heard: queue.Queue[Progress] = queue.Queue()
        self.work.start(self._heard.put)

    @staticmethod
    def _make_log(order: LogOrder) -> bytes:
        return LOG

    def until(self, *last: str) -> list[str]:
        """The statuses that are told up to one of these."""
        statuses = []
        while not statuses or statuses[-1] not in last:
            statuses.append(self._heard.get(timeout=20).status)
        assert self._heard.empty()
        return statuses

    def left(self) -> list[str]:
        return sorted(path.name for path in self.data.rglob("*") if path.is_file())


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Callable[..., Place]]:
    places = []

    def one(**more: Any) -> Place:
        places.append(Place(tmp_path, **more))
        return places[-1]

    yield one
    for place in places:
        place.work.stop()


def order(url: str, number: int = 1, retries: int = 0, signature: str | None = None, **more: Any) -> FirmwareOrder:
    signature = SIGNER.sign(FIRMWARE) if signature is None else signature
    certificate = more.pop("certificate", SIGNER.pem if signature else "")
    return FirmwareOrder(number, url, NOW, None, retries, more.pop("retry_s", 0.0), certificate, signature)


ENDS = ("SignatureVerified", "DownloadFailed", "InvalidSignature")


# -- firmware ---------------------------------------------------------------------------------------------------------


def test_signed_firmware_is_fetched_checked_and_installed(server: FilesServer, make: Callable[..., Place]) -> None:
    place, what = make(), order(server.url("/firmware"))
    place.work.order(FetchFirmware(what))
    assert place.until(*ENDS) == ["Downloading", "Downloaded", "SignatureVerified"]
    assert place.left() == ["1.firmware"]
    place.work.order(InstallFirmware(what))
    assert place.until("InstallRebooting") == ["InstallRebooting"]
    assert place.installed.read_bytes() == FIRMWARE
    assert place.left() == []
    place.work.order(ConfirmFirmware(what, finished=True))
    assert place.until("Installed") == ["Installed"]


def test_unsigned_firmware_is_whole_when_it_is_said_to_be_there(
    server: FilesServer, make: Callable[..., Place]
) -> None:
    place = make()
    place.work.order(FetchFirmware(order(server.url("/firmware"), signature="")))
    assert place.until("Downloaded") == ["Downloading", "Downloaded"]
    assert place.left() == ["1.firmware"]


def test_one_byte_that_is_another_is_found_and_nothing_is_left(server: FilesServer, make: Callable[..., Place]) -> None:
    server.files["/firmware"] = FIRMWARE[:-1] + b"!"
    place = make()
    place.work.order(FetchFirmware(order(server.url("/firmware"))))
    assert place.until(*ENDS) == ["Downloading", "Downloaded", "InvalidSignature"]
    assert place.left() == []


def test_the_signature_of_somebody_else_is_found(server: FilesServer, make: Callable[..., Place]) -> None:
    place = make()
    place.work.order(FetchFirmware(order(server.url("/firmware"), signature=issue("Signer", ROOT).sign(FIRMWARE))))
    assert place.until(*ENDS) == ["Downloading", "Downloaded", "InvalidSignature"]


def test_a_server_that_dies_half_way_is_tried_again_and_then_given_up(
    server: FilesServer, make: Callable[..., Place]
) -> None:
    server.half.add("/firmware")
    place = make()
    place.work.order(FetchFirmware(order(server.url("/firmware"), retries=2)))
    assert place.until(*ENDS) == ["Downloading"] * 3 + ["DownloadFailed"]
    assert place.left() == []


def test_a_server_that_is_well_again_is_good_enough(server: FilesServer, make: Callable[..., Place]) -> None:
    server.refuse["/firmware"] = [503, 500, 0]
    place = make()
    place.work.order(FetchFirmware(order(server.url("/firmware"), retries=5)))
    assert place.until(*ENDS) == ["Downloading"] * 3 + ["Downloaded", "SignatureVerified"]


def test_a_file_that_does_not_fit_is_not_fetched(server: FilesServer, make: Callable[..., Place]) -> None:
    place = make(max_bytes=len(FIRMWARE) - 1)
    place.work.order(FetchFirmware(order(server.url("/firmware"))))
    assert place.until(*ENDS) == ["Downloading", "DownloadFailed"]
    assert place.left() == []


def test_firmware_leaves_the_outbox_its_space(server: FilesServer, make: Callable[..., Place]) -> None:
    place = make(spared=1 << 60)
    place.work.order(FetchFirmware(order(server.url("/firmware"))))
    assert place.until(*ENDS) == ["Downloading", "DownloadFailed"]


def test_a_server_that_says_nothing_or_is_not_there_fails(server: FilesServer, make: Callable[..., Place]) -> None:
    server.silent.add("/firmware")
    place = make(transfer=Transfer(silence_s=0.2))
    place.work.order(FetchFirmware(order(server.url("/firmware"))))
    assert place.until(*ENDS) == ["Downloading", "DownloadFailed"]
    place.work.order(FetchFirmware(order("http://127.0.0.1:1/firmware")))
    assert place.until(*ENDS) == ["Downloading", "DownloadFailed"]


def test_a_download_that_was_given_up_is_heard_of_no_more(server: FilesServer, make: Callable[..., Place]) -> None:
    server.refuse["/missing"] = [404]
    place = make()
    place.work.order(FetchFirmware(order(server.url("/missing"), 1, retries=100, retry_s=3_600.0)))
    assert place.until("Downloading") == ["Downloading"]
    place.work.order(CancelFirmware())
    place.work.order(FetchFirmware(order(server.url("/firmware"), 2)))
    assert place.until(*ENDS) == ["Downloading", "Downloaded", "SignatureVerified"]
    assert place.left() == ["2.firmware"]


def test_firmware_that_went_bad_on_disk_is_not_installed(server: FilesServer, make: Callable[..., Place]) -> None:
    place, what = make(), order(server.url("/firmware"))
    for spoil in (lambda path: path.write_bytes(b"rotten"), lambda path: path.unlink()):
        place.work.order(FetchFirmware(what))
        place.until(*ENDS)
        spoil(place.data / "firmware" / "1.firmware")
        place.work.order(InstallFirmware(what))
        assert place.until("InstallVerificationFailed") == ["InstallVerificationFailed"]
    assert not place.installed.exists()


@pytest.mark.parametrize(
    "command",
    [
        ["false", "{file}"],
        ["/nowhere/install", "{file}"],
        [sys.executable, "-c", "import time; time.sleep(60)", "{file}"],
    ],
    ids=["fails", "is not there", "never ends"],
)
def test_an_installer_that_fails_is_told_so(
    server: FilesServer, make: Callable[..., Place], command: list[str]
) -> None:
    place, what = make(installer=CommandInstaller(command, [], 0.5)), order(server.url("/firmware"))
    place.work.order(FetchFirmware(what))
    place.until(*ENDS)
    place.work.order(InstallFirmware(what))
    assert place.until("InstallationFailed") == ["InstallationFailed"]


@pytest.mark.parametrize(
    ("confirm", "finished", "status"),
    [
        ([], True, "Installed"),
        ([], False, "InstallationFailed"),
        (["true"], False, "Installed"),
        (["false"], True, "InstallationFailed"),
    ],
)
def test_after_the_restart_the_confirming_command_has_the_last_word(
    make: Callable[..., Place], confirm: list[str], finished: bool, status: str
) -> None:
    place = make(installer=CommandInstaller(["true", "{file}"], confirm, 5.0))
    place.work.order(ConfirmFirmware(order("http://x/"), finished))
    assert place.until("Installed", "InstallationFailed") == [status]


def test_a_server_that_takes_for_ever_is_given_up(server: FilesServer, make: Callable[..., Place]) -> None:
    place = make(transfer=Transfer(longest_s=-1.0))
    place.work.order(FetchFirmware(order(server.url("/firmware"))))
    assert place.until(*ENDS) == ["Downloading", "DownloadFailed"]
    assert place.left() == []


def test_https_needs_an_authority_that_is_trusted(tmp_path: Path, make: Callable[..., Place]) -> None:
    valid = (datetime.now(UTC) - timedelta(days=1), datetime.now(UTC) + timedelta(days=1))
    authority = issue("Authority", ca=True, valid=valid)
    holder = issue("Server", authority, valid=valid, address="127.0.0.1")
    secure = FilesServer({"/firmware": FIRMWARE})
    secure.start(holder.write(tmp_path / "server.pem"))
    (tmp_path / "ca.pem").write_text(authority.pem)
    try:
        place = make(transfer=Transfer(str(tmp_path / "ca.pem")))
        place.work.order(FetchFirmware(order(secure.url("/firmware"))))
        assert place.until(*ENDS) == ["Downloading", "Downloaded", "SignatureVerified"]
        with pytest.raises(TransferError, match="CERTIFICATE_VERIFY_FAILED"):
            Transfer().put(secure.url("/log"), "log", LOG)
        assert secure.received == {}
    finally:
        secure.stop()


# -- logs -------------------------------------------------------------------------------------------------------------

SENT = ("Uploaded", "UploadFailure", "PermissionDenied", "BadMessage", "NotSupportedOperation")


def upload(url: str, number: int = 1, retries: int = 0, retry_s: float = 0.0) -> UploadLog:
    return UploadLog(LogOrder(number, url, "log 1.tar.gz", retries, retry_s))


@pytest.mark.parametrize(("path", "there"), [("/logs/mine", "/logs/mine"), ("/logs/", "/logs/log%201.tar.gz")])
def test_a_log_is_put_where_it_was_asked_for(
    server: FilesServer, make: Callable[..., Place], path: str, there: str
) -> None:
    place = make()
    place.work.order(upload(server.url(path)))
    assert place.until(*SENT) == ["Uploading", "Uploaded"]
    assert server.received == {there: LOG}
    assert place.left() == []


def test_the_account_in_a_url_is_sent_to_that_server_and_no_other(
    server: FilesServer, make: Callable[..., Place]
) -> None:
    other = FilesServer({"/elsewhere": FIRMWARE})
    other.start()
    try:
        server.moved["/firmware"] = other.url("/elsewhere")
        place = make()
        place.work.order(FetchFirmware(order(server.url("/firmware", "cs%3A1:p%40ss@"))))
        assert place.until(*ENDS) == ["Downloading", "Downloaded", "SignatureVerified"]
        assert server.asked == [("GET", "/firmware", "Basic Y3M6MTpwQHNz")]
        assert other.asked == [("GET", "/elsewhere", None)]
    finally:
        other.stop()


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (401, "PermissionDenied"),
        (403, "PermissionDenied"),
        (400, "BadMessage"),
        (405, "NotSupportedOperation"),
        (500, "UploadFailure"),
    ],
)
def test_a_server_that_refuses_a_log_is_understood(
    server: FilesServer, make: Callable[..., Place], code: int, status: str
) -> None:
    server.refuse["/log"] = [code]
    place = make()
    place.work.order(upload(server.url("/log"), retries=1))
    assert place.until(*SENT) == ["Uploading", "Uploading", status]
    assert server.received == {}


def test_a_newer_log_order_silences_the_older_one(server: FilesServer, make: Callable[..., Place]) -> None:
    server.refuse["/old"] = [503]
    place = make()
    place.work.order(upload(server.url("/old"), 1, retries=100, retry_s=3_600.0))
    assert place.until("Uploading") == ["Uploading"]
    place.work.order(upload(server.url("/new"), 2))
    assert place.until(*SENT) == ["Uploading", "Uploaded"]


def test_a_log_that_cannot_be_made_is_told_as_a_failure(tmp_path: Path) -> None:
    def broken(order: LogOrder) -> bytes:
        raise OSError("no space left")

    heard: queue.Queue[Progress] = queue.Queue()
    work = Work(tmp_path, Transfer(), broken, None, 1_000)
    work.start(heard.put)
    work.order(upload("http://127.0.0.1:1/"))
    assert heard.get(timeout=10).status == "UploadFailure"
    work.stop()
