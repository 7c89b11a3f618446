"""The doers: a thread for each job, one job of a kind at a time. `edge/station/job_orders.py` has what is ordered."""

from __future__ import annotations

import hashlib
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import structlog

from edge.jobs.installer import Installer, InstallError
from edge.jobs.transfer import GivenUpError, Transfer, TransferError, host
from edge.station.job_orders import (
    CancelFirmware,
    ConfirmFirmware,
    FetchFirmware,
    FirmwareOrder,
    FirmwareProgress,
    InstallFirmware,
    JobAction,
    LogOrder,
    LogProgress,
    UploadLog,
)
from edge.station.signature import signed_by

log = structlog.get_logger(__name__)

Progress = LogProgress | FirmwareProgress
#: Free space that firmware leaves to the outbox and the rest of the station, bytes.
SPARED = 64 * 1024 * 1024
#: How long `stop` waits for a job to notice, s.
GOODBYE_S = 2.0
_LOG, _FIRMWARE = "log upload", "firmware"
#: UploadLogStatusEnumType for an HTTP status; any other is UploadFailure.
_REFUSALS = {
    **dict.fromkeys((401, 403, 407), "PermissionDenied"),
    **dict.fromkeys((400, 411, 413, 415, 422), "BadMessage"),
    **dict.fromkeys((404, 405, 410, 501), "NotSupportedOperation"),
}


