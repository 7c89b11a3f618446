"""The demo's MQTT broker: mosquitto where it is installed, with accounts and rights; else the one that pip brought."""

from __future__ import annotations

import getpass
import glob
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from cloud.accounts.dynamic_security import plugin_file
from cloud.accounts.port import station_account

#: Larger frames are refused by the broker already, bytes.
MAX_MESSAGE = 256 * 1024

_RIGHTS = """\
user csms
topic readwrite cs/#
topic readwrite lc/#
topic readwrite csms/#

pattern readwrite cs/%u/#
"""

_IOTCORE = """\
id = 0
[router]
id = 0
max_connections = 10000
max_outgoing_packet_count = 200
max_segment_size = 104857600
max_segment_count = 10
[v5.1]
name = "mqtt5"
listen = "{host}:{port}"
next_connection_delay_ms = 1
[v5.1.connections]
connection_timeout_ms = 5000
max_payload_size = {size}
max_inflight_count = 1000
"""


@dataclass(frozen=True, slots=True)
class BrokerProcess:
    """How to run it, and what to tell people about it."""

    argv: Sequence[str]
    words: str


def find_mosquitto() -> str | None:
    """Debian keeps it where only root looks."""
    return shutil.which("mosquitto", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def find_plugin() -> Path | None:
    """Mosquitto's dynamic-security plugin, which makes accounts while the broker runs; None where it is missing."""
    folders = ("/usr/lib", "/usr/lib/*-linux-gnu*", "/usr/lib64", "/usr/local/lib", "/opt/homebrew/lib")
    found = (Path(path) for folder in folders for path in glob.glob(f"{folder}/mosquitto_dynamic_security.so"))
    return next(found, None)


def prepare(
    folder: Path,
    host: str,
    port: int,
    accounts: Mapping[str, str],
    mosquitto: str | None,
    plugin: Path | None = None,
) -> BrokerProcess:
    """Write the broker's configuration into `folder`. accounts: password by user name; `csms` may use every topic.

    mosquitto: path of the program, None to do without it. plugin: of dynamic security; None for accounts in files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if mosquitto is None:
        path = folder / "iotcore.toml"
        path.write_text(_IOTCORE.format(host=host, port=port, size=MAX_MESSAGE))
        return BrokerProcess(
            [sys.executable, "-m", "deploy.local.iotcore_broker", str(path), str(port)],
            "iotcore, for the demo only: no passwords, no rights, and what it held is gone when it ends."
            " Install mosquitto and start the demo again for a broker that keeps what it is given.",
        )
    if plugin is not None:
        _write_accounts(folder / "accounts.json", accounts)
        who = f"plugin {plugin}\nplugin_opt_config_file {folder / 'accounts.json'}\n"
    else:
        _write_passwords(folder / "passwords", accounts)
        (folder / "rights").write_text(_RIGHTS)
        (folder / "rights").chmod(0o600)
        who = f"password_file {folder / 'passwords'}\nacl_file {folder / 'rights'}\n"
    path = folder / "mosquitto.conf"
    path.write_text(
        f"listener {port} {host}\n"
        f"user {getpass.getuser()}\n"
        "allow_anonymous false\n"
        f"{who}"
        "persistence true\n"
        f"persistence_location {folder}/\n"
        "autosave_interval 1000\n"
        "autosave_on_changes true\n"
        "persistent_client_expiration 7d\n"
        "max_queued_messages 100000\n"
        "set_tcp_nodelay true\n"
        f"message_size_limit {MAX_MESSAGE}\n"
        "log_dest stderr\n"
        "log_type error\n"
        "log_type warning\n"
    )
    more = "" if plugin is not None else " Stations that you register need an account by hand: its plugin is missing."
    return BrokerProcess(
        [mosquitto, "-c", str(path)],
        f"mosquitto: every account has its own topics, and what it holds is on disk.{more}",
    )


def _write_accounts(path: Path, accounts: Mapping[str, str]) -> None:
    """What the plugin starts with. Accounts that it has got since then stay: it writes to the same file."""
    before = json.loads(path.read_text()) if path.exists() else None
    csms = {name: password for name, password in accounts.items() if name == "csms"}
    stations = {station_account(name): password for name, password in accounts.items() if name != "csms"}
    draft = path.with_suffix(".new")
    draft.touch(0o600)
    draft.chmod(0o600)
    draft.write_text(json.dumps(plugin_file(csms, stations, before), indent=1))
    draft.replace(path)


def _write_passwords(path: Path, accounts: Mapping[str, str]) -> None:
    """mosquitto_passwd turns a file of plain passwords into one of salted hashes."""
    path.touch(0o600)
    path.write_text("".join(f"{user}:{password}\n" for user, password in accounts.items()))
    path.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)
