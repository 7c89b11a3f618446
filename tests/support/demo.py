"""The demo as a person meets it: `python -m deploy.local` in its own process group, its API and its workbench."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

from tests.support import free_port, wait_for

Json = Any


class Demo:
    """A running demo. port: of the pages. data: its folder. options: more words for its command line."""

    def __init__(self, data: Path, *options: str, port: int | None = None) -> None:
        self.data = data
        self.port = port or free_ports()
        self._options = options
        self._process: subprocess.Popen[str] | None = None
        self._tokens: dict[str, str] = {}
        self._tapped: dict[str, float] = {}

    def start(self) -> None:
        command = [sys.executable, "-m", "deploy.local", "--port", str(self.port), "--data", str(self.data)]
        self.data.mkdir(parents=True, exist_ok=True)
        with (self.data / "demo.log").open("a") as log:
            self._process = subprocess.Popen(
                [*command, *self._options], stdout=log, stderr=log, text=True, start_new_session=True
            )
        wait_for(self._answers, 40)

    def stop(self) -> float:
        """SIGTERM. Answers how long it took, in seconds; checks that nothing of it is left."""
        assert self._process is not None
        started = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(10)
        taken = time.monotonic() - started
        wait_for(lambda: not group_lives(self._process.pid), 2)  # type: ignore[union-attr]
        self._process = None
        return taken

    def kill(self, name: str) -> int:
        """SIGKILL one of its processes. Answers its process id."""
        pid = self.pid(name)
        assert pid is not None, f"{name} does not run"
        os.kill(pid, signal.SIGKILL)
        return pid

    def pid(self, name: str) -> int | None:
        """The process id of one of its processes; None while it does not run."""
        for line in (self.data / "pids").read_text().splitlines():
            child, _, pid = line.partition(" ")
            if child == name:
                return None if pid == "-" else int(pid)
        raise AssertionError(f"no process {name}")

    def restarted(self, name: str, old: int) -> int:
        """Wait until the supervisor has started it again."""
        return wait_for(lambda: pid if (pid := self.pid(name)) not in (None, old) else None, 15)

    # -- the API --

    def call(self, method: str, path: str, body: Json = None, *, user: str = "operator") -> tuple[int, Json]:
        """One request of a demo user, logged in with a token. Answers the status and the JSON."""
        return self.request(method, f"/api/v1{path}", body, {"Authorization": f"Bearer {self._token(user)}"})

    def request(
        self, method: str, path: str, body: Json = None, headers: dict[str, str] | None = None, *, port: int = 0
    ) -> tuple[int, Json]:
        url = f"http://127.0.0.1:{port or self.port}{path}"
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            url, data, {"Content-Type": "application/json", **(headers or {})}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read() or b"null")
        except urllib.error.HTTPError as error:
            return error.code, json.loads(error.read() or b"null")

    def sessions(self, **filters: str) -> list[Json]:
        query = "&".join(f"{key}={value}" for key, value in filters.items())
        status, answer = self.call("GET", f"/sessions?{query}")
        assert status == 200, answer
        return list(answer["sessions"])

    def session(self, id: str) -> Json:
        status, answer = self.call("GET", f"/sessions/{id}")
        assert status == 200, answer
        return answer

    def evse(self, station: str, number: int = 1) -> Json:
        status, answer = self.call("GET", f"/stations/{station}")
        assert status == 200, answer
        return next(evse for evse in answer["evses"] if evse["number"] == number)

    def wait_status(self, station: str, status: str, timeout_s: float = 30, number: int = 1) -> Json:
        """Wait for an EVSE's status word, and answer the EVSE."""
        return wait_for(
            lambda: evse if (evse := self.evse(station, number))["status"] == status else None, timeout_s, 0.2
        )

    # -- the workbench --

    def do(self, station: str, deed: str, **body: Json) -> float:
        """plug, unplug, meter or weld at a station's bench. Answers when that was, s on the monotonic clock."""
        status, answer = self.request("POST", f"/stations/{station}/{deed}", body, port=self.port + 3)
        assert status == 200, answer
        return float(answer["at"])

    def tap(self, station: str, uid: str) -> float:
        """Hold a card to the reader, as soon as the one before has been away for so long that this is another tap."""
        time.sleep(max(0.0, self._tapped.get(station, 0.0) + 1.5 - time.monotonic()))
        self._tapped[station] = time.monotonic()
        return self.do(station, "tap", uid=uid)

    def seen(self, station: str, number: int = 1) -> Json:
        """What is to be seen at an EVSE on the workbench."""
        status, answer = self.request("GET", "/state", port=self.port + 3)
        assert status == 200, answer
        shown = next(shown for shown in answer["stations"] if shown["id"] == station)
        return shown["evses"][number - 1]

    def _token(self, user: str) -> str:
        if user not in self._tokens:
            login = {"email": f"{user}@demo.test", "password": "colonnina"}
            status, answer = self.request("POST", "/api/v1/auth/token", login)
            assert status == 200, answer
            self._tokens[user] = answer["token"]
        return self._tokens[user]

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self.data / "demo.log").read_text()
        try:
            return self.request("GET", "/healthz")[0] == 200 and bool(self.request("GET", "/state", port=self.port + 3))
        except OSError:
            return False


def free_ports() -> int:
    """A port that is free, as are the five after it."""
    while True:
        port = free_port()
        try:
            for offset in range(1, 6):
                _bind(port + offset)
        except OSError:
            continue
        if port < 65_000:
            return port


def _bind(port: int) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", port))


def group_lives(group: int) -> bool:
    """Whether any process of this process group is left."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True