class Work:
    """data: the station's folder. make_log: makes the log that is ordered.

    installer: None where nothing can be installed, which the station then refuses. max_bytes: of firmware.
    """

    def __init__(
        self,
        data: Path,
        transfer: Transfer,
        make_log: Callable[[LogOrder], bytes],
        installer: Installer | None,
        max_bytes: int,
        spared: int = SPARED,
    ) -> None:
        self._folder = data / "firmware"
        self._transfer = transfer
        self._make_log = make_log
        self._installer = installer
        self._max_bytes = max_bytes
        self._spared = spared
        self._report: Callable[[Progress], None] = lambda progress: None
        self._jobs: dict[str, _Job] = {}

    def start(self, report: Callable[[Progress], None]) -> None:
        """report: takes progress, from any thread."""
        self._report = report

    def stop(self) -> None:
        """Give up what can be given up. An installation goes on; the next start finds out how it went."""
        for job in self._jobs.values():
            job.cancelled.set()
        for job in self._jobs.values():
            job.thread.join(GOODBYE_S)

    def order(self, action: JobAction) -> None:
        match action:
            case UploadLog():
                broken = LogProgress(action.order.request_id, "UploadFailure")
                self._begin(_LOG, lambda job: self._upload(action.order, job), broken)
            case CancelFirmware():
                self._cancel(_FIRMWARE)
            case FetchFirmware():
                self._begin_firmware(action.order, lambda job: self._fetch(action.order, job), "DownloadFailed")
            case InstallFirmware():
                self._begin_firmware(action.order, lambda job: self._install(action.order, job), "InstallationFailed")
            case ConfirmFirmware():
                self._begin_firmware(action.order, lambda job: self._confirm(action, job), "InstallationFailed")

    def _begin_firmware(self, order: FirmwareOrder, work: Callable[[_Job], None], broken: str) -> None:
        self._begin(_FIRMWARE, work, FirmwareProgress(order.request_id, broken))

    def _begin(self, kind: str, work: Callable[[_Job], None], failed: Progress) -> None:
        self._cancel(kind)
        job = self._jobs[kind] = _Job(kind, work, failed, self._report, after=self._jobs.get(kind))
        job.thread.start()

    def _cancel(self, kind: str) -> None:
        if kind in self._jobs:
            self._jobs[kind].cancelled.set()

    # -- each in a thread of its own --

    def _upload(self, order: LogOrder, job: _Job) -> None:
        data = self._make_log(order)
        status = "UploadFailure"
        for _ in job.tries(order.retries, order.retry_s):
            job.tell(LogProgress(order.request_id, "Uploading"))
            try:
                self._transfer.put(order.location, order.filename, data)
            except TransferError as error:
                status = _REFUSALS.get(error.code or 0, "UploadFailure")
                log.warning("a log was not sent", host=host(order.location), why=str(error))
                continue
            log.info("a log was sent", host=host(order.location), bytes=len(data))
            status = "Uploaded"
            break
        job.tell(LogProgress(order.request_id, status))

    def _fetch(self, order: FirmwareOrder, job: _Job) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        part = self._folder / f"{order.request_id}.part"
        for old in self._folder.iterdir():
            old.unlink(missing_ok=True)
        for _ in job.tries(order.retries, order.retry_s):
            job.tell(FirmwareProgress(order.request_id, "Downloading"))
            try:
                bound = min(self._max_bytes, max(0, shutil.disk_usage(self._folder).free - self._spared))
                digest = self._transfer.fetch(order.location, part, bound, job.cancelled)
            except TransferError as error:
                log.warning("firmware was not fetched", host=host(order.location), why=str(error))
                part.unlink(missing_ok=True)
                continue
            log.info("firmware was fetched", bytes=part.stat().st_size, sha256=digest.hex())
            self._stage(order, part, digest, job)
            return
        job.tell(FirmwareProgress(order.request_id, "DownloadFailed"))

    def _stage(self, order: FirmwareOrder, part: Path, digest: bytes, job: _Job) -> None:
        """Give a file that is whole and, where it must be, signed, the name by which it is installed."""
        if order.signature:
            job.tell(FirmwareProgress(order.request_id, "Downloaded"))
            if not signed_by(order.certificate, order.signature, digest):
                part.unlink()
                job.tell(FirmwareProgress(order.request_id, "InvalidSignature"))
                return
        part.replace(self._staged(order))
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
        job.tell(FirmwareProgress(order.request_id, "SignatureVerified" if order.signature else "Downloaded"))

    def _install(self, order: FirmwareOrder, job: _Job) -> None:
        assert self._installer is not None, "the station refuses what it cannot install"
        path = self._staged(order)
        if not self._good(order, path):
            job.tell(FirmwareProgress(order.request_id, "InstallVerificationFailed"))
            return
        status = "InstallRebooting"
        try:
            self._installer.install(path)
            log.info("firmware was installed")
        except InstallError as error:
            log.error("firmware was not installed", why=str(error))
            status = "InstallationFailed"
        finally:
            path.unlink()
        job.tell(FirmwareProgress(order.request_id, status))

    def _confirm(self, action: ConfirmFirmware, job: _Job) -> None:
        status = "Installed"
        try:
            if self._installer is None:
                raise InstallError("no installer is configured any more")
            self._installer.confirm(finished=action.finished)
        except InstallError as error:
            log.error("the new firmware does not run", why=str(error))
            status = "InstallationFailed"
        job.tell(FirmwareProgress(action.order.request_id, status))

    def _staged(self, order: FirmwareOrder) -> Path:
        return self._folder / f"{order.request_id}.firmware"

    @staticmethod
    def _good(order: FirmwareOrder, path: Path) -> bool:
        """Whether the file is still what was checked: days may have passed, and a card may have gone bad."""
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").digest()
        except OSError as error:
            log.error("the fetched firmware is gone", why=str(error))
            return False
        return not order.signature or signed_by(order.certificate, order.signature, digest)


class _Job:
    """One job in its thread. failed: what is told when its work raises what nobody thought of. after: it waits for."""

    def __init__(
        self,
        kind: str,
        work: Callable[[_Job], None],
        failed: Progress,
        report: Callable[[Progress], None],
        after: _Job | None,
    ) -> None:
        self.cancelled = threading.Event()
        self.thread = threading.Thread(target=self._run, name=kind, daemon=True)
        self._kind = kind
        self._work = work
        self._failed = failed
        self._report = report
        self._after = after

    def tell(self, progress: Progress) -> None:
        """Raises GivenUpError when nobody wants to hear it any more."""
        if self.cancelled.is_set():
            raise GivenUpError
        self._report(progress)

    def tries(self, retries: int, pause_s: float) -> Iterator[int]:
        """One try and so many more, with a pause before each of those. Raises GivenUpError."""
        for number in range(retries + 1):
            if number and self.cancelled.wait(pause_s):
                raise GivenUpError
            yield number

    def _run(self) -> None:
        after, self._after = self._after, None
        if after is not None:
            after.thread.join()
        try:
            self._work(self)
        except GivenUpError:
            log.info("given up", job=self._kind)
        except Exception as error:
            log.exception("a job broke", job=self._kind, why=str(error))
            if not self.cancelled.is_set():
                self._report(self._failed)
