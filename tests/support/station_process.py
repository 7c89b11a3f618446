"""A station as systemd runs it: a process of its own, a bench behind its ports, a broker, and a CSMS that agrees."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from deploy.local.plan import Plan, station_toml
from hardware.emulators.bench import StationBench
from protocol import topics
from protocol.envelope import Call, CallResult, decode, encode
from protocol.messages import Version, make_request, make_response
from protocol.mqtt import Broker, Link, Message
from tests.support import wait_for
from wiring import pins

STATION = "cs-1"


class AgreeingCsms:
    """Accepts whatever a station calls. told: (action, payload) of those. answers: to calls of its own."""

    def __init__(self, broker: Broker) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.answers: dict[str, dict[str, Any]] = {}
        self._link = Link(
            broker, "a-csms", on_message=self._arrived, subscriptions=(topics.up(STATION),), session_expiry_s=0
        )
        self._calls = 0

    def start(self) -> None:
        self._link.start()
        assert self._link.wait_up(10)

    def stop(self) -> None:
        self._link.stop()

    def call(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        self._calls += 1
        frame = encode(Call(f"c-{self._calls}", action, make_request(Version.V201, action, payload)))
        self._link.publish(topics.down(STATION), frame)
        return wait_for(lambda: self.answers.get(f"c-{self._calls}"))

    def heard(self, action: str) -> list[dict[str, Any]]:
        return [payload for told, payload in list(self.told) if told == action]

    def _arrived(self, message: Message) -> None:
        read = decode(message.payload)
        message.ack()
        if isinstance(read, CallResult):
            self.answers[read.message_id] = msgspec.json.decode(read.payload)
        elif isinstance(read, Call):
            self.told.append((read.action, msgspec.json.decode(read.payload)))
            time = datetime.now(UTC).isoformat()
            answer: dict[str, dict[str, Any]] = {
                "Authorize": {"idTokenInfo": {"status": "Accepted"}},
                "BootNotification": {"currentTime": time, "interval": 60, "status": "Accepted"},
                "Heartbeat": {"currentTime": time},
            }
            response = make_response(Version.V201, read.action, answer.get(read.action, {}))
            self._link.publish(topics.down(STATION), encode(CallResult(read.message_id, response)))


class StationProcess:
    """more: added to its configuration. said: what systemd would have heard of it (sd_notify)."""

    def __init__(self, folder: Path, mqtt_port: int, more: str = "") -> None:
        plan = Plan(mqtt_port - 2, 1, 1.0, folder)
        (demo,) = plan.demo_stations
        self.data = folder / "stations" / STATION
        self.config = folder / "station.toml"
        self.config.write_text(station_toml(plan, demo, "secret") + more)
        self.bench = StationBench(plan.bench_folder(demo.id), demo.bench, pins=pins.load())
        self.said: list[bytes] = []
        self._log = folder / "said"
        self._notify = folder / "notify"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """What does not change when the process starts anew."""
        self.bench.start()
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._listener.bind(str(self._notify))
        self._thread = threading.Thread(target=self._listen)
        self._thread.start()

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ending:
            ending.sendto(b"", str(self._notify))
        self._thread.join()
        self._listener.close()
        self.bench.stop()

    def run(self) -> None:
        """Start the process, and wait until its loop goes round."""
        before = self.said.count(b"READY=1")
        environ = {**os.environ, "NOTIFY_SOCKET": str(self._notify), "WATCHDOG_USEC": "1000000"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command("run"), env=environ, stdout=log, stderr=log)
        wait_for(lambda: self.said.count(b"READY=1") > before, 30)

    def terminate(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """As the watchdog does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def ended(self) -> int:
        """Its exit code, once it has ended by itself."""
        assert self._process is not None
        code, self._process = self._process.wait(30), None
        return code

    def do(self, command: str) -> tuple[int, list[str]]:
        """Another command of the same program: its exit code and lines."""
        done = subprocess.run(self._command(command), capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, (done.stdout + done.stderr).splitlines()

    def _command(self, command: str) -> list[str]:
        return [sys.executable, "-m", "edge.main", command, "--config", str(self.config)]

    def _listen(self) -> None:
        while line := self._listener.recv(100):
            self.said.append(line)
