"""A real HTTP server for files on loopback, which can misbehave in the ways that servers do."""

from __future__ import annotations

import contextlib
import ssl
import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any


@dataclass
class FilesServer:
    """files: by path. received: what was put, by path. asked: (method, path, Authorization) of each request, in order.

    refuse: statuses to answer with, by path, instead of doing it; the last one stays. half: paths of which the server
    sends half a file and dies. silent: paths where it says nothing at all until it is stopped.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    received: dict[str, bytes] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    refuse: dict[str, list[int]] = field(default_factory=dict)
    half: set[str] = field(default_factory=set)
    silent: set[str] = field(default_factory=set)
    moved: dict[str, str] = field(default_factory=dict)

    def start(self, pem: Path | None = None) -> None:
        """pem: the server's certificate and key, for HTTPS."""
        self._ended = threading.Event()
        self._scheme = "http" if pem is None else "https"
        server = self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"files": self}))
        if pem is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(pem)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def stop(self) -> None:
        self._ended.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def url(self, path: str, account: str = "") -> str:
        return f"{self._scheme}://{account}127.0.0.1:{self._server.server_port}{path}"

    def wait(self) -> None:
        self._ended.wait(10)


class _Handler(BaseHTTPRequestHandler):
    files: FilesServer

    def do_GET(self) -> None:
        if self._refused():
            return
        data = self.files.files.get(self.path)
        if data is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data[: len(data) // 2] if self.path in self.files.half else data)

    def do_PUT(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self._refused():
            return
        self.files.received[self.path] = data
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _refused(self) -> bool:
        files = self.files
        files.asked.append((self.command, self.path, self.headers["Authorization"]))
        if self.path in files.silent:
            files.wait()
            return True
        if self.path in files.moved:
            self.send_response(302)
            self.send_header("Location", files.moved[self.path])
            self.end_headers()
            return True
        codes = files.refuse.get(self.path)
        if not codes:
            return False
        code = codes.pop(0) if len(codes) > 1 else codes[0]
        if code == 0:  # only so often
            return False
        self.send_error(code)
        return True

    def handle(self) -> None:
        with contextlib.suppress(ssl.SSLError, ConnectionError):  # a client that does not trust us hangs up
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:
        pass
