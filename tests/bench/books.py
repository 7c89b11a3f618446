"""What a message costs when the store is full, against one that is empty.

The same events through the whole core (validate, fold, commit, time series), in turn on a store that is new and on one
that holds `SAMPLES` samples of the same stations, with as many events and sessions as those make. `COLONNINA_SAMPLES`
changes how many.
"""

from __future__ import annotations

import os
import sqlite3
import statistics
import tempfile
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cloud.csms import Csms
from cloud.limits import Limits
from cloud.series.sqlite import SqliteSeries
from cloud.store import registry
from cloud.store.registry import ConnectorSpec, EvseSpec
from cloud.store.store import Store
from protocol.mqtt import Message
from tests.bench.frames import START, frame

#: About 0.2 kB each on disk: the payloads of their events, which nobody reads again, are left out.
SAMPLES = int(os.environ.get("COLONNINA_SAMPLES", "10000000"))
STATIONS, PER_SESSION = 1_000, 100
BATCH, ROUNDS = 500, 24
FIELDS = '{"energy_wh":1000.0,"power_w":7360.0,"current_a":32.0,"voltage_v":230.0}'


class Side:
    """A store and the core on it. cpu, real: seconds for each message, of every round."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        self._store = Store(f"sqlite:///{folder / 'csms.sqlite'}")
        self._series = SqliteSeries(folder / "series.sqlite")
        self._csms = Csms(
            self._store,
            self._series,
            lambda topic, payload, *, expiry_s=None: None,
            now=lambda: datetime.now(UTC),
            heartbeat_s=60,
            limits=Limits(frames_per_s=0),
        )
        self.cpu: list[float] = []
        self.real: list[float] = []

    def start(self) -> None:
        self._store.start()
        self._series.start()
        with self._store.write() as connection:
            for number in range(STATIONS):
                registry.add_station(connection, f"s{number}", [EvseSpec(1, (ConnectorSpec(1),))], datetime.now(UTC))

    def stop(self) -> None:
        self._series.stop()
        self._store.stop()

    def fill(self, samples: int) -> None:
        """As if so many had been taken, in sessions of PER_SESSION events with one sample each, all of them over."""
        sessions = samples // PER_SESSION
        with closing(sqlite3.connect(self._folder / "csms.sqlite")) as books:
            books.execute("PRAGMA synchronous=OFF")
            books.executemany(
                "INSERT INTO sessions (no, id, station, transaction_id, evse, state, created_at, updated_at, energy_wh,"
                " complete, flags, folded) VALUES (?, ?, ?, ?, 1, 'ended', 0, 0, 2000, 1, '', ?)",
                ((no, f"{no:024}", f"s{no % STATIONS}", f"old-{no}", b"{}") for no in range(1, sessions + 1)),
            )
            books.executemany(
                "INSERT INTO events (session, seq_no, received_at, payload) VALUES (?, ?, 0, ?)",
                ((no, seq_no, b"{}") for no in range(1, sessions + 1) for seq_no in range(PER_SESSION)),
            )
            books.commit()
        before = int((START - timedelta(days=400)).timestamp() * 1000)
        with closing(sqlite3.connect(self._folder / "series.sqlite")) as series:
            series.execute("PRAGMA synchronous=OFF")
            series.executemany(
                "INSERT INTO points VALUES (?, 1, ?, ?)",
                (
                    (station, before + 10_000 * number, FIELDS)
                    for station in sorted(f"s{number}" for number in range(STATIONS))
                    for number in range(samples // STATIONS)
                ),
            )
            series.commit()

    def round(self, number: int) -> None:
        """One batch: the next event of half of the stations, of new sessions now and then."""
        transaction, seq_no = divmod(number // 2, PER_SESSION)
        first = (number % 2) * BATCH
        batch = [
            Message(f"cs/s{station}/up", frame(f"new-{transaction}-{station}", seq_no), False, lambda: None)
            for station in range(first, first + BATCH)
        ]
        cpu, real = time.process_time(), time.perf_counter()
        self._csms.take(batch)
        self.cpu.append((time.process_time() - cpu) / BATCH)
        self.real.append((time.perf_counter() - real) / BATCH)

    @property
    def megabytes(self) -> float:
        return sum(path.stat().st_size for path in self._folder.iterdir()) / 1e6


def run() -> None:
    with tempfile.TemporaryDirectory() as folder:
        empty, full = Side(Path(folder) / "empty"), Side(Path(folder) / "full")
        for side in (empty, full):
            side.start()
        full.fill(SAMPLES)
        for number in range(ROUNDS):  # in turn, so that a machine that slows down slows both down
            empty.round(number)
            full.round(number)
        for side in (empty, full):
            side.stop()
        size = full.megabytes
    print(f"{ROUNDS} batches of {BATCH} TransactionEvents of {STATIONS} stations, medians")
    tell("empty store", empty)
    tell(f"{SAMPLES / 1e6:g} million samples and their events, {size:.0f} MB", full)
    cpu, real = (
        statistics.median(ours) / statistics.median(theirs)
        for ours, theirs in zip((full.cpu, full.real), (empty.cpu, empty.real), strict=True)
    )
    print(f"ratio: {cpu:.2f} of CPU, {real:.2f} of time")


def tell(what: str, side: Side) -> None:
    cpu, real = statistics.median(side.cpu), statistics.median(side.real)
    print(f"{what:<55} {cpu * 1e6:7.1f} us CPU  {real * 1e6:7.1f} us each")


if __name__ == "__main__":
    run()
