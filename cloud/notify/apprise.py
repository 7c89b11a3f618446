"""Telegram, ntfy, Discord, Slack, Pushover and the rest, by Apprise: a driver gives an Apprise URL.

Such a URL can make us connect anywhere and read files, so only what is known to be harmless is let through: schemes
that the operator allows, no parameters, and, where the URL names a server, only those that the operator lists.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Any

from cloud.notify.port import AddressError, Notice, PermanentError, Recipient, Setup, TemporaryError

#: Nothing that a parser could take in two ways: no ?parameters, %escapes, backslashes, commas or spaces.
_URL = re.compile(r"([a-z]{2,12})://([A-Za-z0-9_.:@/#+=-]{1,400})\Z")
#: Their URLs hold only tokens: Apprise knows the one server.
_NO_SERVER = frozenset({"tgram", "discord", "slack", "pover"})


class Apprise:
    def __init__(self, setup: Setup) -> None:
        self._config = setup.config

    def check(self, address: str, email: str) -> str:
        self._open(address)
        return address

    def send(self, notice: Notice, recipient: Recipient) -> None:
        try:
            service = self._open(recipient.target)  # checked again: what is allowed may have changed
        except AddressError as error:
            raise PermanentError(str(error)) from error
        try:
            taken = service.notify(body=notice.text, title=notice.title)
        except Exception as error:  # what its more than a hundred plug-ins may raise, nobody lists
            raise TemporaryError(f"{type(error).__name__}: {error}") from error
        if not taken:  # yes or no is all that Apprise answers; why is in the log
            raise TemporaryError("the service did not take it")

    def _open(self, address: str) -> Any:
        found = _URL.match(address)
        if found is None:
            raise AddressError("give an Apprise URL, such as tgram://token/chat, without parameters")
        scheme, rest = found.groups()
        if scheme not in self._config.apprise_schemes:
            known = ", ".join(self._config.apprise_schemes) or "none"
            raise AddressError(f"{scheme}:// is not used here; there are: {known}")
        if scheme not in _NO_SERVER:
            self._check_server(scheme, rest)
        service = _instantiate(address)
        if service is None:
            raise AddressError(f"that is not a whole {scheme}:// URL")
        if scheme not in _NO_SERVER and _server(service) not in self._config.apprise_hosts:
            raise AddressError("that server may not be used")
        return service

    def _check_server(self, scheme: str, rest: str) -> None:
        """The server that the URL names, as anybody would read it. Apprise's own reading is compared afterwards."""
        server, slash, path = rest.rpartition("@")[2].partition("/")
        if not slash or not path.strip("/"):
            raise AddressError(f"say the server and the topic: {scheme}://server/topic")
        if server not in self._config.apprise_hosts:
            known = ", ".join(self._config.apprise_hosts) or "none"
            raise AddressError(f"the server {server!r} may not be used; there are: {known}")


def _server(service: Any) -> str:
    port = getattr(service, "port", None)
    return f"{service.host}:{port}" if port else str(service.host)


def _instantiate(address: str) -> Any:
    import apprise

    return apprise.Apprise.instantiate(address, asset=_asset(), suppress_exceptions=True)


@cache
def _asset() -> Any:
    import apprise

    return apprise.AppriseAsset(app_id="Colonnina", app_desc="Colonnina", app_url="", secure_logging=True)
