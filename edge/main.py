"""`colonnina-station`: builds a station from its configuration and runs it. Only here are concrete classes named."""

from __future__ import annotations

import faulthandler
import logging
import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import structlog
from msgspec.structs import replace

# Blinka would write to the console about packages that only a Pi needs.
os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")

from edge import diagnostics
from edge.authorization import SqliteTokenMemory
from edge.clock import Clock, boot_id
from edge.config import Devices, StationFile, load, load_roots, make_devices
from edge.jobs.installer import CommandInstaller
from edge.jobs.transfer import Transfer
from edge.jobs.work import Work
from edge.outbox import SPARE_BYTES, SqliteOutbox
from edge.safe import open_all
from edge.selftest import Result, check
from edge.station import machine
from edge.station.job_orders import JobRules, LogOrder
from edge.station.runtime import Runtime
from edge.watchdog import Watchdog
from hardware.board import Board
from hardware.emulators.wire_factory import WireFactory
from hardware.ports import DeviceError
from protocol import logs, topics
from protocol.errors import ColonninaError
from protocol.mqtt import Link, Message
from wiring import pins as wiring_pins

log = structlog.get_logger(__name__)


@click.group()
@click.version_option(version("colonnina"))
def cli() -> None:
    """Colonnina's charging station: reads cards, switches power, meters energy, speaks OCPP."""


@cli.command()
@click.option("--config", "path", required=True, type=click.Path(path_type=Path), help="The station's TOML file.")
def run(path: Path) -> None:
    """Run the station until it is told to stop (SIGTERM, Ctrl-C)."""
    faulthandler.enable()  # when the watchdog ends us, the log shows where the loop hung
    logs.set_up()
    try:
        config = load(path)
        logs.keep(diagnostics.log_file(config))
        _run(config, path)
    except ColonninaError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except (DeviceError, ValueError) as error:
        click.echo(f"{path}: {error}", err=True)
        sys.exit(1)


@cli.command()
@click.option("--map", "path", type=click.Path(path_type=Path), help="A pin map other than the one that is built in.")
def pinout(path: Path | None) -> None:
    """Print which wire goes where."""
    try:
        click.echo(wiring_pins.pinout(wiring_pins.load(path or wiring_pins.DEFAULT)))
    except (wiring_pins.PinError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)


@cli.command()
@click.option("--config", "path", required=True, type=click.Path(path_type=Path), help="The station's TOML file.")
def selftest(path: Path) -> None:
    """Ask every device once and say what it answered. The station itself must not be running. Exit code 1: one is bad.

    No contactor is closed.
    """
    bad = _ask(path, check)
    click.echo("all devices answer" if bad == 0 else f"{bad} of them want looking at")
    sys.exit(1 if bad else 0)


@cli.command()
@click.option("--config", "path", required=True, type=click.Path(path_type=Path), help="The station's TOML file.")
def safe(path: Path) -> None:
    """Take every contactor's pin, open, and let go of it: for when the station has died. Exit code 1: one is bad."""
    sys.exit(1 if _ask(path, open_all) else 0)


@cli.command("diagnostics")
@click.option("--config", "path", required=True, type=click.Path(path_type=Path), help="The station's TOML file.")
@click.option("--out", "target", required=True, type=click.Path(path_type=Path), help="A .zip or .tar.gz to write.")
def write_diagnostics(path: Path, target: Path) -> None:
    """Write what somebody needs in order to help: settings, versions, logs; no passwords and no cards."""
    logs.set_up(logging.ERROR)
    try:
        target.write_bytes(diagnostics.bundle(load(path), path, target.name, datetime.now(UTC)))
    except (ColonninaError, OSError) as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    click.echo(f"written: {target}")


def _ask(path: Path, question: Callable[[Devices], Iterable[Result]]) -> int:
    """Say for a person what came of asking each device, and answer how many are bad."""
    logs.set_up(logging.ERROR)
    factory = None
    try:
        config = load(path)
        factory = WireFactory(config.pins.wire) if config.pins.wire else None
        if factory is not None:
            factory.start()
        bad = 0
        for result in question(make_devices(config, _board(config, factory), path)):
            click.echo(f"{'ok ' if result.good else 'BAD'}  {result.name}: {result.said}")
            bad += not result.good
        return bad
    except ColonninaError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except (DeviceError, ValueError) as error:
        click.echo(f"{path}: {error}", err=True)
        sys.exit(1)
    finally:
        if factory is not None:
            factory.close()


