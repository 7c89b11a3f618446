"""What must not be read by who reads a log: passwords, keys, tokens, and the user and password in a URL."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

MASK = "***"
#: A key of which a part says that its value is a secret.
_SECRET = re.compile(
    r"passw|passphrase|secret|token|credential|psk|wifi|ssid|authorization$|cookie|^key$|_key$|apikey|"
    r"privatekey|signature",
    re.IGNORECASE,
)
_ACCOUNT = re.compile(r"(?<=://)[^/@\s\"']+@")
_QUERY = re.compile(r"(https?://[^\s\"'?]+)\?[^\s\"']+")


def secret_key(key: str) -> bool:
    """Whether what has this name must not be shown."""
    return _SECRET.search(key) is not None


def text(value: str) -> str:
    """Without accounts and queries in URLs: both carry passwords and tokens."""
    if "://" not in value:
        return value
    return _QUERY.sub(rf"\1?{MASK}", _ACCOUNT.sub(f"{MASK}@", value))


def tree(value: Any) -> Any:
    """A JSON-able tree with its secrets masked."""
    if isinstance(value, Mapping):
        return {key: _hidden(inner) if secret_key(str(key)) else tree(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [tree(inner) for inner in value]
    return text(value) if isinstance(value, str) else value


def _hidden(value: Any) -> Any:
    """Whether there is one may be seen, and the shape of what is a whole table."""
    if isinstance(value, Mapping):
        return {key: _hidden(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(inner) for inner in value]
    return value if isinstance(value, bool) or value in ("", None) else MASK
