"""Tells systemd that the station's loop goes round (sd_notify(3)); without systemd it says nothing.

`WATCHDOG=1` comes from the very loop that drives the contactors: when that hangs, systemd ends the process, and
`ExecStopPost` opens them (deploy/systemd/).
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Mapping


class Watchdog:
    """environ: as systemd sets it: NOTIFY_SOCKET, WATCHDOG_USEC, WATCHDOG_PID. None: nobody listens."""

    def __init__(self, environ: Mapping[str, str] | None = None) -> None:
        environ = environ or {}
        self._address = environ.get("NOTIFY_SOCKET", "")
        for_us = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        #: Seconds without a sign after which systemd acts; 0: it does not.
        self.patience_s = int(environ.get("WATCHDOG_USEC", "0")) / 1_000_000 if for_us else 0.0
        self._next_mono = 0.0

    def ready(self) -> None:
        """All devices on pins are taken up."""
        self._say("READY=1")

    def beat(self, mono: float) -> None:
        """The loop has come round. mono: the monotonic clock. Says so four times as often as it must."""
        if self.patience_s > 0 and mono >= self._next_mono:
            self._next_mono = mono + self.patience_s / 4
            self._say("WATCHDOG=1")

    def stopping(self) -> None:
        """The loop has ended; the contactors are about to be opened."""
        self._say("STOPPING=1")

    def _say(self, state: str) -> None:
        if not self._address:
            return
        address = "\0" + self._address[1:] if self._address.startswith("@") else self._address
        # A full or missing socket must not stop the loop: systemd notices by itself that nothing comes.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
            channel.setblocking(False)
            channel.sendto(state.encode("ascii"), address)
