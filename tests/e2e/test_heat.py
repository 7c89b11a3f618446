"""A housing that is too hot: the real loop, the real drivers, a bench behind the ports, a thermometer's file."""

from __future__ import annotations

import threading
from pathlib import Path

from deploy.local.plan import Plan, station_toml
from edge.authorization import SqliteTokenMemory
from edge.config import load, make_devices
from edge.main import now
from edge.outbox import SqliteOutbox
from edge.station import machine
from edge.station.runtime import Runtime
from hardware.board import Board
from hardware.emulators.bench import StationBench
from hardware.emulators.wire_factory import WireFactory
from tests.support import wait_for
from wiring import pins


class Nowhere:
    """A transport with nobody at the other end."""

    def send(self, frame: bytes) -> None:
        pass


def show(path: Path, celsius: float) -> None:
    scratchpad = "72 01 4b 46 7f ff 0e 10 57"
    path.write_text(f"{scratchpad} : crc=57 YES\n{scratchpad} t={round(celsius * 1000)}\n")


def test_what_is_too_hot_is_out_of_service_until_it_has_cooled_down(tmp_path: Path) -> None:
    plan, chip = Plan(8000, 1, 1.0, tmp_path), tmp_path / "w1_slave"
    (demo,) = plan.demo_stations
    heat = f'[heat]\nmax_c = 70.0\n[heat.device]\ndriver = "ds18b20"\npath = "{chip}"\n'
    path = tmp_path / "station.toml"
    path.write_text(station_toml(plan, demo, "secret") + heat)
    show(chip, 70.5)
    bench = StationBench(plan.bench_folder(demo.id), demo.bench, pins=pins.load())
    bench.start()
    config = load(path)
    factory = WireFactory(config.pins.wire)
    factory.start()
    outbox, tokens = SqliteOutbox(tmp_path / "station.sqlite"), SqliteTokenMemory(tmp_path / "tokens.sqlite")
    outbox.start()
    tokens.start()
    station = machine.initial([(1, [1])], "seed", config.behaviour, {"vendorName": "Colonnina", "model": "Pi 4"})
    devices = make_devices(config, Board(pins.load(), factory), path)
    runtime = Runtime(station, devices, outbox, tokens, Nowhere(), now)
    stopping = threading.Event()
    thread = threading.Thread(target=runtime.run, args=(stopping,))
    thread.start()
    try:
        wait_for(lambda: runtime.station.evses[0].faults == {"OverTemperature"}, 15)
        show(chip, 59.5)
        wait_for(lambda: runtime.station.evses[0].faults == frozenset(), 15)
        chip.unlink()
        wait_for(lambda: runtime.station.evses[0].faults == {"ThermometerSilent"}, 30)
    finally:
        stopping.set()
        thread.join(10)
        factory.close()
        tokens.stop()
        outbox.stop()
        bench.stop()
