"""The bench process: the world around all emulated stations, its visitors, and the workbench page."""

from __future__ import annotations

import random
import signal
import threading
from pathlib import Path

import click
import structlog

from deploy.local.plan import HOST, load
from deploy.local.visitors import Visitors
from deploy.local.workbench import Workbench
from hardware.emulators.bench import StationBench
from hardware.emulators.loop import EmulatorLoop
from protocol import logs
from wiring import pins

log = structlog.get_logger(__name__)

LOOK_S = 0.5


@click.command()
@click.argument("path", type=click.Path(path_type=Path))
def main(path: Path) -> None:
    """Emulate the hardware of the demo's stations until told to stop. PATH: the demo's plan."""
    logs.set_up()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    plan = load(path)
    loop = EmulatorLoop()
    pin_map = pins.load()
    benches = {
        station.id: StationBench(plan.bench_folder(station.id), station.bench, plan.speed, pins=pin_map, loop=loop)
        for station in plan.demo_stations
    }
    for bench in benches.values():
        bench.start()
    workbench = Workbench(plan, benches)
    workbench.start(HOST, plan.workbench_port)
    log.info("workbench listens", url=f"http://{HOST}:{plan.workbench_port}")
    draw = random.Random()
    visitors = [
        Visitors(benches[station.id], number, len(sockets), draw, first_s=2.0 + 4.0 * place)
        for place, station in enumerate(station for station in plan.demo_stations if station.id in plan.visited)
        for number, sockets in enumerate(station.evses, 1)
    ]
    while not stopping.wait(LOOK_S):
        if workbench.visitors_on:
            for visitor in visitors:
                visitor.look()
    workbench.stop()
    for bench in benches.values():
        bench.stop()


if __name__ == "__main__":
    main()
