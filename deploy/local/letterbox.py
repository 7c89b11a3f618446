"""Where the demo's notices arrive: a mail server that keeps what it is sent, a push service with one browser, an ntfy.

In reality these are somebody else's. They are here so that a demo on one machine shows notices by every channel, all
the way: the mail server speaks SMTP, the browser decrypts what the CSMS has encrypted for it (RFC 8291), and ntfy takes
the JSON that a real one takes (docs.ntfy.sh, "Publish as JSON").

GET / shows all that came, as JSON.
"""

from __future__ import annotations

import base64
import json
import os
import signal
import socketserver
import threading
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import click
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from deploy.local.plan import HOST, Plan, load

PUSH = "/push/dario"
NTFY_TOPIC = "dario"
#: The largest message that is taken, bytes.
MAX_BYTES = 256 * 1024


class Browser:
    """A browser of driver@demo.test. Its keys are made once and kept in a file."""

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            draft = path.with_suffix(".new")
            draft.touch(0o600)
            key = ec.generate_private_key(ec.SECP256R1())
            number = key.private_numbers().private_value
            draft.write_text(json.dumps({"key": hex(number), "auth": _pack(os.urandom(16))}))
            draft.replace(path)
        kept = json.loads(path.read_text())
        self._key = ec.derive_private_key(int(kept["key"], 16), ec.SECP256R1())
        self.auth: str = kept["auth"]

    @property
    def p256dh(self) -> str:
        form = serialization.PublicFormat.UncompressedPoint
        return _pack(self._key.public_key().public_bytes(serialization.Encoding.X962, form))

    def read(self, body: bytes) -> Any:
        """What was written for it. Raises where it was not for it."""
        import http_ece  # type: ignore[import-untyped]

        secret = base64.urlsafe_b64decode(self.auth + "==")
        return json.loads(http_ece.decrypt(body, private_key=self._key, auth_secret=secret, version="aes128gcm"))


class Letterbox:
    """path: file that keeps what came, a line of JSON each."""

    def __init__(self, path: Path, browser: Browser) -> None:
        self._path = path
        self._lock = threading.Lock()
        self.browser = browser

    def put(self, channel: str, **what: Any) -> None:
        line = json.dumps({"channel": channel, "at": datetime.now(UTC).isoformat(), **what})
        with self._lock, self._path.open("a") as kept:
            kept.write(line + "\n")

    def all(self) -> list[Any]:
        with self._lock:
            lines = self._path.read_text().splitlines() if self._path.exists() else []
        return [json.loads(line) for line in lines]


def smtp_handler(box: Letterbox) -> type[socketserver.StreamRequestHandler]:
    """As much of SMTP (RFC 5321) as a client needs to hand over a message."""

    class Handler(socketserver.StreamRequestHandler):
        timeout = 30

        def handle(self) -> None:
            self._say("220 letterbox")
            to: list[str] = []
            while line := self.rfile.readline(2_000):
                words = line.decode(errors="replace").strip()
                match words[:4].upper():
                    case "RCPT":
                        to.append(words.partition(":")[2].strip(" <>"))
                        self._say("250 OK")
                    case "DATA":
                        self._say("354 go on")
                        self._take(to)
                        to = []
                    case "QUIT":
                        self._say("221 bye")
                        return
                    case _:
                        self._say("250 OK")

        def _take(self, to: list[str]) -> None:
            data = b""
            while (line := self.rfile.readline(2_000)) not in (b".\r\n", b"") and len(data) < MAX_BYTES:
                data += line.removeprefix(b".") if line.startswith(b"..") else line
            message = message_from_bytes(data, policy=default)
            body = message.get_body()
            text = "" if body is None else body.get_content().strip()
            subject, key = str(message["Subject"]), str(message["Message-ID"])
            box.put("email", to=", ".join(to), subject=subject, text=text, message_id=key)
            self._say("250 taken")

        def _say(self, line: str) -> None:
            self.wfile.write(line.encode() + b"\r\n")

    return Handler


def http_handler(box: Letterbox) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.path == "/":
                self._answer(200, json.dumps(box.all(), indent=1, ensure_ascii=False).encode())
            else:
                self._answer(404)

        def do_POST(self) -> None:
            size = self.headers.get("Content-Length", "")
            if self.path not in (PUSH, "/") or not size.isdecimal() or int(size) > MAX_BYTES:
                self._answer(404)
                return
            body = self.rfile.read(int(size))
            try:
                if self.path == PUSH:
                    box.put("web_push", topic=self.headers.get("Topic"), **box.browser.read(body))
                else:
                    said = json.loads(body)
                    box.put("ntfy", topic=said["topic"], title=said.get("title"), text=said["message"])
            except Exception:  # noqa: BLE001 - what anybody may send to it
                self._answer(400)
                return
            self._answer(201 if self.path == PUSH else 200, b"{}")

        def _answer(self, status: int, body: bytes = b"") -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json; charset=utf-8")
            self.send_header("X-Content-Type-Options", "nosniff")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    return Handler


class _SmtpServer(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True


def browser_of(plan: Plan) -> Browser:
    return Browser(plan.letterbox_folder / "browser.json")


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
def main(path: Path) -> None:
    """Take e-mail and pushes until told to stop. PATH: the demo's plan."""
    plan = load(path)
    box = Letterbox(plan.letterbox_folder / "arrived.jsonl", browser_of(plan))
    servers = [
        ThreadingHTTPServer((HOST, plan.letterbox_port), http_handler(box)),
        _SmtpServer((HOST, plan.smtp_port), smtp_handler(box)),
    ]
    for server in servers:
        threading.Thread(target=server.serve_forever, daemon=True).start()
    signal.sigwait({signal.SIGTERM, signal.SIGINT})


def _pack(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
