"""The diagnostics bundle: secrets and cards planted wherever they can be, and none of them comes out."""

from __future__ import annotations

import json
import subprocess
import sys
import tarfile
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge import diagnostics
from edge.config import StationFile, load
from edge.outbox import SqliteOutbox
from edge.station.job_orders import Firmware, FirmwareOrder, LogOrder
from edge.station.kept import Counters, Kept, Reservation
from edge.station.ports import Save, Send
from edge.station.state import Transaction
from edge.station.tokens import IdToken
from protocol.errors import SettingsError

NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
#: Every one of these is planted somewhere, and must be nowhere in a bundle.
SECRETS = {
    *("hunter2", "master-of-all", "04A1B2C3D4E5F6", "A1B2C3D4", "04AABBCCDDEEFF00112233"[:20], "DE-ABC-C123456-X"),
    *("reserved-one", "family-group", "upload-pass", "sig-token-99", "fetch-pass", "basic-auth-pass"),
}
TOML = """
[station]
id = "cs-1"
data = "{data}"
[broker]
host = "broker.example"
username = "cs-1"
password = "hunter2"
[authorization]
master_pass_group_id = "master-of-all"
[[evse]]
number = 1
[evse.meter]
driver = "sdm120"
port = "/dev/ttyAMA5"
[[evse.connector]]
number = 1
[evse.connector.contactor]
driver = "contactor"
[evse.connector.plug]
driver = "plug-switch"
"""
LINES = [
    'timestamp=2026-11-21T12:00:00.000000Z level=info event="long ago"',
    "timestamp=2026-11-23T11:00:00.000000Z level=info event=card uid=04A1B2C3D4E5F6",
    "timestamp=2026-11-23T11:00:01.000000Z level=info event=card uid=a1b2c3d4 of=DE-ABC-C123456-X",
    'timestamp=2026-11-23T11:00:02.000000Z level=error why="cannot log in with hunter2"',
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The TOML file of a station that knows all the secrets."""
    file = tmp_path / "station.toml"
    file.write_text(TOML.format(data=tmp_path / "data"))
    transaction = Transaction("t-1", IdToken("A1B2C3D4", "ISO14443"), 1, NOW, group_id="family-group")
    started = {
        "eventType": "Started",
        "transactionInfo": {"transactionId": "t-1"},
        "idToken": {"idToken": "04A1B2C3D4E5F6", "type": "ISO14443", "additionalInfo": [{"additionalIdToken": "x"}]},
    }
    odd = {"vendorId": "x", "data": "of 04AABBCCDDEEFF001122", "idToken": {"idToken": "DE-ABC-C123456-X"}}
    order = FirmwareOrder(7, "https://cs-1:fetch-pass@firmware.example/image", NOW, None, 0, 0.0)
    kept = Kept(
        reservations=(Reservation(1, IdToken("reserved-one", "Central"), NOW),),
        counters=Counters(((1, 1, 42),), (("Overheated", 2),)),
        variables=(("SecurityCtrlr.BasicAuthPassword", "basic-auth-pass"), ("OCPPCommCtrlr.HeartbeatInterval", "60")),
        log=LogOrder(1, "https://cs-1:upload-pass@logs.example/put?sig=sig-token-99", "x.tar.gz", 0, 0.0),
        firmware=Firmware(order, "Downloading"),
    )
    outbox = SqliteOutbox(tmp_path / "data" / "station.sqlite")
    outbox.start()
    outbox.commit([Send("TransactionEvent", started, durable=True)], [Save(1, transaction)], kept)
    outbox.commit([Send("DataTransfer", odd, durable=True)], [])
    item = outbox.head()
    assert item is not None
    outbox.bury(item.key, "FormatViolation", "no such card: 04A1B2C3D4E5F6")
    outbox.flush()
    outbox.stop()
    log = diagnostics.log_file(load(file))
    log.parent.mkdir()
    log.write_text("\n".join(LINES))
    return file


def bundle(path: Path, target: Path, **bounds: datetime) -> dict[str, str]:
    target.write_bytes(diagnostics.bundle(load(path), path, target.name, NOW, **bounds))
    if target.suffix == ".zip":
        with zipfile.ZipFile(target) as archive:
            return {name: archive.read(name).decode() for name in archive.namelist()}
    with tarfile.open(target) as tar:
        return {entry.name: tar.extractfile(entry).read().decode() for entry in tar}  # type: ignore[union-attr]


@pytest.mark.parametrize("name", ["bundle.tar.gz", "bundle.zip"])
def test_no_secret_and_no_card_comes_out(path: Path, tmp_path: Path, name: str) -> None:
    everything = "\n".join(bundle(path, tmp_path / name).values()).lower()
    assert [secret for secret in sorted(SECRETS) if secret.lower() in everything] == []


def test_what_helps_is_in_it(path: Path, tmp_path: Path) -> None:
    parts = bundle(path, tmp_path / "bundle.tar.gz")
    assert [name for name, text in parts.items() if text.startswith("cannot be had")] == []
    assert json.loads(parts["about.json"])["station"] == "cs-1"
    config = json.loads(parts["config.json"])
    assert config["broker"] == {"host": "broker.example", "username": "cs-1", "password": "***"}
    assert "contactor_1" in parts["pins.txt"]
    outbox, letters = json.loads(parts["outbox.json"]), json.loads(parts["dead-letters.json"])
    assert (outbox["count"], outbox["first"][0]["action"]) == (1, "DataTransfer")
    assert (letters["count"], letters["first"][0]["code"]) == (1, "FormatViolation")
    assert letters["first"][0]["payload"]["transactionInfo"] == {"transactionId": "t-1"}
    kept = json.loads(parts["kept.json"])
    assert kept["counters"] == {"cycles": [[1, 1, 42]], "trips": [["Overheated", 2]]}
    assert (kept["reservations"], kept["open_transactions"]) == (1, 1)
    assert kept["firmware"] == {"status": "Downloading", "request_id": 7}
    assert json.loads(parts["system.json"])["disk_bytes"]["total"] > 0
    assert [line.partition("event=")[2] for line in parts["log.txt"].splitlines()][:2] == ['"long ago"', "card uid=***"]


def test_a_log_has_the_bounds_that_were_asked_for(path: Path, tmp_path: Path) -> None:
    recent = bundle(path, tmp_path / "a.zip", oldest=NOW - timedelta(hours=2))["log.txt"].splitlines()
    old = bundle(path, tmp_path / "b.zip", latest=NOW - timedelta(days=1))["log.txt"].splitlines()
    assert (len(recent), len(old)) == (3, 1)


def test_a_station_that_has_never_run_has_a_bundle_too(tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(TOML.format(data=tmp_path / "data"))
    parts = bundle(file, tmp_path / "bundle.zip")
    assert parts["outbox.json"] == "cannot be had: unable to open database file"
    assert json.loads(parts["config.json"])["station"]["id"] == "cs-1"
    assert not (tmp_path / "data").exists()


def test_another_kind_of_file_is_refused(path: Path) -> None:
    config: StationFile = load(path)
    with pytest.raises(SettingsError, match=r"a bundle is a \.zip or a \.tar\.gz"):
        diagnostics.bundle(config, path, "bundle.rar", NOW)


def test_the_command_writes_it(path: Path, tmp_path: Path) -> None:
    target = tmp_path / "bundle.tar.gz"
    command = [sys.executable, "-m", "edge.main", "diagnostics", "--config", str(path), "--out", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (0, f"written: {target}\n")
    with tarfile.open(target) as tar:
        assert "log.txt" in tar.getnames()
