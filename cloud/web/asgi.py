"""The ASGI application: the event stream on asyncio, everything else in Flask on threads.

Bodies are read here, before a thread is taken, so that a client that sends slowly holds none. Commands wait seconds for
a station and have threads of their own: however many wait, the rest of the API answers.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable, MutableMapping
from datetime import datetime
from typing import Any, cast

import msgspec
from a2wsgi import WSGIMiddleware
from a2wsgi.wsgi_typing import WSGIApp
from flask import Flask

from cloud.store.store import Store
from cloud.web import auth, problems
from cloud.web.app import MAX_BODY
from cloud.web.auth import Person
from cloud.web.hub import Hub, Listener

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

EVENTS = "/api/v1/events"
#: A line of comment this often keeps proxies from closing a silent stream, s.
HEARTBEAT_S = 15.0
#: How long a browser waits before it connects again, ms.
RETRY_MS = 2_000
#: How long a client may take to send its request's body, s.
_BODY_S = 30.0
_THREADS = 16
_COMMAND_THREADS = 32
_COMMAND = re.compile(r"/api/v1/(sessions|sessions/[^/]+/stop|stations/[^/]+/calls/[^/]+)\Z")


class Application:
    """flask: answers everything but the event stream. hub: where events come from. now: the clock.

    heartbeat_s: how often a stream is kept alive and its login is checked.
    """

    def __init__(
        self,
        flask: Flask,
        hub: Hub,
        store: Store,
        now: Callable[[], datetime],
        *,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._hub = hub
        self._store = store
        self._now = now
        self._heartbeat_s = heartbeat_s
        self._running = 0
        # An endless queue: with a bounded one, a client that goes away in the middle would hold its thread for ever.
        wsgi = cast(WSGIApp, flask)
        self._pages = WSGIMiddleware(wsgi, workers=_THREADS, send_queue_size=0)
        self._commands = WSGIMiddleware(wsgi, workers=_COMMAND_THREADS, send_queue_size=0)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._running += 1
        try:
            await self._answer(scope, receive, send)
        finally:
            self._running -= 1

    async def drain(self, timeout_s: float) -> None:
        """Wait until what is being answered is answered, at most this long."""
        end = asyncio.get_running_loop().time() + timeout_s
        while self._running and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(0.01)

    def close(self) -> None:
        """Take no more work. What still runs is not waited for."""
        for wsgi in (self._pages, self._commands):
            wsgi.executor.shutdown(wait=False, cancel_futures=True)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        if scope["path"] == EVENTS and scope["method"] == "GET":
            await self._stream(scope, receive, send)
            return
        body = await _read_body(receive)
        if isinstance(body, int):
            await _refuse(send, body, _REFUSALS[body])
            return
        headers = [(name, value) for name, value in scope["headers"] if name != b"content-length"]
        scope = {**scope, "headers": [*headers, (b"content-length", str(len(body)).encode())]}
        command = scope["method"] == "POST" and _COMMAND.match(scope["path"]) is not None
        wsgi = self._commands if command else self._pages
        await wsgi(cast(Any, scope), cast(Any, _replay(body)), cast(Any, send))

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        token = _token(scope)
        person = await self._find(token)
        if person is None:
            await _refuse(send, 401, "log in first")
            return
        headers = {
            "content-type": "text/event-stream",
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
        }
        with self._hub.listen(person) as listener:
            await send(_start(200, headers))
            tasks = [
                asyncio.ensure_future(part)
                for part in (self._pour(listener, token, send), _gone(receive), listener.closed.wait())
            ]
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await send(_part(b"", more=False))

    async def _pour(self, listener: Listener, token: str | None, send: Send) -> None:
        """Send what comes until the login is over."""
        await send(_part(b"retry: %d\n\n" % RETRY_MS))
        clock = asyncio.get_running_loop().time
        due = clock() + self._heartbeat_s
        while True:
            if clock() >= due:
                if await self._find(token) is None:
                    return
                await send(_part(b": still here\n\n"))
                due = clock() + self._heartbeat_s
            try:
                told = await asyncio.wait_for(listener.queue.get(), max(0.0, due - clock()))
            except TimeoutError:
                continue
            await send(_part(told))

    async def _find(self, token: str | None) -> Person | None:
        def look() -> Person | None:
            with self._store.read() as connection:
                return auth.find(connection, token or "", self._now())

        return await asyncio.to_thread(look)


_REFUSALS = {408: f"the body did not come within {_BODY_S:g} s", 413: f"the body is above {MAX_BODY} bytes"}


async def _read_body(receive: Receive) -> bytes | int:
    """All of a request's body, or the status to refuse it with."""
    body = bytearray()
    try:
        async with asyncio.timeout(_BODY_S):
            while True:
                message = await receive()
                body += message.get("body", b"")
                if len(body) > MAX_BODY:
                    return 413
                if not message.get("more_body", False):
                    return bytes(body)
    except TimeoutError:
        return 408


def _replay(body: bytes) -> Receive:
    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def _gone(receive: Receive) -> None:
    """Wait until the client has closed its connection."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _token(scope: Scope) -> str | None:
    headers = {name: value.decode("latin-1") for name, value in scope["headers"]}
    return auth.token_of(headers.get(b"authorization"), headers.get(b"cookie"))


async def _refuse(send: Send, status: int, detail: str) -> None:
    await send(_start(status, {"content-type": problems.MEDIA_TYPE, "x-content-type-options": "nosniff"}))
    await send(_part(msgspec.json.encode(problems.body(status, detail)), more=False))


def _start(status: int, headers: dict[str, str]) -> MutableMapping[str, Any]:
    encoded = [(name.encode(), value.encode()) for name, value in headers.items()]
    return {"type": "http.response.start", "status": status, "headers": encoded}


def _part(body: bytes, *, more: bool = True) -> MutableMapping[str, Any]:
    return {"type": "http.response.body", "body": body, "more_body": more}
