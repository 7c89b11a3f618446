"""What whoever installs a station or a controller is given, once."""

from __future__ import annotations

import json
from typing import Any

from cloud.accounts.port import Kind
from cloud.web.services import services
from protocol.mqtt import Broker


def credentials(kind: Kind, name: str, password: str) -> dict[str, Any]:
    """The answer to a registration."""
    ours = services()
    return {
        "id": name,
        "username": name,
        "password": password,
        "provisioning": provisioning(kind, name, password, ours.station_broker),
        "advice": ours.registrar.advice,
    }


def provisioning(kind: Kind, name: str, password: str, broker: Broker) -> str:
    """The lines for its configuration file, `colonnina.toml`."""
    lines = [
        f"# colonnina.toml of {kind} {name}. It holds a password: let nobody read it who need not.",
        f"[{kind}]",
        f'id = "{name}"',
        "",
        "[broker]",
        f"host = {_quoted(broker.host)}",
        f"port = {broker.port}",
        f'username = "{name}"',
        f'password = "{password}"',
    ]
    if broker.ca:
        lines.append(f"ca = {_quoted(broker.ca)}")
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """As TOML's basic string, which takes what JSON writes."""
    return json.dumps(text)
