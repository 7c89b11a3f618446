"""Files by HTTP and HTTPS: firmware with GET, logs with PUT. A user and password in a URL are sent as Basic auth."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event
from typing import Any
from urllib.parse import quote, unquote, urlsplit, urlunsplit

from protocol.errors import ColonninaError

CHUNK = 64 * 1024
#: A server that says nothing for so long is gone, s; and no transfer takes longer than this in all, s.
SILENCE_S, LONGEST_S = 30.0, 3_600.0
_HANDLERS = (
    urllib.request.ProxyHandler,
    urllib.request.HTTPHandler,
    urllib.request.HTTPDefaultErrorHandler,
    urllib.request.HTTPRedirectHandler,
    urllib.request.HTTPErrorProcessor,
)


class TransferError(ColonninaError, OSError):
    """A file did not get there. code: the HTTP status; None: it did not come to one."""

    def __init__(self, why: str, code: int | None = None) -> None:
        super().__init__(why)
        self.code = code


class GivenUpError(ColonninaError):
    """Somebody thought better of it."""


class Transfer:
    """ca: PEM file of authorities to trust beside the system's, for HTTPS; empty for none."""

    def __init__(self, ca: str = "", *, silence_s: float = SILENCE_S, longest_s: float = LONGEST_S) -> None:
        self._ca = ca
        self._silence_s = silence_s
        self._longest_s = longest_s

    def fetch(self, url: str, target: Path, max_bytes: int, cancelled: Event) -> bytes:
        """Write what is at `url` to `target`, to the disk, and answer its SHA-256.

        Raises TransferError, also for a file that is longer than max_bytes or than it said, or shorter; GivenUpError.
        """
        digest, size, end = hashlib.sha256(), 0, time.monotonic() + self._longest_s
        with self._open(_request(url)) as response, target.open("wb") as file:
            promised = response.headers.get("Content-Length")
            if promised is not None and int(promised) > max_bytes:
                raise TransferError(f"{promised} bytes are more than the {max_bytes} that fit here")
            while chunk := response.read1(CHUNK):
                size += len(chunk)
                if cancelled.is_set():
                    raise GivenUpError
                if size > max_bytes:
                    raise TransferError(f"it is longer than the {max_bytes} bytes that fit here")
                if time.monotonic() > end:
                    raise TransferError(f"it took longer than {self._longest_s:.0f} s")
                digest.update(chunk)
                file.write(chunk)
            if promised is not None and size != int(promised):
                raise TransferError(f"it broke off after {size} of {promised} bytes")
            file.flush()
            os.fsync(file.fileno())
        return digest.digest()

    def put(self, url: str, name: str, data: bytes) -> None:
        """Send a file. A URL that ends with "/" is a folder: the file's name is added. Raises TransferError."""
        parts = urlsplit(url)
        if parts.path.endswith("/") or not parts.path:
            url = urlunsplit(parts._replace(path=(parts.path or "/") + quote(name)))
        request = _request(url, data=data, method="PUT")
        request.add_header("Content-Type", "application/gzip")
        with self._open(request) as response:
            response.read(CHUNK)

    @contextmanager
    def _open(self, request: urllib.request.Request) -> Iterator[Any]:
        opener = urllib.request.OpenerDirector()
        for handler in _HANDLERS:
            opener.add_handler(handler())
        context = ssl.create_default_context()
        if self._ca:
            context.load_verify_locations(self._ca)
        opener.add_handler(urllib.request.HTTPSHandler(context=context))
        try:
            with opener.open(request, timeout=self._silence_s) as response:
                yield response
        except urllib.error.HTTPError as error:
            with error:
                raise TransferError(f"the server answered {error.code} {error.reason}", error.code) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            if isinstance(error, TransferError):
                raise
            raise TransferError(str(getattr(error, "reason", "") or error or type(error).__name__)) from error


def host(url: str) -> str:
    """What may be said of a URL in a log: no user, no password, no path with a token in it."""
    try:
        return urlsplit(url).hostname or "?"
    except ValueError:
        return "?"


def _request(url: str, **more: Any) -> urllib.request.Request:
    try:
        parts = urlsplit(url)
        where = parts.netloc.rpartition("@")[2]
        if parts.scheme not in ("http", "https") or not where:
            raise TransferError("not an HTTP or HTTPS URL")
        request = urllib.request.Request(urlunsplit(parts._replace(netloc=where, fragment="")), **more)
    except ValueError as error:
        raise TransferError(f"not a URL: {error}") from error
    if parts.username is not None:
        account = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        # Not sent on to where the server redirects us.
        request.add_unredirected_header("Authorization", f"Basic {base64.b64encode(account.encode()).decode('ascii')}")
    return request
