"""The station's clock: the machine's own, the CSMS's where that one is wrong, and never behind what is on disk.

A Pi has no clock that runs while it is off. After a power cut it starts in the past until a time server is asked, and
there may be none. Then the CSMS's time counts (OCPP 2.0.1, B01: `currentTime`), and before that the last moment that
was written down: a limit with a date must not be lifted because the station believes that it is yesterday.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog

from edge.station.state import Now

log = structlog.get_logger(__name__)

#: The CSMS's time is taken when the machine's clock differs from it by more than this beside what the way may take, s.
TOLERANCE_S = 3.0
#: A CSMS that says it is earlier than this is wrong itself.
EARLIEST = datetime(2025, 1, 1, tzinfo=UTC)

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def boot_id() -> str:
    """Names the time since the machine was switched on: within it the monotonic clock goes on over restarts of ours."""
    try:
        return _BOOT_ID.read_text().strip()
    except OSError:
        return secrets.token_hex(16)  # then it goes on in this process only


def system_utc() -> datetime:
    """What the machine's wall clock shows."""
    return datetime.now(UTC)


def now() -> Now:
    """What the machine's clocks show, both of them."""
    return Now(system_utc(), time.monotonic())


class Clock:
    """Called, it tells the time, on both clocks. From any thread.

    system: the machine's wall clock. mono: its monotonic one, s.
    """

    def __init__(self, system: Callable[[], datetime] = system_utc, mono: Callable[[], float] = time.monotonic) -> None:
        self._system = system
        self._mono = mono
        self._earliest: Now | None = None
        self._csms: Now | None = None

    def __call__(self) -> Now:
        mono = self._mono()
        csms, earliest = self._csms, self._earliest
        utc = self._system() if csms is None else _at(csms, mono)
        return Now(utc if earliest is None else max(utc, _at(earliest, mono)), mono)

    def not_before(self, utc: datetime | None) -> None:
        """Never show less than this and the time that passes from now on, until the CSMS tells better.

        None: nothing is known.
        """
        if utc is None:
            return
        self._earliest = Now(utc, self._mono())
        behind_s = (utc - self._system()).total_seconds()
        if behind_s > 0:
            log.warning("the clock is behind what was written last; counted on from there", behind_s=round(behind_s, 1))

    def told(self, utc: datetime, asked_mono: float) -> None:
        """The CSMS has told the time, in answer to a call that was sent at asked_mono."""
        utc = utc.replace(tzinfo=UTC) if utc.tzinfo is None else utc
        if utc < EARLIEST:
            log.warning("the CSMS tells a time that cannot be", told=utc.isoformat())
            return
        mono = self._mono()
        doubt_s = max(0.0, mono - asked_mono) / 2
        word = Now(utc + timedelta(seconds=doubt_s), mono)
        tolerance = timedelta(seconds=TOLERANCE_S + doubt_s)
        shown = self().utc
        system_is_right = abs(self._system() - word.utc) <= tolerance
        if system_is_right:
            self._csms = None
        elif self._csms is None or abs(_at(self._csms, mono) - word.utc) > tolerance:
            self._csms = word
        self._earliest = None
        by_s = (self().utc - shown).total_seconds()
        if abs(by_s) > TOLERANCE_S:
            source = "the machine's" if system_is_right else "the CSMS's"
            log.warning("the clock was set", by_s=round(by_s, 1), to=source)


def _at(then: Now, mono: float) -> datetime:
    return then.utc + timedelta(seconds=mono - then.mono)
