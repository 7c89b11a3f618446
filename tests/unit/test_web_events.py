"""The event stream: who is told what, and what becomes of those who are slow."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.web.app import MAX_BODY, create_app
from cloud.web.asgi import EVENTS, Application
from cloud.web.auth import Person
from cloud.web.hub import QUEUE, Event, Hub, read
from protocol.mqtt import Message
from tests.support.web_world import World, a_world, client, driver

OPERATOR = Person("1", "", "", "operator")
DRIVER = Person("2", "", "", "driver")
OTHER = Person("3", "", "", "driver")

EVSE: dict[str, Any] = {"id": "cs-1:1", "number": 1, "code": "ABC", "status": "occupied", "detail": "Occupied"}
EVSE |= {"connectors": [], "session_id": "s", "vehicle": {"connected": True, "charging": True, "soc_pct": 5.0}}
STATION = {"id": "cs-1", "vendor": "v", "model": "m", "firmware": "f", "online": True, "since": None, "site": None}
STATION |= {"evses": [EVSE]}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def event(kind: str, data: Any) -> Event:
    return read(kind, msgspec.json.encode(data))


def shown(data: bytes | None) -> Any:
    assert data is not None
    return msgspec.json.decode(data.partition(b"data: ")[2])


def test_a_session_is_told_to_its_driver_and_to_operators() -> None:
    told = event("session", {"id": "s", "driver": "2"})
    assert told.shown_to(OPERATOR) == told.shown_to(DRIVER) == b'event: session\ndata: {"id":"s","driver":"2"}\n\n'
    assert told.shown_to(OTHER) is None


def test_a_session_without_a_driver_is_told_to_operators_only() -> None:
    told = event("session", {"id": "s", "driver": None})
    assert told.shown_to(DRIVER) is None


def test_drivers_are_told_the_public_fields_of_a_station() -> None:
    told = event("evse", STATION)
    assert shown(told.shown_to(OPERATOR)) == STATION
    public = shown(told.shown_to(DRIVER))
    assert sorted(public) == ["evses", "id", "model", "online", "since", "site", "vendor"]
    assert sorted(public["evses"][0]) == ["code", "connectors", "detail", "id", "number", "status", "vehicle"]
    assert public["evses"][0]["vehicle"]["soc_pct"] is None


def test_commands_are_the_operators_business() -> None:
    assert event("command", {"id": "c"}).shown_to(DRIVER) is None


def test_what_is_no_event_is_passed_over() -> None:
    async def check() -> int:
        hub = Hub(asyncio.get_running_loop())
        with hub.listen(OPERATOR) as listener:
            for kind, payload in (("session", b"{no"), ("session", b"[]"), ("evse", b'{"id":1}'), ("session", b"5")):
                hub.receive(Message(f"csms/event/{kind}/x", payload, False, lambda: None))
            await asyncio.sleep(0)
            return listener.queue.qsize()

    assert asyncio.run(check()) == 0


def test_one_who_does_not_keep_up_is_dropped_and_others_are_not() -> None:
    async def check() -> tuple[bool, bool]:
        hub = Hub(asyncio.get_running_loop())
        with hub.listen(OPERATOR) as slow, hub.listen(OPERATOR) as quick:
            for _ in range(QUEUE + 1):
                hub.send(Event(b"x"))
                quick.queue.get_nowait()
            return slow.closed.is_set(), quick.closed.is_set()

    assert asyncio.run(check()) == (True, False)


class Exchange:
    """One request to an ASGI application. sent: what it answered. Its client leaves when `left` is set."""

    def __init__(self, path: str, token: str | None, method: str = "GET", body: bytes = b"") -> None:
        headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
        self.scope = {"type": "http", "method": method, "path": path, "headers": headers, "query_string": b""}
        self.scope |= {"http_version": "1.1", "scheme": "http", "server": ("x", 80), "client": ("y", 1)}
        self.body: bytes | None = body
        self.sent: asyncio.Queue[MutableMapping[str, Any]] = asyncio.Queue()
        self.left = asyncio.Event()

    async def receive(self) -> MutableMapping[str, Any]:
        if self.body is not None:
            body, self.body = self.body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self.left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: MutableMapping[str, Any]) -> None:
        self.sent.put_nowait(message)

    async def next(self) -> MutableMapping[str, Any]:
        return await asyncio.wait_for(self.sent.get(), 5)


def exchange(world: World, talk: Callable[[Application, Hub], Awaitable[None]], **options: float) -> None:
    async def run() -> None:
        hub = Hub(asyncio.get_running_loop())
        application = Application(create_app(world.services), hub, world.store, world.clock, **options)
        try:
            await talk(application, hub)
        finally:
            application.close()

    asyncio.run(run())


def test_the_stream_begins_with_when_to_come_back_and_ends_when_we_stop(world: World) -> None:
    token = driver(world).token

    async def talk(application: Application, hub: Hub) -> None:
        one = Exchange(EVENTS, token)
        task = asyncio.ensure_future(application(one.scope, one.receive, one.send))
        begun = await one.next()
        assert (begun["status"], dict(begun["headers"])[b"content-type"]) == (200, b"text/event-stream")
        assert (await one.next())["body"] == b"retry: 2000\n\n"
        hub.send(Event(b"secret", public=b"public"))
        assert (await one.next())["body"] == b"public"
        assert len(hub) == 1
        hub.close()
        assert await one.next() == {"type": "http.response.body", "body": b"", "more_body": False}
        await task
        assert len(hub) == 0

    exchange(world, talk)


def test_one_who_leaves_is_forgotten(world: World) -> None:
    token = driver(world).token

    async def talk(application: Application, hub: Hub) -> None:
        one = Exchange(EVENTS, token)
        task = asyncio.ensure_future(application(one.scope, one.receive, one.send))
        await one.next()
        one.left.set()
        await asyncio.wait_for(task, 5)
        assert len(hub) == 0

    exchange(world, talk)


def test_the_stream_is_kept_alive_and_ends_with_the_login_however_much_is_told(world: World) -> None:
    token = driver(world).token

    async def talk(application: Application, hub: Hub) -> None:
        one = Exchange(EVENTS, token)
        task = asyncio.ensure_future(application(one.scope, one.receive, one.send))
        seen = [(await one.next()).get("body") for _ in range(3)]
        assert seen == [None, b"retry: 2000\n\n", b": still here\n\n"]
        world.pass_time(hours=12)
        while not task.done():
            hub.send(Event(b"", public=b"news"))
            await asyncio.sleep(0.001)
        assert await task is None

    exchange(world, talk, heartbeat_s=0.05)


@pytest.mark.parametrize("token", [None, "nobody's"])
def test_the_stream_needs_a_login(world: World, token: str | None) -> None:
    async def talk(application: Application, hub: Hub) -> None:
        one = Exchange(EVENTS, token)
        await application(one.scope, one.receive, one.send)
        assert (await one.next())["status"] == 401
        assert msgspec.json.decode((await one.next())["body"])["detail"] == "log in first"

    exchange(world, talk)


def test_everything_else_is_flasks_and_a_large_body_is_nobodys(world: World) -> None:
    token = client(world, "admin@colonnina.test").token

    async def talk(application: Application, hub: Hub) -> None:
        one = Exchange("/api/v1/stations", token)
        await application(one.scope, one.receive, one.send)
        assert (await one.next())["status"] == 200
        one = Exchange("/api/v1/stations", token, "POST", b"x" * (MAX_BODY + 1))
        await application(one.scope, one.receive, one.send)
        assert (await one.next())["status"] == 413

    exchange(world, talk)


def test_commands_that_wait_do_not_hold_up_the_rest(world: World) -> None:
    world.add_station()
    token = client(world, "operator@colonnina.test").token

    async def talk(application: Application, hub: Hub) -> None:
        waiting = [Exchange("/api/v1/stations/cs-1/calls/ClearCache", token, "POST") for _ in range(20)]
        tasks = [asyncio.ensure_future(application(one.scope, one.receive, one.send)) for one in waiting]
        one = Exchange("/healthz", None)
        await asyncio.wait_for(application(one.scope, one.receive, one.send), 1.5)
        assert [task.done() for task in tasks] == [False] * 20
        await asyncio.gather(*tasks)

    exchange(world, talk)
