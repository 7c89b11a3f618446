"""`colonnina-station selftest` as a maintainer meets it: a real process, the real drivers, a bench behind the ports."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.plan import Plan, station_toml
from hardware.emulators.bench import StationBench
from wiring import pins


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    return Plan(8000, 1, 1.0, tmp_path)


@pytest.fixture
def bench(plan: Plan) -> Iterator[StationBench]:
    (station,) = plan.demo_stations
    plan.station_file(station.id).parent.mkdir(parents=True)
    plan.station_file(station.id).write_text(station_toml(plan, station, "secret"))
    running = StationBench(plan.bench_folder(station.id), station.bench, pins=pins.load())
    running.start()
    yield running
    running.stop()


def selftest(plan: Plan) -> tuple[int, list[str]]:
    command = [sys.executable, "-m", "edge.main", "selftest", "--config", str(plan.station_file("cs-1"))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, (done.stdout + done.stderr).splitlines()


def test_every_device_answers_and_says_what(plan: Plan, bench: StationBench) -> None:
    assert selftest(plan) == (
        0,
        [
            "ok   card reader: answers; no card is on it",
            "ok   trip EmergencyStop: not tripped",
            "ok   trip ResidualCurrent: not tripped",
            "ok   EVSE 1: meter: 1.000 kWh, 230 V, 0.0 A",
            "ok   EVSE 1: indicator: its pins are ours",
            "ok   EVSE 1: vehicle link: answers; no vehicle does",
            "ok   EVSE 1, connector 1: contactor: open, as it must be",
            "ok   EVSE 1, connector 1: pilot: state A: no vehicle",
            "all devices answer",
        ],
    )


def test_what_is_bad_is_named_and_the_rest_is_asked_all_the_same(plan: Plan, bench: StationBench) -> None:
    bench.set_meter_silent(1, True)
    bench.trip("emergency_stop", True)
    code, lines = selftest(plan)
    assert code == 1
    assert "BAD  trip EmergencyStop: it has tripped, or its wire is off" in lines
    assert [line for line in lines if line.startswith("BAD  EVSE 1: meter: ")] != []
    assert lines[-1] == "2 of them want looking at"


def test_without_the_hardware_it_says_so(plan: Plan, bench: StationBench) -> None:
    bench.stop()
    code, lines = selftest(plan)
    assert code == 1
    assert len(lines) == 1
    bench.start()
