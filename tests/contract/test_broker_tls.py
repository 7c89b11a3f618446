"""The broker as docs/how-to/secure-the-broker.md sets it up: its commands, and the configuration that we ship."""

from __future__ import annotations

import getpass
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner

from cloud.accounts.dynamic_security import DynamicSecurity
from cloud.accounts.port import station_account
from cloud.main import cli
from deploy.local.broker import find_mosquitto, find_plugin
from protocol.mqtt import Broker, Link
from tests.conftest import BrokerProcess
from tests.support import free_port

ROOT = Path(__file__).parents[2]


@pytest.fixture
def secured(tmp_path: Path) -> Iterator[BrokerProcess]:
    """By the book, but for paths, ports and the broker's name, which is 127.0.0.1."""
    commands = re.search(r"```sh\n(openssl .*?)```", (ROOT / "docs/how-to/secure-the-broker.md").read_text(), re.DOTALL)
    assert commands is not None
    made = commands[1].replace("DNS:broker.example.org", "IP:127.0.0.1")
    subprocess.run(["sh", "-e", "-c", made], cwd=tmp_path, check=True, capture_output=True)
    config = tmp_path / "csms.toml"
    config.write_text(f'[csms]\ndata = "{tmp_path}"\n[broker]\nusername = "csms"\npassword = "secret"\n')
    accounts = tmp_path / "dynamic-security.json"
    said = CliRunner().invoke(cli, ["admin", "broker-file", "--config", str(config), str(accounts)])
    assert said.exit_code == 0, said.output
    port, local = free_port(), free_port()
    text = (ROOT / "deploy/mosquitto/colonnina.conf").read_text()
    for ours, here in (
        ("/usr/lib/x86_64-linux-gnu/mosquitto_dynamic_security.so", str(find_plugin())),
        ("/var/lib/mosquitto/dynamic-security.json", str(accounts)),
        ("/etc/mosquitto/certs", str(tmp_path)),
        ("listener 8883", f"listener {port} 127.0.0.1"),
        ("listener 1883 127.0.0.1", f"listener {local} 127.0.0.1"),
    ):
        assert text.count(ours) >= 1, ours
        text = text.replace(ours, here)
    conf = tmp_path / "mosquitto.conf"
    conf.write_text(f"user {getpass.getuser()}\n{text}")
    broker = Broker(port=port, username="csms", password="secret", ca=str(tmp_path / "ca.pem"))
    process = BrokerProcess("mosquitto", [find_mosquitto() or "", "-c", str(conf)], broker, True, tmp_path)
    process.start()
    yield process
    process.kill()


def connects(broker: Broker, name: str = "somebody") -> bool:
    link = Link(broker, name, on_message=lambda message: message.ack(), session_expiry_s=0)
    link.start()
    try:
        return link.wait_up(3)
    finally:
        link.stop()


def test_the_csms_connects_with_tls_and_makes_accounts_over_it(secured: BrokerProcess) -> None:
    accounts = DynamicSecurity(secured.broker)
    accounts.start()
    accounts.put(station_account("cs-1"), "its password")
    assert accounts.found() == {"cs-1": "station"}
    accounts.stop()
    assert connects(msgspec.structs.replace(secured.broker, username="cs-1", password="its password"), "cs-1")


def test_nobody_gets_in_without_an_account_or_in_plain_words(secured: BrokerProcess) -> None:
    assert not connects(msgspec.structs.replace(secured.broker, password="a guess"))
    assert not connects(msgspec.structs.replace(secured.broker, username="", password=""))
    assert not connects(msgspec.structs.replace(secured.broker, ca=""))


# paho leaves a socket whose handshake failed to the garbage collector.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <ssl.SSLSocket:pytest.PytestUnraisableExceptionWarning")
def test_a_broker_that_another_authority_vouches_for_is_refused(secured: BrokerProcess, tmp_path: Path) -> None:
    command = (
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout x.key -out x.pem -subj /CN=x"
    )
    subprocess.run(command.split(), cwd=tmp_path, check=True, capture_output=True)
    assert not connects(msgspec.structs.replace(secured.broker, ca=str(tmp_path / "x.pem")))
