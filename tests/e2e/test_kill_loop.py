"""A station process that is killed again and again, at any moment, while drivers come and go: it loses nothing.

The real station with its real drivers on an emulated bench, a real broker, a real CSMS worker. `make kill-loop` kills
200 times; COLONNINA_KILLS and COLONNINA_SEED choose how often, and at which moments.
"""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from deploy.local.plan import Plan, station_toml
from hardware.emulators.bench import StationBench
from hardware.emulators.vehicle import Vehicle
from tests.conftest import PASSWORDS, BrokerProcess
from tests.support import wait_for
from tests.support.worker import CsmsWorker
from wiring import pins

KILLS = int(os.environ.get("COLONNINA_KILLS", "10"))
SEED = int(os.environ.get("COLONNINA_SEED", "0")) or random.SystemRandom().randrange(1, 1_000_000)
CARD = "04A1B2C3D4E5F6"
#: How long a life lasts after the process was spawned, s: most of them into the work, some while it still starts.
WORKING_S, STARTING_S = (1.2, 4.5), (0.02, 1.2)
LOOK_S = 0.02
#: A plug that is pulled is noticed within this, s.
DEBOUNCE_S = 0.3


class Open(NamedTuple):
    """The transaction in the journal. stopped: it is to end, whatever happens."""

    id: str
    connector: int
    stopped: bool


class Disk:
    """What the station has written down, read beside it as after a crash."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def open(self) -> Open | None:
        for (row,) in self._read("SELECT open FROM journal"):
            transaction = json.loads(row)
            return Open(transaction["id"], transaction["connector"], transaction["stop"] is not None)
        return None

    def waiting(self) -> int:
        return int(self._read("SELECT count(*) FROM calls")[0][0])

    def dead_letters(self) -> list[Any]:
        return self._read("SELECT action, code, description FROM dead_letters")

    def _read(self, query: str) -> list[Any]:
        try:
            with closing(sqlite3.connect(f"file:{self._path}?mode=ro", uri=True)) as disk:
                return disk.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "unable to open" in str(error) or "no such table" in str(error):
                return []  # killed before it was made
            raise


class Site:
    """The station, the bench around it and its drivers, one after the other. draw: chance."""

    def __init__(self, folder: Path, plan: Plan, draw: random.Random) -> None:
        (demo,) = plan.demo_stations
        self._folder = folder
        self._config = plan.station_file(demo.id)
        self._config.parent.mkdir(parents=True)
        self._config.write_text(station_toml(plan, demo, PASSWORDS[demo.id]))
        self.bench = StationBench(plan.bench_folder(demo.id), demo.bench, pins=pins.load())
        self.disk = Disk(plan.data / "stations" / demo.id / "station.sqlite")
        self._draw = draw
        self._process: subprocess.Popen[bytes] | None = None
        self._rest_at: float | None = None
        self._left_at = 0.0
        self._checked_at = 0.0
        self._act_at = 0.0
        self._leave_at: float | None = None
        self.seen: set[str] = set()
        self.over: set[str] = set()
        self.lost_power: set[str] = set()
        self.closings = self.resumed = 0

    # -- the station's lives --

    def start(self) -> None:
        with (self._folder / "station.log").open("ab") as log:
            command = [sys.executable, "-m", "edge.main", "run", "--config", str(self._config)]
            self._process = subprocess.Popen(command, stdout=log, stderr=log)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None

    def live(self, seconds: float) -> None:
        """Drivers come and go, and the pin is watched, until it is time."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self._process is not None
            assert self._process.poll() is None, (self._folder / "station.log").read_text()[-4000:]
            self.look()
            self._drive()
            time.sleep(LOOK_S)

    def kill(self) -> None:
        """Kill the station, and see that every output falls back. Then, perhaps, the driver leaves."""
        assert self._process is not None
        self._process.kill()
        self._process.wait(10)
        self._process = None
        wait_for(lambda: not self.bench.snapshot()["station_connected"], 5)
        assert not self._pin()["commanded"], "a dead station drives the contactor"
        self._rest_at = self._pin()["commanded_at"]
        transaction = self.disk.open()
        if transaction is None:
            return
        self.seen.add(transaction.id)
        if transaction.stopped:
            self.over.add(transaction.id)
            return
        if self._draw.random() < 0.25:
            self._unplug()
        if self._evse()["plugged_connector"] is None:
            self.over.add(transaction.id)
            self.lost_power.add(transaction.id)

    def look(self) -> None:
        """The pin has rested since the last death, or the station had the right to close.

        The right: a vehicle is plugged in, and the journal has a transaction for it that goes on, and that no earlier
        life has ended. `commanded_at` tells of every change, also of one between two looks.
        """
        pin = self._pin()
        if not pin["commanded"] and self._rest_at is not None:
            assert pin["commanded_at"] == self._rest_at, "the contactor twitched at the start"
        if not pin["commanded"] or pin["commanded_at"] == self._checked_at:
            return
        transaction, plugged = self.disk.open(), self._evse()["plugged_connector"]
        if self._pin()["commanded_at"] != pin["commanded_at"]:
            return  # open again meanwhile: what is on disk is of later
        assert transaction is not None, "power flows without a transaction on disk"
        assert not transaction.stopped
        noticed_at = self._left_at + DEBOUNCE_S  # until then the station may have closed in good faith
        assert plugged == transaction.connector or pin["commanded_at"] < noticed_at, "power flows without a vehicle"
        assert transaction.id not in self.over, "power flows in a transaction that is over"
        if self._rest_at is not None and transaction.id in self.seen:
            self.resumed += 1
        self.seen.add(transaction.id)
        self.closings += 1
        self._rest_at, self._checked_at = None, pin["commanded_at"]

    def settle(self) -> None:
        """The last driver leaves, and all that was written down is told to the CSMS."""
        self._unplug()
        wait_for(lambda: self.look() or (self.disk.open() is None and self.disk.waiting() == 0), 60, 0.1)

    # -- its drivers --

    def _drive(self) -> None:
        now = time.monotonic()
        if now < self._act_at or not self.bench.snapshot()["station_connected"]:
            return
        transaction, plugged = self.disk.open(), self._evse()["plugged_connector"] is not None
        wait_s = 0.1
        if not plugged:
            # While it has not noticed that one has left, a station would take the next vehicle for the same.
            if transaction is None or transaction.stopped:
                self.bench.plug(1, 1, Vehicle(soc_pct=self._draw.uniform(5, 60)))
                self._leave_at, wait_s = None, self._draw.uniform(0.1, 0.5)
        elif transaction is None and self._leave_at is None:
            self.bench.tap(CARD, 0.3)
            wait_s = self._draw.uniform(1.5, 2.5)
        elif transaction is None:
            self._unplug()
            wait_s = self._draw.uniform(0.1, 0.5)
        elif self._leave_at is None:
            self._leave_at = now + self._draw.uniform(0.5, 8)
        elif now >= self._leave_at and not transaction.stopped and self._rest_at is None:
            # Not before it has closed in this life: a contactor that opens again at once would look like a twitch.
            if self._draw.random() < 0.5:
                self.bench.tap(CARD, 0.3)
            else:
                self._unplug()
            wait_s = self._draw.uniform(1.5, 2.5)
        self._act_at = now + wait_s

    def _unplug(self) -> None:
        if self._evse()["plugged_connector"] is not None:
            self._left_at = time.monotonic()
            self.bench.unplug(1)

    def _evse(self) -> Any:
        return self.bench.snapshot()["evses"][0]

    def _pin(self) -> Any:
        return self._evse()["connectors"][0]

    @property
    def register_wh(self) -> float:
        return float(self._evse()["register_wh"])


