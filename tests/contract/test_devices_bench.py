"""The whole bench with the real drivers at its ports: a charge, and everything that may die meanwhile."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from hardware.board import Board
from hardware.emulators.bench import ConnectorBench, EvseBench, StationBench
from hardware.emulators.loop import EmulatorLoop
from hardware.emulators.pins import WireFactory
from hardware.emulators.vehicle import Vehicle
from hardware.indicator.rgb_led import RgbLed
from hardware.meter.sdm120 import Sdm120
from hardware.nfc.pn532 import Pn532UART
from hardware.plug.switch import PlugSwitch
from hardware.ports import DeviceError, Light
from hardware.power.contactor import GpioContactor
from hardware.vehicle.elm327 import Elm327
from wiring.pins import PinMap

Until = Callable[[Callable[[], object]], None]

FULL_POWER_W = 230 * 32
TWO_CONNECTORS = EvseBench(connectors=(ConnectorBench.numbered(1), ConnectorBench.numbered(2, max_current_a=16)))


@dataclass
class Station:
    """The devices of a station as its process has them, by the ports in a bench's folder."""

    folder: Path
    pins: PinMap
    connector: int = 1
    devices: list[Any] = field(default_factory=list)

    def start(self) -> None:
        self.factory = WireFactory(str(self.folder / "pins"))
        self.factory.start()
        board = Board(self.pins, self.factory)
        number = self.connector
        self.reader = Pn532UART(Pn532UART.Settings(port=str(self.folder / "nfc")), board)
        self.meter = Sdm120(Sdm120.Settings(port=str(self.folder / "meter-1"), timeout_s=1.0), board)
        self.contactor = GpioContactor(
            GpioContactor.Settings(pin=f"contactor_{number}", feedback=f"contactor_{number}_feedback"), board
        )
        self.plug = PlugSwitch(PlugSwitch.Settings(pin=f"plug_{number}"), board)
        self.light = RgbLed(RgbLed.Settings(), board)
        self.vehicle = Elm327(Elm327.Settings(port=str(self.folder / "vehicle-1"), timeout_s=0.5), board)
        self.devices = [self.reader, self.meter, self.contactor, self.plug, self.light, self.vehicle]
        for device in self.devices:
            device.start()

    def stop(self) -> None:
        for device in self.devices:
            device.stop()
        self.factory.close()


def evse(bench: StationBench) -> dict[str, Any]:
    first: dict[str, Any] = bench.snapshot()["evses"][0]
    return first


@pytest.fixture
def bench(tmp_path: Path, pins: PinMap) -> Iterator[StationBench]:
    bench = StationBench(tmp_path / "b", [TWO_CONNECTORS], pins=pins)
    bench.start()
    yield bench
    bench.stop()


@pytest.fixture
def station(bench: StationBench, pins: PinMap) -> Iterator[Station]:
    station = Station(bench.folder, pins)
    station.start()
    yield station
    station.stop()


def test_a_card_a_plug_and_a_light_reach_the_other_side(bench: StationBench, station: Station, until: Until) -> None:
    bench.tap("04A1B2C3D4E5F6", hold_s=0.1)
    assert station.reader.read() == "04A1B2C3D4E5F6"
    until(lambda: bench.snapshot()["card"] is None)
    assert station.reader.read() is None
    bench.plug(1, 1, Vehicle())
    until(lambda: station.plug.plugged)
    station.light.show(Light.CHARGING)
    until(lambda: evse(bench)["light"] == {"red": 0, "green": 0, "blue": 1})
    bench.unplug(1)
    until(lambda: not station.plug.plugged)
    assert bench.snapshot()["station_connected"]


def test_a_second_card_is_not_taken_away_with_the_first(bench: StationBench, until: Until) -> None:
    bench.tap("04A1B2C3", hold_s=0.02)
    bench.tap("04A1B2C3D4E5F6", hold_s=0.3)
    until(lambda: bench.snapshot()["card"] is None)
    bench.tap("04A1B2C3", hold_s=0)
    until(lambda: bench.snapshot()["card"] is None)


