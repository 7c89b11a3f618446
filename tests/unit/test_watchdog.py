"""sd_notify(3) over a real socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.watchdog import Watchdog


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        listener.setblocking(False)
        yield listener


def said(listener: socket.socket) -> list[bytes]:
    lines = []
    while True:
        try:
            lines.append(listener.recv(1_000))
        except BlockingIOError:
            return lines


def test_systemd_hears_of_the_start_each_quarter_and_the_end(systemd: socket.socket) -> None:
    watchdog = Watchdog({"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "20000000"})
    watchdog.ready()
    for tenth in range(100, 250):
        watchdog.beat(tenth / 10)
    watchdog.stopping()
    assert said(systemd) == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1", b"WATCHDOG=1", b"STOPPING=1"]


def test_a_socket_without_a_file_is_known(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + str(tmp_path))
        Watchdog({"NOTIFY_SOCKET": f"@{tmp_path}"}).ready()
        assert listener.recv(100) == b"READY=1"


def test_a_watchdog_that_is_for_another_process_is_not_fed(systemd: socket.socket) -> None:
    environ = {"NOTIFY_SOCKET": systemd.getsockname(), "WATCHDOG_USEC": "1000000"}
    Watchdog({**environ, "WATCHDOG_PID": str(os.getpid() + 1)}).beat(1.0)
    assert said(systemd) == []
    Watchdog({**environ, "WATCHDOG_PID": str(os.getpid())}).beat(1.0)
    assert said(systemd) == [b"WATCHDOG=1"]


def test_without_systemd_or_its_socket_nothing_happens(tmp_path: Path) -> None:
    for environ in ({}, {"NOTIFY_SOCKET": str(tmp_path / "gone"), "WATCHDOG_USEC": "1000000"}):
        watchdog = Watchdog(environ)
        watchdog.ready()
        watchdog.beat(1.0)
        watchdog.stopping()