@pytest.fixture
def worker(mosquitto: BrokerProcess, tmp_path: Path) -> Iterator[CsmsWorker]:
    running = CsmsWorker(tmp_path / "csms", mosquitto.broker, ["cs-1"], [CARD])
    running.start()
    yield running
    running.stop()


@pytest.fixture
def site(mosquitto: BrokerProcess, tmp_path: Path) -> Iterator[Site]:
    print(f"COLONNINA_SEED={SEED} COLONNINA_KILLS={KILLS}")
    made = Site(tmp_path, Plan(mosquitto.broker.port - 2, 1, 1.0, tmp_path), random.Random(SEED))
    made.bench.start()
    yield made
    made.stop()
    made.bench.stop()


def test_a_station_that_is_killed_again_and_again_loses_nothing_and_never_wakes_with_power_on(
    site: Site, worker: CsmsWorker
) -> None:
    draw, first_wh = random.Random(SEED + 1), site.register_wh
    for _ in range(KILLS):
        site.start()
        site.live(draw.uniform(*(STARTING_S if draw.random() < 0.2 else WORKING_S)))
        site.kill()
    site.start()
    site.settle()
    site.stop()

    booked = worker.booked("cs-1")
    energy_wh, register_wh = sum(session.energy_wh for session in booked), site.register_wh - first_wh
    print(
        f"{KILLS} kills, {len(booked)} transactions, {sum(len(session.events) for session in booked)} events,"
        f" {site.closings} closings of which {site.resumed} resumed, {len(site.lost_power)} left while it was dead,"
        f" {energy_wh} Wh booked, {register_wh:.1f} Wh on the meter"
    )
    assert site.seen - {session.transaction for session in booked} == set()
    assert site.disk.dead_letters() == []
    assert worker.refusals() == {}
    for session in booked:
        assert (session.state, session.complete, session.flags) == ("ended", True, "")
        assert session.seq_nos == list(range(len(session.events)))
        assert [event["eventType"] for event in session.events].count("Ended") == 1
    reasons = {session.transaction: session.stop_reason for session in booked}
    assert {reasons[transaction] for transaction in site.lost_power} <= {"PowerLoss"}
    for session, following in pairwise(booked):
        assert following.start_wh == pytest.approx(session.start_wh + session.energy_wh, abs=1), "unbooked energy"
    assert energy_wh == pytest.approx(register_wh, abs=1 + len(booked))
