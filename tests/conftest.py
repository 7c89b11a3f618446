"""What all tests share: plain log lines, and real brokers that can be killed."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import structlog

from deploy.local.broker import find_mosquitto, find_plugin, prepare
from protocol.mqtt import Broker
from tests.support import free_port, wait_for

# structlog's own choice draws tracebacks with all their variables, which takes seconds.
structlog.configure(
    processors=[
        structlog.stdlib.add_log_level,
        structlog.processors.format_exc_info,
        structlog.processors.LogfmtRenderer(),
    ]
)

PASSWORDS = {"csms": "secret", "cs-1": "secret"}


@dataclass
class BrokerProcess:
    """A broker in a process of its own, on a port of 127.0.0.1, with its data in a folder. keeps: survives a kill."""

    name: str
    argv: list[str]
    broker: Broker
    keeps: bool
    folder: Path
    process: subprocess.Popen[bytes] | None = field(default=None)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(self.argv, stdout=log, stderr=log)
        wait_for(self._listens)

    def kill(self) -> None:
        """As a power cut does."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        """As an operator does."""
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self.process is not None:
            os.kill(self.process.pid, how)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait(5)
            self.process = None

    def _listens(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            socket.create_connection((self.broker.host, self.broker.port), 1).close()
        except OSError:
            return False
        return True


def _make(name: str, folder: Path) -> Iterator[BrokerProcess]:
    folder.mkdir()
    program = find_mosquitto() if name == "mosquitto" else None
    if name == "mosquitto" and program is None:
        pytest.fail("mosquitto is not installed: tests/install-programs.sh installs it")
    port = free_port()
    plugin = find_plugin() if program is not None else None
    prepared = prepare(folder, "127.0.0.1", port, PASSWORDS, program, plugin)
    broker = Broker(port=port, username="csms", password=PASSWORDS["csms"])
    made = BrokerProcess(name, list(prepared.argv), broker, name == "mosquitto", folder)
    made.start()
    yield made
    made.kill()


@pytest.fixture
def mosquitto(tmp_path: Path) -> Iterator[BrokerProcess]:
    """As the demo configures it: accounts, rights, persistence."""
    yield from _make("mosquitto", tmp_path / "mosquitto")


@pytest.fixture
def iotcore(tmp_path: Path) -> Iterator[BrokerProcess]:
    """The one in a wheel, for the demo only."""
    yield from _make("iotcore", tmp_path / "iotcore")


@pytest.fixture(params=["mosquitto", "iotcore"])
def any_broker(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[BrokerProcess]:
    """Each of them in turn."""
    yield from _make(request.param, tmp_path / request.param)
