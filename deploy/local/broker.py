"""The demo's MQTT broker: mosquitto where it is installed, with accounts and rights; else the one that pip brought."""

from __future__ import annotations

import getpass
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

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


def prepare(folder: Path, host: str, port: int, accounts: Mapping[str, str], mosquitto: str | None) -> BrokerProcess:
    """Write the broker's configuration into `folder`. accounts: password by user name; `csms` may use every topic.

    mosquitto: path of the program, None to do without it.
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
    _write_passwords(folder / "passwords", accounts)
    (folder / "rights").write_text(_RIGHTS)
    (folder / "rights").chmod(0o600)
    path = folder / "mosquitto.conf"
    path.write_text(
        f"listener {port} {host}\n"
        f"user {getpass.getuser()}\n"
        "allow_anonymous false\n"
        f"password_file {folder / 'passwords'}\n"
        f"acl_file {folder / 'rights'}\n"
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
    return BrokerProcess(
        [mosquitto, "-c", str(path)], "mosquitto: every account has its own topics, and what it holds is on disk."
    )


def _write_passwords(path: Path, accounts: Mapping[str, str]) -> None:
    """mosquitto_passwd turns a file of plain passwords into one of salted hashes."""
    path.touch(0o600)
    path.write_text("".join(f"{user}:{password}\n" for user, password in accounts.items()))
    path.chmod(0o600)
    subprocess.run(["mosquitto_passwd", "-U", str(path)], check=True, capture_output=True)
