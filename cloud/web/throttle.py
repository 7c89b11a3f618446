"""Slows down whoever guesses passwords: each failure doubles the wait, for one e-mail from one address."""

from __future__ import annotations

import threading
from collections import OrderedDict
from datetime import datetime, timedelta
from typing import NamedTuple

#: Failures that cost nothing: people mistype.
FREE = 3
LONGEST = timedelta(minutes=15)
#: After this long without a failure all is forgotten.
MEMORY = timedelta(hours=1)
#: How many pairs are remembered; the oldest are dropped first, so that guessing cannot fill the memory.
MOST = 10_000


class _Failures(NamedTuple):
    many: int
    last: datetime


class Throttle:
    """In memory, one per process."""

    def __init__(self) -> None:
        self._failures: OrderedDict[tuple[str, str], _Failures] = OrderedDict()
        self._lock = threading.Lock()

    def wait(self, email: str, address: str, now: datetime) -> timedelta:
        """How long this pair has to wait before it may try again; zero for now."""
        with self._lock:
            failures = self._failures.get(_key(email, address))
        if failures is None or failures.many < FREE or now - failures.last > MEMORY:
            return timedelta(0)
        pause = min(LONGEST, timedelta(seconds=2 ** min(failures.many - FREE, 20)))
        return max(timedelta(0), failures.last + pause - now)

    def failed(self, email: str, address: str, now: datetime) -> None:
        key = _key(email, address)
        with self._lock:
            before = self._failures.pop(key, None)
            count = before.many if before is not None and now - before.last <= MEMORY else 0
            self._failures[key] = _Failures(count + 1, now)
            if len(self._failures) > MOST:
                self._failures.popitem(last=False)

    def succeeded(self, email: str, address: str) -> None:
        with self._lock:
            self._failures.pop(_key(email, address), None)


def _key(email: str, address: str) -> tuple[str, str]:
    return email.strip().lower(), address
