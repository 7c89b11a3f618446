"""Servers for notices to go to, run by the test: an SMTP server, and a push service with a browser that subscribed.

The push service checks what a real one checks (VAPID, RFC 8292), and the browser decrypts what a real one would.
"""

from __future__ import annotations

import base64
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import http_ece  # type: ignore[import-untyped]
import msgspec
from aiosmtpd.controller import Controller
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

from tests.support import free_port


def unpack(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


# -- e-mail ------------------------------------------------------------------------------------------------------------


@dataclass
class MailServer:
    """replies: what the next recipients are answered, such as "451 later"; when there is none, mail is taken."""

    port: int
    messages: list[Message] = field(default_factory=list)
    replies: list[str] = field(default_factory=list)

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: Any) -> str:  # noqa: N802
        if self.replies and (reply := self.replies.pop(0)) != "250 OK":
            return reply
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802
        self.messages.append(message_from_bytes(envelope.content, policy=default))
        return "250 taken"


@contextmanager
def a_mail_server() -> Iterator[MailServer]:
    mail = MailServer(free_port())
    controller = Controller(mail, hostname="127.0.0.1", port=mail.port)
    controller.start()
    try:
        yield mail
    finally:
        controller.stop()


# -- web push ----------------------------------------------------------------------------------------------------------


class Browser:
    """A browser that subscribed at a push service. Only it can read what it is sent (RFC 8291)."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._auth = os.urandom(16)

    @property
    def subscription(self) -> dict[str, Any]:
        """As PushSubscription.toJSON() gives it."""
        point = self._key.public_key().public_bytes(
            serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
        )
        keys = {"p256dh": pack(point), "auth": pack(self._auth)}
        return {"endpoint": self.endpoint, "expirationTime": None, "keys": keys}

    def read(self, body: bytes) -> Any:
        plain = http_ece.decrypt(body, private_key=self._key, auth_secret=self._auth, version="aes128gcm")
        return msgspec.json.decode(plain)


@dataclass(frozen=True)
class Pushed:
    """One message that came. headers: by names in lower case. claims: of the token that signed it, checked already."""

    path: str
    headers: dict[str, str]
    claims: dict[str, Any]
    body: bytes


class PushService:
    """public_key: whose messages it takes. replies: statuses for the next ones, 201 when there is none.

    With `hold` set, it takes a message and does not answer.
    """

    def __init__(self) -> None:
        self.public_key = ""
        self.messages: list[Pushed] = []
        self.replies: list[int] = []
        self.hold = threading.Event()
        self.wrong: list[str] = []
        service = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                status = service.take(self.path, {name.lower(): value for name, value in self.headers.items()}, body)
                if service.hold.is_set():
                    time.sleep(60)
                self.send_response(status)
                if status == 503:
                    self.send_header("Retry-After", "90")
                if status == 307:
                    self.send_header("Location", f"{service.origin}/elsewhere")
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def take(self, path: str, headers: dict[str, str], body: bytes) -> int:
        status = self.replies.pop(0) if self.replies else 201
        try:
            claims = self._verify(headers["authorization"])
        except Exception as error:  # noqa: BLE001 - any doubt is a refusal
            self.wrong.append(repr(error))
            return 403
        if headers.get("content-encoding") != "aes128gcm" or "ttl" not in headers:
            return 400
        self.messages.append(Pushed(path, headers, claims, body))
        return status

    def _verify(self, authorization: str) -> dict[str, Any]:
        """The claims of `vapid t=<JWT>, k=<key>`, when its signature by our sender's key is right (RFC 8292)."""
        scheme, _, rest = authorization.partition(" ")
        parts = dict(part.strip().split("=", 1) for part in rest.split(","))
        assert (scheme, parts["k"]) == ("vapid", self.public_key)
        signed, _, signature = parts["t"].rpartition(".")
        point = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), unpack(parts["k"]))
        raw = unpack(signature)
        der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
        point.verify(der, signed.encode(), ec.ECDSA(hashes.SHA256()))
        header, claims = (msgspec.json.decode(unpack(part)) for part in signed.split("."))
        assert header["alg"] == "ES256"
        assert claims["aud"] == self.origin
        assert time.time() < claims["exp"] <= time.time() + 24 * 3600
        return dict(claims)

    def __enter__(self) -> PushService:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
