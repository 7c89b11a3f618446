"""Threads that look after one device each: they take it up, ask it again and again, and take it up anew when lost."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog

from hardware.ports import Device

log = structlog.get_logger(__name__)

#: Pause before a lost device is taken up again, s.
RETRY_S = 0.5


class Poller:
    """Asks one device, for ever.

    poll: asks it once; raises DeviceError when it is lost. period_s: between two questions; 0 where the question itself
    takes its time. patience_s: how long it may be lost before that is told. lost, found: told once for each loss.
    up: it has been started already.
    """

    def __init__(
        self,
        name: str,
        device: Device,
        poll: Callable[[], None],
        *,
        period_s: float,
        patience_s: float = 0.0,
        lost: Callable[[], None] = lambda: None,
        found: Callable[[], None] = lambda: None,
        up: bool = False,
    ) -> None:
        self._name = name
        self._device = device
        self._poll = poll
        self._period_s = period_s
        self._patience_s = patience_s
        self._lost = lost
        self._found = found
        self._up = up
        self._stopping = threading.Event()
        self._hurry = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def hurry(self) -> None:
        """Ask now; do not wait for the period's end."""
        self._hurry.set()

    def stop(self) -> None:
        """End the thread and let go of the device."""
        self._stopping.set()
        self._hurry.set()
        self._thread.join(3)

    def _run(self) -> None:
        well = time.monotonic()
        told = False
        up = self._up
        while not self._stopping.is_set():
            self._hurry.clear()
            try:
                if not up:
                    self._device.start()
                    up = True
                self._poll()
            except Exception as error:  # noqa: BLE001 - whatever went wrong, a meter that is not read must not go unnoticed
                if not told and time.monotonic() - well >= self._patience_s:
                    told = True
                    log.error("device lost", device=self._name, why=str(error))
                    self._lost()
                if up:
                    self._device.stop()
                    up = False
                self._hurry.wait(RETRY_S)
                continue
            well = time.monotonic()
            if told:
                told = False
                log.info("device is back", device=self._name)
                self._found()
            if self._period_s:
                self._hurry.wait(self._period_s)
        self._device.stop()


class Taps:
    """Tells a tap from a card that rests: a UID counts when it comes, and again once it was away.

    away_s: how long a card must be unseen to count as gone; a reader may miss it once.
    """

    def __init__(self, away_s: float = 0.4) -> None:
        self._away_s = away_s
        self._uid: str | None = None
        self._seen_mono = 0.0

    def see(self, uid: str | None, mono: float) -> str | None:
        """What the reader sees now. Answers a UID when that is a tap."""
        if uid is None:
            if self._uid is not None and mono - self._seen_mono >= self._away_s:
                self._uid = None
            return None
        tapped = uid if uid != self._uid else None
        self._uid, self._seen_mono = uid, mono
        return tapped
