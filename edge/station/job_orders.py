"""Work that takes long: the orders for it, and what is heard of it. Values only; `jobs.py` has the rules.

An order is carried out beside the loop, by `edge/jobs/`; how it goes comes back as an event.
"""

from __future__ import annotations

from datetime import datetime
from typing import Protocol

import msgspec


class JobRules(msgspec.Struct, frozen=True):
    """What this station can do. uploads: send logs. installs: install firmware.

    roots: certificates of those whose firmware is trusted, PEM. unsigned: firmware without a signature is taken, too.
    """

    uploads: bool = False
    installs: bool = False
    roots: str = ""
    unsigned: bool = False


class LogOrder(msgspec.Struct, frozen=True):
    """A log to be made and sent. location: URL. retries: after the first try. retry_s: the pause before each.

    oldest, latest: what it is to hold; None: no bound.
    """

    request_id: int
    location: str
    filename: str
    retries: int
    retry_s: float
    oldest: datetime | None = None
    latest: datetime | None = None


class FirmwareOrder(msgspec.Struct, frozen=True):
    """Firmware to be fetched and installed. location: URL. retrieve_at, install_at: not before; None: at once.

    certificate: PEM, of who signed it. signature: of the file, Base64. Both are empty for firmware without.
    """

    request_id: int
    location: str
    retrieve_at: datetime
    install_at: datetime | None
    retries: int
    retry_s: float
    certificate: str = ""
    signature: str = ""


class Firmware(msgspec.Struct, frozen=True):
    """An order and how far it is. status: told last (FirmwareStatusEnumType); empty: nothing yet.

    due: the time to install it has come.
    """

    order: FirmwareOrder
    status: str = ""
    due: bool = False


# -- events -----------------------------------------------------------------------------------------------------------


class LogProgress(msgspec.Struct, frozen=True):
    """How the upload of a log goes. status: UploadLogStatusEnumType."""

    request_id: int
    status: str


class FirmwareProgress(msgspec.Struct, frozen=True):
    """How the fetching or the installation of firmware goes. status: FirmwareStatusEnumType."""

    request_id: int
    status: str


# -- actions ----------------------------------------------------------------------------------------------------------


class UploadLog(msgspec.Struct, frozen=True):
    """Make a log and send it. An upload that is under way is given up. Its progress ends with any but Uploading."""

    order: LogOrder


class FetchFirmware(msgspec.Struct, frozen=True):
    """Fetch firmware and check its signature. One that is being fetched is given up.

    Its progress ends with SignatureVerified, or Downloaded when there is no signature, or a failure.
    """

    order: FirmwareOrder


class CancelFirmware(msgspec.Struct, frozen=True):
    """Give up fetching firmware."""


class InstallFirmware(msgspec.Struct, frozen=True):
    """Install what was fetched. Its progress ends with InstallRebooting: all is ready for a restart; or a failure."""

    order: FirmwareOrder


class ConfirmFirmware(msgspec.Struct, frozen=True):
    """Find out after a restart what became of an installation: progress is Installed or InstallationFailed.

    finished: whether the installer had said that all went well.
    """

    order: FirmwareOrder
    finished: bool


JobAction = UploadLog | FetchFirmware | CancelFirmware | InstallFirmware | ConfirmFirmware


class Jobs(Protocol):
    """Does what takes long, beside the loop."""

    def order(self, action: JobAction) -> None:
        """Begin it, and come back at once. How it goes is told by LogProgress and FirmwareProgress."""
