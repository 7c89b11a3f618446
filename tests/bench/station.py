"""What one station process takes: memory, and CPU while it charges with its meter read every second.

The real station with its real drivers on an emulated bench. The reference is an interpreter that only sleeps.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from pathlib import Path

from deploy.local.plan import Plan, station_toml
from hardware.emulators.bench import StationBench
from hardware.emulators.vehicle import Vehicle
from tests.bench.cpu import cpu_s
from tests.bench.ingest import mosquitto
from tests.support import wait_for
from tests.support.worker import CsmsWorker
from wiring import pins

CARD = "04A1B2C3D4E5F6"
MEASURED_S = 30.0
SLEEPER = "import time; time.sleep(1e6)"


def run() -> None:
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        broker = stack.enter_context(mosquitto(Path(folder)))
        worker = CsmsWorker(Path(folder) / "csms", broker, ["cs-1"], [CARD])
        worker.start()
        stack.callback(worker.stop)
        plan = Plan(broker.port - 2, 1, 1.0, Path(folder))
        (demo,) = plan.demo_stations
        config = plan.station_file(demo.id)
        config.parent.mkdir(parents=True)
        config.write_text(station_toml(plan, demo, ""))
        bench = StationBench(plan.bench_folder(demo.id), demo.bench, pins=pins.load())
        bench.start()
        stack.callback(bench.stop)
        station = start(stack, "-m", "edge.main", "run", "--config", str(config))
        sleeper = start(stack, "-c", SLEEPER)
        bench.plug(1, 1, Vehicle())
        wait_for(lambda: bench.snapshot()["station_connected"], 20)
        time.sleep(3)  # for the reader, and for the CSMS to accept the station
        bench.tap(CARD, 0.5)
        wait_for(lambda: bench.snapshot()["evses"][0]["power_w"] > 0, 20)
        time.sleep(5)
        began, cpu = time.perf_counter(), [cpu_s(pid) for pid in (station, sleeper)]
        time.sleep(MEASURED_S)
        taken = time.perf_counter() - began
        shares = [(cpu_s(pid) - before) / taken for pid, before in zip((station, sleeper), cpu, strict=True)]
        print(f"charging, {taken:.0f} s; memory that is the process's own (USS), and all that it sees (RSS)")
        tell("station process", station, shares[0])
        tell("reference: an interpreter that sleeps", sleeper, shares[1])
        print(f"ratio of the USS: {uss_mb(station) / uss_mb(sleeper):.1f}")


def start(stack: ExitStack, *arguments: str) -> int:
    """Answers the process id."""
    process = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    stack.callback(lambda: (process.terminate(), process.wait(10)))
    return process.pid


def tell(what: str, pid: int, share: float) -> None:
    rss = memory_mb(pid, "Rss:")
    print(f"{what:<40} USS {uss_mb(pid):6.1f} MB   RSS {rss:6.1f} MB   {share:6.2%} of a core")


def uss_mb(pid: int) -> float:
    return memory_mb(pid, "Private_Clean:") + memory_mb(pid, "Private_Dirty:")


def memory_mb(pid: int, name: str) -> float:
    """Summed over its mappings."""
    lines = Path(f"/proc/{pid}/smaps").read_text().splitlines()
    return sum(int(line.split()[1]) for line in lines if line.startswith(name)) / 1024


if __name__ == "__main__":
    run()
