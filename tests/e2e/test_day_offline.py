"""A day without a link: everything that happened reaches the CSMS, complete, in order, once.

A station of the fleet, which is the same core as a Pi's, with the outbox that a Pi has; a real broker, a real CSMS
worker. Only the day is virtual.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from edge.authorization import SqliteTokenMemory
from edge.fleet.clock import VirtualClock
from edge.fleet.fleet import Fleet
from edge.fleet.station import FleetStation
from edge.outbox import SqliteOutbox
from edge.station.state import Settings
from edge.station.tokens import ListEntry, ListUpdate, TokenInfo
from hardware.emulators.vehicle import Vehicle
from tests.conftest import BrokerProcess
from tests.support.worker import CsmsWorker

LISTED, CACHED = "04A1B2C3D4E5F6", "04B1C2D3E4F506"
SESSIONS = 20
DAY_S = 86_400.0
#: Each hour and a bit: plug in, tap, charge, tap, leave.
PLUG_S, CHARGE_S = 20.0, 2_400.0
PAUSE_S = DAY_S / SESSIONS - PLUG_S - CHARGE_S - PLUG_S
SAMPLES = 20
SAMPLE_S = CHARGE_S / SAMPLES


@dataclass(frozen=True, slots=True)
class Day:
    """A station that has had its day offline. charged_wh: what the meter counted in each session."""

    fleet: Fleet
    station: FleetStation
    outbox: SqliteOutbox
    worker: CsmsWorker
    charged_wh: list[int]
    waiting: int


@pytest.fixture
def day(mosquitto: BrokerProcess, tmp_path: Path) -> Iterator[Day]:
    with ExitStack() as stack:
        worker = CsmsWorker(tmp_path / "csms", mosquitto.broker, ["cs-1"], [LISTED, CACHED])
        stack.callback(worker.stop)
        worker.start()
        clock = VirtualClock(datetime.now(UTC) - timedelta(days=2))
        outbox = SqliteOutbox(tmp_path / "station.sqlite", clock.now, "boot")
        tokens = SqliteTokenMemory(tmp_path / "tokens.sqlite")
        for memory in (outbox, tokens):
            memory.start()
            stack.callback(memory.stop)
        tokens.update_list(ListUpdate(1, True, (ListEntry(LISTED, "ISO14443", TokenInfo("Accepted")),)))
        fleet = Fleet(
            ["cs-1"],
            mosquitto.broker,
            clock,
            settings=Settings(sample_s=SAMPLE_S),
            memory=lambda id: (outbox, tokens),
            patience_s=1.0,
        )
        fleet.start()
        stack.callback(fleet.stop)
        station = fleet.station("cs-1")
        fleet.settle(lambda: station.core.station.booted)
        learn(fleet, CACHED)
        station.link(False)
        began = len(worker.recorded("cs-1"))
        charged_wh = [charge(fleet, (LISTED, CACHED)[number % 2]) for number in range(SESSIONS)]
        assert len(worker.recorded("cs-1")) == began == 0
        yield Day(fleet, station, outbox, worker, charged_wh, outbox.count())


def learn(fleet: Fleet, uid: str) -> None:
    """A card that the CSMS accepts once is in the cache; its holder takes it away again."""
    station = fleet.station("cs-1")
    station.tap(uid)
    fleet.settle(lambda: station.core.station.evses[0].authorization is not None)
    station.tap(uid)


def charge(fleet: Fleet, uid: str) -> int:
    """One session. What the meter counted meanwhile, Wh."""
    station = fleet.station("cs-1")
    before_wh = station.site.reading(1).energy_wh
    station.plug(Vehicle())
    fleet.pass_time(PLUG_S)
    station.tap(uid)
    fleet.pass_time(CHARGE_S)
    assert station.has_power()
    station.tap(uid)
    fleet.pass_time(PLUG_S)
    station.unplug()
    fleet.pass_time(PAUSE_S)
    return station.site.reading(1).energy_wh - before_wh


def check_books(day: Day) -> None:
    booked = day.worker.booked("cs-1")
    assert [session.energy_wh for session in booked] == day.charged_wh
    assert [session.id_token for session in booked] == [LISTED, CACHED] * (SESSIONS // 2)
    for session in booked:
        assert (session.state, session.complete, session.flags, session.stop_reason) == ("ended", True, "", "Local")
        kinds = ["Started", *["Updated"] * SAMPLES, "Ended"]
        assert [(event["seqNo"], event["eventType"]) for event in session.events] == list(enumerate(kinds))
        assert [event["offline"] for event in session.events] == [True] * len(session.events)
    recorded = day.worker.recorded("cs-1")
    assert recorded == [(session.transaction, seq_no) for session in booked for seq_no in session.seq_nos]
    assert len(recorded) == day.waiting
    times = [event["timestamp"] for session in booked for event in session.events]
    assert times == sorted(times)
    assert day.worker.refusals() == {}


def test_a_day_offline_reaches_the_csms_complete_in_order_and_once(day: Day) -> None:
    day.station.link(True)
    day.fleet.settle(lambda: day.outbox.count() == 0, 30)
    check_books(day)


def test_so_it_does_when_the_broker_is_killed_in_the_middle(day: Day, mosquitto: BrokerProcess) -> None:
    day.station.link(True)
    day.fleet.settle(lambda: day.outbox.count() <= day.waiting // 2, 30)
    mosquitto.kill()
    day.fleet.settle(lambda: not day.station.core.station.online)
    assert 0 < day.outbox.count() < day.waiting
    mosquitto.start()
    day.fleet.settle(lambda: day.outbox.count() == 0, 30)
    check_books(day)
