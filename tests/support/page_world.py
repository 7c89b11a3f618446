"""A real broker, a real server and a real browser for the tests of the pages."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from playwright.sync_api import BrowserContext, Page, sync_playwright
from sqlalchemy import insert, select, update

from cloud import present
from cloud.commands import Commands
from cloud.notify.channels import make_channels
from cloud.notify.config import Notify
from cloud.notify.port import Setup
from cloud.series.port import Point
from cloud.series.sqlite import SqliteSeries
from cloud.store.registry import ConnectorSpec, EvseSpec, add_station, add_user
from cloud.store.store import Store, new_id
from cloud.store.tables import calls, connectors, evses, sessions, stations
from cloud.web.serve import serve
from cloud.web.services import Services
from protocol import topics
from protocol.mqtt import Broker, Link
from tests.support import free_port, wait_for

PASSWORD = "a password"
_BROWSER = [
    *("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
]


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Network:
    """Two stations with two EVSEs each, a driver and an operator. The test plays the worker and the stations."""

    store: Store
    series: SqliteSeries
    broker: Broker
    link: Link
    services: Services = field(init=False)
    people: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        commands = Commands(self.store, now=now, wake=lambda: None, heartbeat_s=60, timeout_s=5)
        parts = {"database": "ok", "broker": "ok"}
        config = Notify(smtp_host="mail.test", sender="csms@colonnina.test")
        channels = make_channels(Setup(config, self.store, now))
        self.services = Services(
            *(self.store, self.series, commands, now, 60, lambda: parts, "secret", self.broker),
            channels=channels,
            notify=config,
        )

    def seed(self) -> None:
        with self.store.write() as connection:
            for role in ("driver", "operator"):
                self.people[role] = add_user(connection, f"{role}@colonnina.test", PASSWORD, role, now())
            for station in ("cs-1", "cs-2"):
                layout = [EvseSpec(number, (ConnectorSpec(1, "Type2", "AC", 22.0),)) for number in (1, 2)]
                add_station(connection, station, layout, now())
            # Seen in the future: nothing in these tests may depend on how long they take.
            seen = now() + timedelta(hours=1)
            connection.execute(
                update(stations).values(link_up=True, link_since=now(), seen_at=seen, vendor="Colonnina")
            )
            connection.execute(update(connectors).values(status="Available"))

    def code(self, station: str, number: int) -> str:
        with self.store.read() as connection:
            place = (evses.c.station == station) & (evses.c.number == number)
            return str(connection.scalar(select(evses.c.code).where(place)))

    def charge(self, station: str, evse: int, power_w: float, minutes: int = 5) -> str:
        """A session that has been going on for some minutes, with its samples."""
        key, began = new_id(now()), now() - timedelta(minutes=minutes)
        row = {"id": key, "station": station, "evse": evse, "state": "charging", "transaction_id": f"tx-{key}"}
        row |= {"created_at": began, "started_at": began, "updated_at": began, "power_w": power_w, "energy_wh": 1234}
        with self.store.write() as connection:
            connection.execute(insert(sessions).values(**row, soc_pct=40.0, connector=1))
        moments = [began + timedelta(seconds=seconds) for seconds in range(0, 60 * minutes, 10)]
        self.series.write([Point(station, evse, at, {"power_w": power_w}) for at in moments])
        return key

    def change(self, session: str, **columns: Any) -> None:
        """Change a session as the worker does: in the database, then an event for everybody who looks."""
        with self.store.write() as connection:
            connection.execute(update(sessions).where(sessions.c.id == session).values(**columns))
            row = connection.execute(select(sessions).where(sessions.c.id == session)).one()
            [station] = present.station_list(connection, now(), 60, [row.station])
        self.publish("session", session, present.session(row))
        self.publish("evse", f"{row.station}:{row.evse}", station)

    def publish(self, kind: str, key: str, data: Any) -> None:
        self.link.publish(topics.event(kind, key), msgspec.json.encode(data))

    def accept_next_call(self) -> threading.Thread:
        """Let the station accept the next call that is made."""

        def work() -> None:
            wait_for(self._accept)

        thread = threading.Thread(target=work)
        thread.start()
        return thread

    def _accept(self) -> bool:
        with self.store.write() as connection:
            accepted = update(calls).where(calls.c.state == "queued")
            return connection.execute(accepted.values(state="answered", response='{"status":"Accepted"}')).rowcount == 1


@contextmanager
def a_network(folder: Path) -> Iterator[Network]:
    store, series = Store(f"sqlite:///{folder}/csms.sqlite"), SqliteSeries(folder / "series.sqlite")
    store.start()
    series.start()
    try:
        with a_broker(folder) as broker:
            link = Link(broker, "worker", on_message=lambda message: None)
            link.start()
            assert link.wait_up(10)
            try:
                network = Network(store, series, broker, link)
                network.seed()
                yield network
            finally:
                link.stop()
    finally:
        series.stop()
        store.stop()


@contextmanager
def a_broker(folder: Path) -> Iterator[Broker]:
    """mosquitto on a free port of the loopback."""
    program = shutil.which("mosquitto", path="/usr/sbin:/usr/bin:/usr/local/sbin") or "mosquitto"
    port = free_port()
    (folder / "mosquitto.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\n")
    with subprocess.Popen([program, "-c", folder / "mosquitto.conf"], stderr=subprocess.DEVNULL) as process:
        try:
            wait_for(lambda: answers(port))
            yield Broker(port=port)
        finally:
            process.terminate()


@contextmanager
def a_server(network: Network) -> Iterator[str]:
    """The web process's server on a thread. Answers its address."""
    port, loop, stop = free_port(), asyncio.new_event_loop(), asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(serve(network.services, network.broker, "127.0.0.1", port, stop))
    )
    thread.start()
    try:
        wait_for(lambda: answers(port))
        yield f"http://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()


@dataclass
class Watched:
    """A page of which everything that it must not do is written down."""

    page: Page
    origin: str
    wrong: list[str] = field(default_factory=list)

    def watch(self) -> None:
        page = self.page
        page.on("console", lambda message: self._note(message.type in ("error", "warning"), message.text))
        page.on("pageerror", lambda error: self._note(True, str(error)))
        page.on("request", lambda request: self._note(not request.url.startswith((self.origin, "data:")), request.url))

    def log_in(self, role: str) -> None:
        self.page.fill("[name=email]", f"{role}@colonnina.test")
        self.page.fill("[name=password]", PASSWORD)
        self.page.click("text=Log in >> nth=-1")

    def text(self, selector: str) -> str:
        return self.page.locator(selector).inner_text()

    def _note(self, wrong: bool, what: str) -> None:
        if wrong:
            self.wrong.append(what)


@contextmanager
def a_browser(origin: str, width: int = 1280, height: int = 800) -> Iterator[Watched]:
    """A page in Chromium. At the end it must have done nothing wrong."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=_BROWSER)
        context: BrowserContext = browser.new_context(
            viewport={"width": width, "height": height}, locale="en-GB", timezone_id="Europe/Rome"
        )
        watched = Watched(context.new_page(), origin)
        watched.watch()
        yield watched
        assert watched.wrong == []
        browser.close()


def answers(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def fetch(address: str, token: str) -> Any:
    request = urllib.request.Request(address, headers={"Authorization": f"Bearer {token}"})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return msgspec.json.decode(answer.read())