def _board(config: StationFile, factory: WireFactory | None) -> Board:
    return Board(wiring_pins.load(Path(config.pins.map) if config.pins.map else wiring_pins.DEFAULT), factory)


def _run(config: StationFile, path: Path) -> None:
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    factory = WireFactory(config.pins.wire) if config.pins.wire else None
    devices = make_devices(config, _board(config, factory), path)
    identity = {
        "vendorName": config.station.vendor,
        "model": config.station.model,
        "firmwareVersion": version("colonnina"),
    }
    if config.station.serial:
        identity["serialNumber"] = config.station.serial
    layout = [(evse.number, [connector.number for connector in evse.connector]) for evse in config.evse]
    sockets = [(evse.number, connector) for evse in config.evse for connector in evse.connector]
    station = machine.initial(
        layout,
        secrets.token_hex(6),
        config.behaviour,
        identity,
        config.authorization,
        piloted=[(evse, connector.number) for evse, connector in sockets if connector.pilot is not None],
        types=[(evse, connector.number, connector.type) for evse, connector in sockets],
        station_id=config.station.id,
    )
    data = Path(config.station.data)
    clock = Clock()
    outbox = SqliteOutbox(
        data / "station.sqlite", clock, boot_id(), max_calls=config.station.outbox_max, spare_bytes=SPARE_BYTES
    )
    tokens = SqliteTokenMemory(data / "tokens.sqlite")
    transport = MqttTransport(config)
    work = _work(config, path)
    station = replace(
        station,
        job_rules=JobRules(
            uploads=True,
            installs=bool(config.firmware.install),
            roots=load_roots(config),
            unsigned=config.firmware.unsigned,
        ),
    )
    watchdog = Watchdog(os.environ)
    runtime = Runtime(
        station, devices, outbox, tokens, transport, clock, jobs=work, watchdog=watchdog, told_time=clock.told
    )
    outbox.start()
    clock.not_before(outbox.latest)
    tokens.start()
    try:
        if factory is not None:
            _connect(factory, stopping)
        transport.start(runtime)
        work.start(runtime.report)
        log.info("the station begins", station=config.station.id, release=identity["firmwareVersion"])
        runtime.run(stopping)
    finally:
        work.stop()
        transport.stop()
        if factory is not None:
            factory.close()
        tokens.stop()
        outbox.stop()


def _work(config: StationFile, path: Path) -> Work:
    """Who does what takes long."""

    def make_log(order: LogOrder) -> bytes:
        return diagnostics.bundle(config, path, order.filename, datetime.now(UTC), order.oldest, order.latest)

    table = config.firmware
    installer = CommandInstaller(table.install, table.confirm, table.command_s) if table.install else None
    transfer = Transfer(config.broker.ca)
    return Work(Path(config.station.data), transfer, make_log, installer, table.max_mb * 1024 * 1024)


def _connect(factory: WireFactory, stopping: threading.Event) -> None:
    """Wait for the emulated header: its bench may start later than we do."""
    while not stopping.is_set():
        try:
            factory.start()
            return
        except DeviceError as error:
            log.warning("waiting for the emulated pins", why=str(error))


class MqttTransport:
    """The station's end of its two topics, and the word on whether it is there."""

    def __init__(self, config: StationFile) -> None:
        self._station = config.station.id
        self._broker = config.broker
        self._link: Link | None = None
        self._runtime: Runtime | None = None

    def start(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._link = Link(
            self._broker,
            f"cs-{self._station}",
            on_message=self._arrived,
            on_change=self._changed,
            subscriptions=(topics.down(self._station),),
            will=(topics.link(self._station), b'{"online":false}'),
        )
        self._link.start()

    def stop(self) -> None:
        if self._link is not None:
            if self._link.up:
                self._link.publish(topics.link(self._station), b'{"online":false,"since":"%s"}' % _rfc3339())
            self._link.stop()

    def send(self, frame: bytes) -> None:
        assert self._link is not None
        self._link.publish(topics.up(self._station), frame)

    def _changed(self, up: bool) -> None:
        assert self._link is not None
        assert self._runtime is not None
        if up:
            self._link.publish(topics.link(self._station), b'{"online":true,"since":"%s"}' % _rfc3339())
        self._runtime.link_changed(up)

    def _arrived(self, message: Message) -> None:
        assert self._runtime is not None
        self._runtime.frame_arrived(message.payload, message.ack)


def _rfc3339() -> bytes:
    return datetime.now(UTC).isoformat(timespec="milliseconds").encode()


if __name__ == "__main__":
    cli()
