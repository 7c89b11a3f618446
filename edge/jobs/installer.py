"""What installs firmware: a command of whoever made the machine's image, behind a port of two methods."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from protocol.errors import ColonninaError

#: Of what a command wrote, so many characters are quoted when it failed.
QUOTED = 500


class InstallError(ColonninaError, RuntimeError):
    """Firmware could not be installed."""


class Installer(Protocol):
    def install(self, path: Path) -> None:
        """Install a whole and checked file. When it returns, a restart brings the new firmware. Raises InstallError."""

    def confirm(self, *, finished: bool) -> None:
        """After that restart: raises InstallError when it is not the new firmware that runs. finished: see
        `ConfirmFirmware`."""


class CommandInstaller:
    """Runs commands. install: "{file}" stands for the firmware's path. confirm: exit code 0 says that all is well.

    With no confirm, what the first command said counts. timeout_s: after this time a command has failed.
    """

    def __init__(self, install: Sequence[str], confirm: Sequence[str], timeout_s: float) -> None:
        self._install = install
        self._confirm = confirm
        self._timeout_s = timeout_s

    def install(self, path: Path) -> None:
        self._run([part.replace("{file}", str(path)) for part in self._install])

    def confirm(self, *, finished: bool) -> None:
        if self._confirm:
            self._run(self._confirm)
        elif not finished:
            raise InstallError("the installation was broken off")

    def _run(self, command: Sequence[str]) -> None:
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise InstallError(str(error)) from error
        with process:
            try:
                said, _ = process.communicate(timeout=self._timeout_s)
            except subprocess.TimeoutExpired as error:
                os.killpg(process.pid, signal.SIGKILL)
                raise InstallError(f"{command[0]} did not end within {self._timeout_s:.0f} s") from error
        if process.returncode != 0:
            quoted = said.decode("utf-8", "replace").strip()[-QUOTED:]
            raise InstallError(f"{command[0]} ended with {process.returncode}: {quoted}")
