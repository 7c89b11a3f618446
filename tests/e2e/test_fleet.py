"""A fleet, a real broker and a real CSMS worker: who is cut off and who is not, and what drivers leave in the books."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.fleet.clock import VirtualClock
from edge.fleet.drivers import Habits
from edge.fleet.fleet import Fleet
from tests.conftest import BrokerProcess
from tests.support import wait_for
from tests.support.worker import CsmsWorker

STATIONS = ["sim-1", "sim-2", "sim-3"]
CARD = "04A1B2C3D4E5F6"
HOUR_S = 3_600.0


@pytest.fixture
def worker(mosquitto: BrokerProcess, tmp_path: Path) -> Iterator[CsmsWorker]:
    running = CsmsWorker(tmp_path / "csms", mosquitto.broker, STATIONS, [CARD])
    running.start()
    yield running
    running.stop()


@pytest.fixture
def fleet(mosquitto: BrokerProcess, worker: CsmsWorker) -> Iterator[Fleet]:
    """Three stations on two links."""
    clock = VirtualClock(datetime.now(UTC) - timedelta(days=1))
    running = Fleet(STATIONS, mosquitto.broker, clock, per_link=2, patience_s=1.0)
    running.start()
    running.settle(lambda: all(station.core.station.booted for station in running.stations))
    yield running
    running.stop()


def online(fleet: Fleet) -> list[bool]:
    return [station.core.station.online for station in fleet.stations]


def test_one_station_is_cut_off_and_back_alone_and_a_broker_that_dies_cuts_off_all(
    fleet: Fleet, worker: CsmsWorker, mosquitto: BrokerProcess
) -> None:
    wait_for(lambda: worker.linked() == dict.fromkeys(STATIONS, True))
    fleet.station("sim-2").link(False)
    assert online(fleet) == [True, False, True]
    wait_for(lambda: worker.linked() == {"sim-1": True, "sim-2": False, "sim-3": True})
    fleet.station("sim-2").link(True)
    assert online(fleet) == [True, True, True]
    wait_for(lambda: worker.linked() == dict.fromkeys(STATIONS, True))
    mosquitto.kill()
    fleet.settle(lambda: online(fleet) == [False, False, False])
    mosquitto.start()
    fleet.settle(lambda: online(fleet) == [True, True, True])


def test_the_sessions_of_drivers_who_come_and_go_are_in_the_books_to_the_watt_hour(
    fleet: Fleet, worker: CsmsWorker
) -> None:
    habits = Habits(away=(10, 600), tap=(5, 30), stay=(300, 900), leave=(5, 60))
    fleet.let_drivers_come([CARD], habits, seed=1)
    fleet.pass_time(2 * HOUR_S)
    for station in fleet.stations:
        station.unplug()
    fleet.pass_time(60)
    for station in fleet.stations:
        booked = worker.booked(station.id)
        assert len(booked) > 3
        assert {(session.state, session.complete, session.flags) for session in booked} == {("ended", True, "")}
        assert 1_000 + sum(session.energy_wh for session in booked) == station.site.reading(1).energy_wh