def test_no_energy_flows_until_the_contactor_closes_and_then_what_power_and_time_say(
    bench: StationBench, station: Station, until: Until
) -> None:
    bench.plug(1, 1, Vehicle(battery_wh=60_000, soc_pct=50))
    assert station.meter.read().power_w == 0
    assert evse(bench)["register_wh"] == 0
    station.contactor.close()
    closed_at = time.monotonic()
    until(lambda: station.contactor.closed)
    until(lambda: station.meter.read().energy_wh >= 3)
    reading, seconds = station.meter.read(), time.monotonic() - closed_at
    assert reading.power_w == FULL_POWER_W
    # The contacts follow the command 20 ms later, and a register is shown up to a tick, 0.2 s, after it was reached.
    assert reading.energy_wh <= FULL_POWER_W * seconds / 3600 + 0.5
    assert reading.energy_wh >= FULL_POWER_W * (seconds - 0.6) / 3600 - 0.5
    vehicle = bench.vehicle(1)
    assert vehicle is not None
    register_wh = evse(bench)["register_wh"]
    assert vehicle.soc_pct == pytest.approx(50 + register_wh * 0.9 / 600, abs=0.002)
    assert station.vehicle.soc_pct() == pytest.approx(50, abs=0.5)
    station.contactor.open()
    until(lambda: not station.contactor.closed)
    until(lambda: station.meter.read().power_w == 0)


def test_the_other_connectors_contactor_gives_this_vehicle_nothing(
    bench: StationBench, station: Station, until: Until
) -> None:
    bench.plug(1, 2, Vehicle())
    station.contactor.close()
    until(lambda: station.contactor.closed)
    assert (evse(bench)["power_w"], evse(bench)["plugged_connector"]) == (0, 2)
    assert not station.plug.plugged


def test_speed_divides_the_battery_and_a_full_one_takes_no_more(tmp_path: Path, pins: PinMap, until: Until) -> None:
    bench = StationBench(tmp_path / "b", speed=60_000, pins=pins)
    bench.start()
    station = Station(bench.folder, pins)
    station.start()
    bench.plug(1, 1, Vehicle(battery_wh=60_000, soc_pct=0))
    vehicle = bench.vehicle(1)
    assert vehicle is not None
    assert vehicle.battery_wh == 1
    station.contactor.close()
    until(lambda: evse(bench)["soc_pct"] == 100)
    until(lambda: station.meter.read().power_w == 0)
    assert evse(bench)["register_wh"] == pytest.approx(1 / 0.9)
    station.stop()
    bench.stop()


def test_a_welded_contactor_goes_on_supplying_and_says_so(bench: StationBench, station: Station, until: Until) -> None:
    bench.plug(1, 1, Vehicle())
    station.contactor.close()
    until(lambda: station.contactor.closed)
    bench.weld(1, 1, True)
    station.contactor.open()
    until(lambda: not evse(bench)["connectors"][0]["commanded"])
    before_wh = evse(bench)["register_wh"]
    until(lambda: evse(bench)["register_wh"] > before_wh)
    assert station.contactor.closed
    bench.weld(1, 1, False)
    until(lambda: not station.contactor.closed)


def test_a_station_that_hangs_up_opens_its_contactor(bench: StationBench, station: Station, until: Until) -> None:
    station.contactor.close()
    until(lambda: evse(bench)["connectors"][0]["closed"])
    station.factory.close()
    until(lambda: not evse(bench)["connectors"][0]["closed"])
    assert not bench.snapshot()["station_connected"]


def test_a_silent_meter_counts_on(bench: StationBench, station: Station, until: Until) -> None:
    bench.plug(1, 1, Vehicle())
    station.contactor.close()
    until(lambda: station.contactor.closed)
    bench.set_meter_silent(1, True)
    with pytest.raises(DeviceError):
        station.meter.read()
    before_wh = evse(bench)["register_wh"]
    until(lambda: evse(bench)["register_wh"] > before_wh + 1)
    bench.set_meter_silent(1, False)
    assert station.meter.read().energy_wh > before_wh + 0.5  # the driver rounds to 1 Wh


