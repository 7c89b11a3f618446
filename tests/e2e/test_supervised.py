"""A station as systemd runs it: it says that it is alive, sends its logs, installs firmware, and is made safe."""

from __future__ import annotations

import io
import sys
import tarfile
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest

from hardware.emulators.vehicle import Vehicle
from tests.conftest import BrokerProcess
from tests.support import wait_for
from tests.support.files_server import FilesServer
from tests.support.signing import issue
from tests.support.station_process import STATION, AgreeingCsms, StationProcess

NOW = datetime.now(UTC)
VALID = (NOW - timedelta(days=1), NOW + timedelta(days=1))
ROOT = issue("Manufacturer", ca=True, valid=VALID)
SIGNER = issue("Signer", ROOT, valid=VALID)
FIRMWARE = b"new firmware " * 10_000
INSTALLER = """
import pathlib, sys
pathlib.Path(sys.argv[2]).write_bytes(pathlib.Path(sys.argv[1]).read_bytes())
"""


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    return tmp_path / "installed"


@pytest.fixture
def station(tmp_path: Path, mosquitto: BrokerProcess, installed: Path) -> Iterator[StationProcess]:
    (tmp_path / "root.pem").write_text(ROOT.pem)
    (tmp_path / "install.py").write_text(INSTALLER)
    command = [sys.executable, str(tmp_path / "install.py"), "{file}", str(installed)]
    more = f'[firmware]\nroot = "{tmp_path / "root.pem"}"\ninstall = {command}\n'
    running = StationProcess(tmp_path, mosquitto.broker.port, more)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def csms(mosquitto: BrokerProcess) -> Iterator[AgreeingCsms]:
    running = AgreeingCsms(mosquitto.broker)
    running.start()
    yield running
    running.stop()


@pytest.fixture
def server() -> Iterator[FilesServer]:
    running = FilesServer({"/firmware": FIRMWARE})
    running.start()
    yield running
    running.stop()


def test_its_loop_says_that_it_goes_round_until_it_is_told_to_stop(station: StationProcess) -> None:
    station.run()
    wait_for(lambda: station.said.count(b"WATCHDOG=1") >= 3)
    station.terminate()
    assert station.ended() == 0
    assert (station.said[0], station.said[-1]) == (b"READY=1", b"STOPPING=1")


def test_firmware_is_installed_and_the_next_start_says_so(
    station: StationProcess, csms: AgreeingCsms, server: FilesServer, installed: Path
) -> None:
    station.run()
    wait_for(lambda: csms.heard("StatusNotification"), 20)
    order = {
        "location": server.url("/firmware"),
        "retrieveDateTime": NOW.isoformat(),
        "signingCertificate": SIGNER.pem,
        "signature": SIGNER.sign(FIRMWARE),
    }
    assert csms.call("UpdateFirmware", {"requestId": 5, "firmware": order}) == {"status": "Accepted"}
    assert station.ended() == 0
    assert installed.read_bytes() == FIRMWARE
    station.run()
    wait_for(lambda: {"status": "Installed", "requestId": 5} in csms.heard("FirmwareStatusNotification"), 20)
    statuses = [told["status"] for told in csms.heard("FirmwareStatusNotification")]
    # What was on its way when the station left is told again: at least once, in order.
    assert [status for status, _ in groupby(statuses)] == [
        *("Downloading", "Downloaded", "SignatureVerified", "Installing", "InstallRebooting", "Installed")
    ]
    assert [told["reason"] for told in csms.heard("BootNotification")] == ["PowerUp", "FirmwareUpdate"]
    wait_for(lambda: csms.heard("SecurityEventNotification"))
    assert [told["type"] for told in csms.heard("SecurityEventNotification")] == ["FirmwareUpdated"]


def test_its_log_is_sent_to_where_the_csms_wants_it(
    station: StationProcess, csms: AgreeingCsms, server: FilesServer
) -> None:
    station.run()
    wait_for(lambda: csms.heard("StatusNotification"), 20)
    log = {"remoteLocation": server.url("/logs/", "cs-1:secret-pass@")}
    reply = csms.call("GetLog", {"requestId": 9, "logType": "DiagnosticsLog", "log": log})
    assert reply["status"] == "Accepted"
    wait_for(lambda: {"status": "Uploaded", "requestId": 9} in csms.heard("LogStatusNotification"), 20)
    with tarfile.open(fileobj=io.BytesIO(server.received[f"/logs/{reply['filename']}"])) as bundle:
        parts = {entry.name: bundle.extractfile(entry).read().decode() for entry in bundle}  # type: ignore[union-attr]
    assert [name for name, text in parts.items() if text.startswith("cannot be had") or "secret-pass" in text] == []
    assert f"station={STATION}" in parts["log.txt"]


def test_a_station_that_is_not_there_is_made_safe(station: StationProcess) -> None:
    assert station.do("safe") == (
        0,
        ["ok   EVSE 1, connector 1: contactor: off", "ok   EVSE 1, connector 1: pilot: off"],
    )


def test_contacts_that_stayed_closed_when_it_was_killed_are_found(station: StationProcess, csms: AgreeingCsms) -> None:
    station.run()
    wait_for(lambda: csms.heard("StatusNotification"), 20)
    station.bench.plug(1, 1, Vehicle())
    station.bench.tap("04A1B2C3D4E5F6")
    wait_for(lambda: closed(station), 20)
    station.bench.weld(1, 1, True)
    station.kill()
    code, lines = station.do("safe")
    assert (code, lines[0]) == (
        1,
        "BAD  EVSE 1, connector 1: contactor: its contacts are closed though its coil is off: "
        "welded, or the feedback wire is off",
    )
    station.bench.weld(1, 1, False)
    assert not closed(station)
    assert station.do("safe")[0] == 0


def closed(station: StationProcess) -> bool:
    connector = station.bench.snapshot()["evses"][0]["connectors"][0]
    return bool(connector["closed"])
