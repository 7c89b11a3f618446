"""`make demo`: broker, CSMS, and stations with emulated hardware on this machine, each in a process of its own."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from deploy.local.broker import find_mosquitto, find_plugin, prepare
from deploy.local.plan import HOST, PASSWORD, Plan, csms_toml, station_toml
from deploy.local.seed import seed
from deploy.local.supervisor import Child, Supervisor


class DemoError(Exception):
    """The demo cannot be started. The message says what to do."""


@click.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(1024, 65000), help="Of the pages.")
@click.option("--stations", default=3, show_default=True, type=click.IntRange(1, 100), help="How many stations.")
@click.option(
    "--speed",
    default=1.0,
    show_default=True,
    type=click.FloatRange(1, 10_000),
    help="Batteries that many times smaller.",
)
@click.option(
    "--data",
    default="var/demo",
    show_default=True,
    type=click.Path(path_type=Path),
    help="Where it keeps what must last.",
)
@click.option("--visitors/--no-visitors", default=True, help="Whether cars come and go by themselves.")
@click.option(
    "--broker",
    type=click.Choice(["auto", "mosquitto", "iotcore"]),
    default="auto",
    show_default=True,
    help="auto: mosquitto where it is installed.",
)
def main(port: int, stations: int, speed: float, data: Path, visitors: bool, broker: str) -> None:
    """Run all of Colonnina on this machine, with emulated stations, until Ctrl-C or SIGTERM."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    plan = Plan(port, stations, speed, data.resolve(), visitors)
    try:
        mosquitto = choose_broker(broker)
        check_ports(plan)
        with claim(plan.data):
            _run(plan, mosquitto, stopping)
    except DemoError as error:
        click.echo(f"make demo: {error}", err=True)
        sys.exit(1)


def choose_broker(wanted: str) -> str | None:
    """The path of mosquitto, or None for iotcore. Raises DemoError when mosquitto is wanted and not there."""
    found = None if wanted == "iotcore" else find_mosquitto()
    if wanted == "mosquitto" and found is None:
        raise DemoError("mosquitto is not installed; on Debian: apt-get install mosquitto")
    return found


def check_ports(plan: Plan) -> None:
    """Raises DemoError, naming the ports that somebody uses."""
    busy = []
    for what, port in plan.ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                if error.errno not in (errno.EADDRINUSE, errno.EACCES):
                    raise
                busy.append(f"{port} ({what})")
    if busy:
        raise DemoError(
            f"in use: port {', '.join(busy)}. A demo may be running already: stop it, or choose another port with"
            " `make demo PORT=8100` and a folder of its own with DATA=./var/demo-2."
        )


@contextlib.contextmanager
def claim(data: Path) -> Iterator[None]:
    """Hold the folder for this demo alone. Raises DemoError when another has it. Ends with the process, however."""
    data.mkdir(parents=True, exist_ok=True)
    with (data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise DemoError(f"another demo uses {data}; give this one a folder of its own with DATA=") from error
        yield


def _run(plan: Plan, mosquitto: str | None, stopping: threading.Event) -> None:
    secrets = plan.secrets()
    plugin = find_plugin() if mosquitto is not None else None
    broker = prepare(plan.data / "broker", HOST, plan.mqtt_port, secrets, mosquitto, plugin)
    _write_secret(plan.csms_file, csms_toml(plan, secrets["csms"], manages_accounts=plugin is not None))
    stations = plan.demo_stations
    for station in stations:
        _write_secret(plan.station_file(station.id), station_toml(plan, station, secrets[station.id]))
    seed(plan, stations, datetime.now(UTC))
    python, env = sys.executable, {**os.environ, "PYTHONUNBUFFERED": "1", "BLINKA_SKIP_DEPENDENCY_CHECK": "1"}

    def child(name: str, *argv: str) -> Child:
        return Child(name, argv, plan.data / "log" / f"{name}.log", env)

    csms = [python, "-m", "cloud.main", "serve", "--config", str(plan.csms_file), "--role"]
    bench = [python, "-m", "deploy.local.bench", str(plan.bench_file)]
    plan.save()
    supervisor = Supervisor(
        [
            child("broker", *broker.argv),
            child("csms-worker", *csms, "worker"),
            child("csms-web", *csms, "web"),
            child("bench", *bench),
            child("letterbox", python, "-m", "deploy.local.letterbox", str(plan.bench_file)),
            *(
                child(station.id, python, "-m", "edge.main", "run", "--config", str(plan.station_file(station.id)))
                for station in stations
            ),
        ]
    )
    supervisor.start()
    click.echo(_welcome(plan, broker.words))
    try:
        while not stopping.wait(0.2):
            for said in supervisor.look():
                click.echo(f"make demo: {said}")
            _write_pids(plan, supervisor)
    finally:
        supervisor.stop()
        click.echo("make demo: stopped; `make demo` goes on where it was.")


def _welcome(plan: Plan, broker: str) -> str:
    ids = [station.id for station in plan.demo_stations]
    alone = [station for station in ids if station not in plan.visited]
    coming = "cars come and go" if plan.visited else "no car comes by itself"
    left = f", but for {alone[0]}, which is left to you" if alone and plan.visited else ""
    return f"""
Colonnina is running on this machine. Its pages answer in a few seconds.

  operator's page   http://{HOST}:{plan.port}/operator      operator@demo.test, password {PASSWORD}
  driver's page     http://{HOST}:{plan.port}/              driver@demo.test, password {PASSWORD}
  workbench         http://{HOST}:{plan.workbench_port}/              tap a card, plug in, unplug, break something
  letterbox         http://{HOST}:{plan.letterbox_port}/              e-mail and pushes that driver@demo.test got
  API               http://{HOST}:{plan.port}/api/docs      admin@demo.test may register stations
  MQTT broker       {HOST}:{plan.mqtt_port}  {broker}

  stations          {", ".join(ids)}; {coming}{left}
  what it keeps     {plan.data} (logs in log/)

Ctrl-C stops all of it. Accounts and passwords are for this demo: everything listens on {HOST} only.
"""


def _write_secret(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.chmod(0o600)
    path.write_text(text)


def _write_pids(plan: Plan, supervisor: Supervisor) -> None:
    """For who wants to kill one of them and see what happens. Whole at every moment."""
    text = "".join(f"{child.name} {child.pid or '-'}\n" for child in supervisor.children)
    path = plan.data / "pids"
    if not path.exists() or path.read_text() != text:
        draft = path.with_suffix(".new")
        draft.write_text(text)
        draft.replace(path)


if __name__ == "__main__":
    main()