def test_a_reader_that_died_comes_back(bench: StationBench, station: Station) -> None:
    bench.set_reader_powered(False)
    with pytest.raises(DeviceError):
        station.reader.read()
    bench.set_reader_powered(True)
    station.reader.stop()
    station.reader.start()
    assert station.reader.read() is None


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda bench: bench.plug(2, 1, Vehicle()), "no EVSE 2"),
        (lambda bench: bench.plug(1, 3, Vehicle()), "no connector 3"),
        (lambda bench: bench.plug(1, 2, Vehicle()), "plugged in at EVSE 1 already"),
        (lambda bench: bench.weld(1, 0, True), "no connector 0"),
        (lambda bench: bench.set_meter_silent(0, True), "no EVSE 0"),
        (lambda bench: bench.tap("1234"), "4, 7 or 10 bytes"),
    ],
)
def test_what_can_not_be_is_refused(bench: StationBench, ask: Callable[[StationBench], object], message: str) -> None:
    bench.plug(1, 1, Vehicle())
    with pytest.raises(ValueError, match=message):
        ask(bench)


def test_benches_can_share_one_thread_and_leave_nothing_behind(tmp_path: Path, pins: PinMap) -> None:
    files, threads = len(os.listdir("/proc/self/fd")), threading.active_count()
    loop = EmulatorLoop()
    benches = [StationBench(tmp_path / str(number), pins=pins, loop=loop) for number in range(3)]
    for bench in benches:
        bench.start()
    assert threading.active_count() == threads + 1
    json.dumps([bench.snapshot() for bench in benches])
    for bench in benches:
        bench.stop()
    assert (len(os.listdir("/proc/self/fd")), threading.active_count()) == (files, threads)
    assert [path.name for path in (tmp_path / "0").iterdir()] == ["state.json"]


def test_a_state_file_that_is_none_is_refused_and_nothing_is_left_open(tmp_path: Path, pins: PinMap) -> None:
    threads = threading.active_count()
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(ValueError, match="Expected `array`"):
        StationBench(tmp_path, pins=pins).start()
    assert threading.active_count() == threads


BENCH = """
import sys, time
from pathlib import Path
from hardware.emulators.bench import StationBench
from hardware.emulators.vehicle import Vehicle
from wiring.pins import load
bench = StationBench(Path(sys.argv[1]), pins=load())
bench.start()
if bench.vehicle(1) is None:
    bench.plug(1, 1, Vehicle())
print("up", flush=True)
time.sleep(60)
"""


def register_wh(station: Station, until: Until) -> int:
    """What the meter shows. On a busy machine a single answer may be late: as the station does, ask again."""
    shown: list[int] = []

    def answers() -> bool:
        with contextlib.suppress(DeviceError):
            shown.append(station.meter.read().energy_wh)
        return bool(shown)

    until(answers)
    return shown[0]


def test_a_register_never_goes_back_and_the_vehicle_stays_when_the_bench_is_killed(
    tmp_path: Path, pins: PinMap, until: Until
) -> None:
    station = Station(tmp_path, pins)
    last_wh = 0
    for life in range(3):
        process = subprocess.Popen([sys.executable, "-c", BENCH, str(tmp_path)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert process.stdout.readline() == b"up\n"
        if life == 0:
            station.start()
        else:
            station.meter.stop()
            station.meter.start()
        first_wh = register_wh(station, until)
        assert first_wh >= last_wh
        # The wire of the pins comes back by itself, and the contactor closes again.
        station.contactor.close()
        until(lambda: station.contactor.closed)
        until(lambda above=first_wh: register_wh(station, until) > above)
        last_wh = register_wh(station, until)
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        with pytest.raises(DeviceError):
            station.meter.read()
    station.stop()
    assert last_wh >= 3
