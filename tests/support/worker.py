"""The CSMS's worker in a process of its own, and its books, read as an auditor would: from the database."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from cloud.store import registry
from cloud.store.registry import ConnectorSpec, EvseSpec
from cloud.store.store import Store
from protocol import topics
from protocol.mqtt import Broker, Link, Message
from tests.support import wait_for

LAYOUT = (EvseSpec(1, (ConnectorSpec(1, "Type2", "AC", 7.4),)),)


@dataclass(frozen=True, slots=True)
class Booked:
    """A session in the books, with its events in the order in which they were recorded."""

    transaction: str
    complete: bool
    flags: str
    state: str
    stop_reason: str | None
    start_wh: int
    energy_wh: int
    id_token: str
    events: tuple[dict[str, Any], ...]

    @property
    def seq_nos(self) -> list[int]:
        return [event["seqNo"] for event in self.events]


class CsmsWorker:
    """stations, cards: what is registered when it starts for the first time. prepare: does more of that kind."""

    def __init__(
        self,
        folder: Path,
        broker: Broker,
        stations: list[str],
        cards: list[str],
        prepare: Callable[[Connection], None] = lambda connection: None,
    ) -> None:
        self._folder = folder
        self._broker = broker
        self._stations = stations
        self._cards = cards
        self._prepare = prepare
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._folder.mkdir(parents=True)
        store = Store(f"sqlite:///{self._database}")
        store.start()
        with store.write() as connection:
            for card in self._cards:
                registry.add_card(connection, card, None)
            for station in self._stations:
                registry.add_station(connection, station, LAYOUT, datetime.now(UTC))
            self._prepare(connection)
        store.stop()
        broker = self._broker
        self._config.write_text(
            f'[csms]\ndata = "{self._folder}"\nheartbeat_s = 60\n[broker]\nhost = "{broker.host}"\n'
            f'port = {broker.port}\nusername = "{broker.username}"\npassword = "{broker.password}"\n'
        )
        self.restart()
        self._wait_ready()

    def restart(self) -> None:
        """Run it again, and do not wait until it works."""
        command = [sys.executable, "-m", "cloud.main", "serve", "--role", "worker", "--config", str(self._config)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def kill(self) -> None:
        """As a power cut does."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def booked(self, station: str) -> list[Booked]:
        """Its sessions, in the order in which they were opened."""
        with closing(sqlite3.connect(self._database)) as books:
            books.row_factory = sqlite3.Row
            rows = books.execute("SELECT * FROM sessions WHERE station = ? ORDER BY no", [station]).fetchall()
            return [
                Booked(
                    row["transaction_id"],
                    bool(row["complete"]),
                    row["flags"],
                    row["state"],
                    row["stop_reason"],
                    row["start_wh"],
                    row["energy_wh"],
                    row["id_token"],
                    tuple(
                        json.loads(payload)
                        for (payload,) in books.execute(
                            "SELECT payload FROM events WHERE session = ? ORDER BY no", [row["no"]]
                        )
                    ),
                )
                for row in rows
            ]

    def recorded(self, station: str) -> list[tuple[str, int]]:
        """(transaction, seqNo) of every event of a station, in the order in which they were recorded."""
        query = (
            "SELECT sessions.transaction_id, events.seq_no FROM events JOIN sessions ON sessions.no = events.session"
            " WHERE sessions.station = ? ORDER BY events.no"
        )
        with closing(sqlite3.connect(self._database)) as books:
            return [(transaction, seq_no) for transaction, seq_no in books.execute(query, [station])]

    def linked(self) -> dict[str, bool]:
        """Which stations are on the link, as far as the CSMS knows."""
        with closing(sqlite3.connect(self._database)) as books:
            return {id: bool(up) for id, up in books.execute("SELECT id, link_up FROM stations")}

    def refusals(self) -> dict[str, int]:
        """Frames that were refused, by code."""
        with closing(sqlite3.connect(self._database)) as books:
            return dict(books.execute("SELECT code, sum(count) FROM refusals GROUP BY code").fetchall())

    def _wait_ready(self) -> None:
        """Ask as a station does until there is an answer: what is sent before it has subscribed reaches nobody."""
        station, answered = self._stations[0], threading.Event()

        def arrived(message: Message) -> None:
            message.ack()
            answered.set()

        probe = Link(
            self._broker, "probe", on_message=arrived, subscriptions=[topics.down(station)], session_expiry_s=0
        )
        probe.start()
        try:
            wait_for(lambda: self._ask(probe, station) or answered.wait(0.1), 30)
        finally:
            probe.stop()

    def _ask(self, probe: Link, station: str) -> None:
        assert self._process is not None
        assert self._process.poll() is None, (self._folder / "log").read_text()
        probe.publish(topics.up(station), b'[2,"probe","Heartbeat",{}]')

    @property
    def _config(self) -> Path:
        return self._folder / "csms.toml"

    @property
    def _database(self) -> Path:
        return self._folder / "csms.sqlite"
