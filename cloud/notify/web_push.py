"""Web Push (RFC 8030, 8291, 8292): to browsers, also while the page is closed. Nobody between us and them can read it.

The push service gets the notice's id as Topic: of two messages with one topic it keeps the later. The page's service
worker tags the notification with it, so that a browser that was given both shows one.
"""

from __future__ import annotations

import base64
import binascii
import threading
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import delete, select

from cloud.notify import keys
from cloud.notify.port import (
    TIMEOUT_S,
    AddressError,
    Notice,
    PermanentError,
    Recipient,
    Setup,
    TemporaryError,
)
from cloud.store.tables import push_subscriptions

#: How long a push service keeps a message for a browser that is away, s.
KEPT_S = 12 * 3600
#: Answers that say that there is no such subscription any more.
_GONE = (404, 410)
#: Answers that say to come again later.
_LATER = (408, 425, 429)


class WebPush:
    def __init__(self, setup: Setup) -> None:
        self._config = setup.config
        self._store = setup.store
        self._lock = threading.Lock()
        self._key: ec.EllipticCurvePrivateKey | None = None

    @property
    def key(self) -> ec.EllipticCurvePrivateKey:
        with self._lock:
            if self._key is None:
                self._key = keys.private_key(self._store)
            return self._key

    def check(self, address: str, email: str) -> str:
        if address:
            raise AddressError("browsers subscribe by themselves: give no address")
        return ""

    def send(self, notice: Notice, recipient: Recipient) -> None:
        with self._store.read() as connection:
            found = connection.execute(
                select(push_subscriptions).where(push_subscriptions.c.id == recipient.target)
            ).first()
        if found is None:
            raise PermanentError("the browser is no longer subscribed")
        try:
            check_endpoint(found.endpoint, self._config.push_services)
        except AddressError as error:
            raise PermanentError(str(error)) from error
        shown = {"id": notice.id, "kind": notice.kind, "session_id": notice.session}
        data = msgspec.json.encode(shown | {"title": notice.title, "body": notice.text}).decode()
        status, after = self._post(found.endpoint, {"p256dh": found.p256dh, "auth": found.auth}, notice.id, data)
        if status in _GONE:
            with self._store.write() as connection:
                connection.execute(delete(push_subscriptions).where(push_subscriptions.c.id == recipient.target))
            raise PermanentError(f"the browser is no longer subscribed: {status}")
        if status in _LATER or status >= 500:
            raise TemporaryError(f"push service: {status}", after)
        if not 200 <= status < 300:
            raise PermanentError(f"push service: {status}")

    def _post(self, endpoint: str, shared: dict[str, str], topic: str, data: str) -> tuple[int, float | None]:
        """Answers the status, and after how many seconds to come again where it says so."""
        import pywebpush  # type: ignore[import-untyped]
        import requests
        from py_vapid import Vapid  # type: ignore[import-untyped]

        session = requests.Session()
        session.max_redirects = 0  # a push service does not send us elsewhere
        try:
            answer = pywebpush.webpush(
                {"endpoint": endpoint, "keys": shared},
                data,
                vapid_private_key=_signer(Vapid, self.key),
                vapid_claims={"sub": self._config.contact or f"mailto:{self._config.sender or 'postmaster@localhost'}"},
                timeout=TIMEOUT_S,
                ttl=KEPT_S,
                headers={"Topic": topic, "Urgency": "high"},
                requests_session=session,
            )
        except pywebpush.WebPushException as error:
            if error.response is None:
                raise PermanentError(f"push: {error.message}"[:200]) from error
            return error.response.status_code, _seconds(error.response.headers.get("Retry-After"))
        except requests.TooManyRedirects:
            return 308, None
        except requests.RequestException as error:
            raise TemporaryError(f"push service: {error}") from error
        finally:
            session.close()
        return int(answer.status_code), None


def check_endpoint(endpoint: str, services: Sequence[str]) -> None:
    """Raises AddressError unless it is an address of a push service that is allowed: we connect to no others."""
    if not endpoint.isascii() or not endpoint.isprintable() or " " in endpoint or "\\" in endpoint:
        raise AddressError("that is no URL", "endpoint")
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        raise AddressError("that is no URL", "endpoint") from None
    host = parts.hostname or ""
    if f"{parts.scheme}://{parts.netloc}" in services:
        return
    if parts.scheme != "https" or port not in (None, 443) or parts.username is not None:
        raise AddressError("a push service's endpoint is https, and nothing but a host and a path", "endpoint")
    if not any(host == service or host.endswith(f".{service}") for service in services):
        raise AddressError(f"{host[:60]!r} is not a push service that is used here", "endpoint")


def check_keys(p256dh: str, auth: str) -> None:
    """Raises AddressError unless these are the keys of a browser's subscription (RFC 8291, section 3)."""
    try:
        ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), _bytes(p256dh))
    except ValueError:
        raise AddressError("not a point on the curve P-256, in base64url", "keys.p256dh") from None
    try:
        secret = _bytes(auth)
    except ValueError:
        secret = b""
    if len(secret) != 16:
        raise AddressError("not 16 bytes, in base64url", "keys.auth")


def _bytes(text: str) -> bytes:
    """Raises ValueError."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(str(error)) from error


def _signer(kind: Any, key: ec.EllipticCurvePrivateKey) -> Any:
    signer = kind()
    signer.private_key = key
    return signer


def _seconds(text: str | None) -> float | None:
    """Of Retry-After, where it is a number of seconds. Never more than a day."""
    return min(86_400.0, float(text)) if text is not None and text.isdecimal() else None
