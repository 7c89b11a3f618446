"""The web process: that it ends in time whatever is going on, and says what is wrong when it cannot begin."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from cloud.web.serve import PortError, check_port
from tests.support import free_port, wait_for
from tests.support.page_world import PASSWORD, a_broker, answers, fetch

PROGRAM = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from cloud.commands import Commands
from cloud.series.sqlite import SqliteSeries
from cloud.store.registry import ConnectorSpec, EvseSpec, add_station, add_user
from cloud.store.store import Store
from tests.support import free_port, wait_for
from cloud.web.serve import run
from cloud.web.services import Services
from protocol.mqtt import Broker

folder, port, broker = Path(sys.argv[1]), int(sys.argv[2]), Broker(port=int(sys.argv[3]))
now = lambda: datetime.now(UTC)
store, series = Store(f"sqlite:///{folder}/csms.sqlite"), SqliteSeries(folder / "series.sqlite")
store.start()
series.start()
with store.write() as connection:
    add_user(connection, "operator@colonnina.test", sys.argv[4], "operator", now())
    add_station(connection, "cs-1", [EvseSpec(1, (ConnectorSpec(1),))], now())
commands = Commands(store, now=now, wake=lambda: None, heartbeat_s=60, timeout_s=30)
run(Services(store, series, commands, now, 60, lambda: {}, "secret", broker), broker, "127.0.0.1", port)
series.stop()
store.stop()
print("ended cleanly")
"""


def log_in(origin: str) -> str:
    body = f'{{"email": "operator@colonnina.test", "password": "{PASSWORD}"}}'.encode()
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(f"{origin}/api/v1/auth/token", body, headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return str(msgspec.json.decode(answer.read())["token"])


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_ends_within_three_seconds_with_streams_open_and_commands_waiting(
    tmp_path: Path, number: signal.Signals
) -> None:
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    with a_broker(tmp_path) as broker:
        arguments = [sys.executable, "-c", PROGRAM, tmp_path, str(port), str(broker.port), PASSWORD]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            wait_for(lambda: answers(port))
            token = log_in(origin)
            head = f"Host: x\r\nAuthorization: Bearer {token}\r\n"
            streams = [socket.create_connection(("127.0.0.1", port)) for _ in range(3)]
            for stream in streams:
                stream.sendall(f"GET /api/v1/events HTTP/1.1\r\n{head}\r\n".encode())
                assert stream.recv(12) == b"HTTP/1.1 200"
            blocked = socket.create_connection(("127.0.0.1", port))
            call = f"POST /api/v1/stations/cs-1/calls/ClearCache HTTP/1.1\r\n{head}Content-Length: 0\r\n\r\n"
            blocked.sendall(call.encode())
            assert fetch(f"{origin}/api/v1/stations", token)["stations"][0]["id"] == "cs-1"
            began = time.monotonic()
            process.send_signal(number)
            out, errors = process.communicate(timeout=10)
            assert time.monotonic() - began < 3
            # Whoever waits for a station is told so; the one who stops us does not wait.
            assert blocked.recv(12) == b"HTTP/1.1 200"
            for connection in (*streams, blocked):
                connection.close()
            assert process.returncode == 0
            assert out.splitlines()[-1] == "ended cleanly"
            assert errors == ""


def test_a_port_in_use_is_said_so_that_a_person_can_act() -> None:
    with closing(socket.socket()) as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(PortError) as error:
            check_port("127.0.0.1", port)
        assert str(error.value) == (
            f"cannot listen at 127.0.0.1:{port}: Address already in use. Stop what uses the port, or choose another."
        )
