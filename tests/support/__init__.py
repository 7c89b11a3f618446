"""What tests share: waiting for a condition, free ports, a real broker. No stand-ins for our own classes."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(what: Callable[[], T | None], timeout_s: float = 10.0, period_s: float = 0.02) -> T:
    """The first true answer of `what`. Raises AssertionError when there is none in time."""
    end = time.monotonic() + timeout_s
    while True:
        answer = what()
        if answer:
            return answer
        assert time.monotonic() < end, f"not within {timeout_s} s"
        time.sleep(period_s)
