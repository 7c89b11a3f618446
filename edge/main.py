"""`colonnina-station`: builds a station from its configuration and runs it. Only here are concrete classes named."""

from __future__ import annotations

import logging
import os
import secrets
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import click
import structlog

# Blinka would write to the console about packages that only a Pi needs.
os.environ.setdefault("BLINKA_SKIP_DEPENDENCY_CHECK", "1")

from edge.authorization import SqliteTokenMemory
from edge.config import StationFile, load, make_devices
from edge.outbox import SqliteOutbox
from edge.selftest import check
from edge.station import machine
from edge.station.runtime import Runtime
from edge.station.state import Now
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
    logs.set_up()
    try:
        config = load(path)
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
    logs.set_up(logging.ERROR)
    factory = None
    try:
        config = load(path)
        factory = WireFactory(config.pins.wire) if config.pins.wire else None
        if factory is not None:
            factory.start()
        bad = 0
        for result in check(make_devices(config, _board(config, factory), path)):
            click.echo(f"{'ok ' if result.good else 'BAD'}  {result.name}: {result.said}")
            bad += not result.good
    except ColonninaError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    except (DeviceError, ValueError) as error:
        click.echo(f"{path}: {error}", err=True)
        sys.exit(1)
    finally:
        if factory is not None:
            factory.close()
    click.echo("all devices answer" if bad == 0 else f"{bad} of them want looking at")
    sys.exit(1 if bad else 0)


def _board(config: StationFile, factory: WireFactory | None) -> Board:
    return Board(wiring_pins.load(Path(config.pins.map) if config.pins.map else wiring_pins.DEFAULT), factory)


def now() -> Now:
    return Now(datetime.now(UTC), time.monotonic())


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
    station = machine.initial(layout, secrets.token_hex(6), config.behaviour, identity, config.authorization)
    data = Path(config.station.data)
    outbox, tokens = SqliteOutbox(data / "station.sqlite"), SqliteTokenMemory(data / "tokens.sqlite")
    transport = MqttTransport(config)
    runtime = Runtime(station, devices, outbox, tokens, transport, now)
    outbox.start()
    tokens.start()
    try:
        if factory is not None:
            _connect(factory, stopping)
        transport.start(runtime)
        runtime.run(stopping)
    finally:
        transport.stop()
        if factory is not None:
            factory.close()
        tokens.stop()
        outbox.stop()


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
