"""`colonnina-fleet`: simulated stations against any broker and CSMS, with drivers who come and go."""

from __future__ import annotations

import secrets
import signal
import sys
import threading
import time
from datetime import UTC, datetime
from pathlib import Path

import click

from edge.authorization import SqliteTokenMemory
from edge.fleet.clock import VirtualClock
from edge.fleet.drivers import Habits
from edge.fleet.fleet import Fleet, Memory
from edge.fleet.memory import MemoryOutbox, MemoryTokens
from edge.outbox import SqliteOutbox
from edge.station.state import Settings
from protocol import logs
from protocol.errors import ColonninaError
from protocol.mqtt import Broker
from protocol.topics import check_station_id

#: How often it says how it goes, real s.
TELL_S = 10.0
#: The longest that a station may be told to wait for an answer, s.
DAY_S = 86_400.0
#: Stations whose outboxes are on disk, at most: each has six files open, and the link's socket must have a number below
#: 1024 (select).
MOST_ON_DISK = 150
#: Every EVSE charges nearly all the time.
BUSY = Habits(away=(0.0, 10.0), tap=(0.0, 5.0), stay=(7_200.0, 28_800.0))


def _speed(context: click.Context, parameter: click.Parameter, value: str) -> float | None:
    """A number above 0, or `max`, which is None."""
    if value == "max":
        return None
    try:
        speed = float(value)
    except ValueError as error:
        raise click.BadParameter(f"{value!r} is neither a number nor max") from error
    if not 0 < speed <= 10_000:
        raise click.BadParameter(f"{value} is not between 0 and 10000; max is as fast as possible")
    return speed


@click.command()
@click.option("--stations", default=10, show_default=True, type=click.IntRange(1, 100_000), help="How many.")
@click.option("--prefix", default="sim-", show_default=True, help="Their ids are this and 1, 2, 3 ...")
@click.option("--host", default="127.0.0.1", show_default=True, help="Of the MQTT broker.")
@click.option("--port", default=1883, show_default=True, type=click.IntRange(1, 65_535), help="Of the MQTT broker.")
@click.option("--username", default="", help="An account that may use the topics of all these stations.")
@click.option("--password", default="", envvar="COLONNINA_FLEET_PASSWORD", help="Of that account.")
@click.option("--ca", default="", help="PEM file of who signed the broker's certificate; given, TLS is used.")
@click.option("--speed", default="1", show_default=True, callback=_speed, help="Virtual seconds per second, or max.")
@click.option(
    "--sample-s", default=10.0, show_default=True, type=click.FloatRange(0.1, 86_400), help="Between two samples."
)
@click.option("--duration", type=click.FloatRange(0.1), help="Virtual seconds, then it ends; else until Ctrl-C.")
@click.option("--seed", default=0, show_default=True, help="Chooses the drivers.")
@click.option(
    "--card", "cards", multiple=True, default=["04A1B2C3D4E5F6"], show_default=True, help="A driver's UID; repeatable."
)
@click.option("--busy", is_flag=True, help="Every EVSE charges nearly all the time.")
@click.option(
    "--data", type=click.Path(path_type=Path), help="Folder for outboxes on disk; without it they are in memory."
)
def cli(
    stations: int,
    prefix: str,
    host: str,
    port: int,
    username: str,
    password: str,
    ca: str,
    speed: float | None,
    sample_s: float,
    duration: float | None,
    seed: int,
    cards: tuple[str, ...],
    busy: bool,
    data: Path | None,
) -> None:
    """Simulate charging stations: the real core and real MQTT, without devices."""
    if data is not None and stations > MOST_ON_DISK:
        raise click.UsageError(f"at most {MOST_ON_DISK} stations have their outboxes on disk; run several fleets")
    logs.set_up()
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    clock = VirtualClock(datetime.now(UTC))
    disk = Disk(data, clock)
    try:
        fleet = Fleet(
            [check_station_id(f"{prefix}{number}") for number in range(1, stations + 1)],
            Broker(host, port, username, password, ca),
            clock,
            speed=speed,
            settings=_settings(sample_s, speed),
            memory=disk.open,
        )
        fleet.start()
        fleet.let_drivers_come(cards, BUSY if busy else Habits(), seed)
        _run(fleet, speed, duration, stopping)
        fleet.stop()
    except ColonninaError as error:
        click.echo(str(error), err=True)
        sys.exit(2)
    finally:
        disk.close()


def _settings(sample_s: float, speed: float | None) -> Settings:
    """The CSMS answers in real time: where virtual time is faster, an answer may take longer in it."""
    plain, factor = Settings(), max(1.0, speed or 1.0)
    return Settings(
        sample_s=sample_s,
        answer_s=min(DAY_S, plain.answer_s * factor),
        authorize_s=min(DAY_S, plain.authorize_s * factor),
    )


class Disk:
    """The stations' memories, each in a folder of its own; without a folder, in memory."""

    def __init__(self, folder: Path | None, clock: VirtualClock) -> None:
        self._folder = folder
        self._clock = clock
        self._boot_id = secrets.token_hex(16)  # virtual time begins anew
        self._opened: list[SqliteOutbox | SqliteTokenMemory] = []

    def open(self, station: str) -> Memory:
        if self._folder is None:
            return MemoryOutbox(), MemoryTokens()
        folder = self._folder / station
        outbox = SqliteOutbox(folder / "station.sqlite", self._clock.now, self._boot_id)
        tokens = SqliteTokenMemory(folder / "tokens.sqlite")
        for memory in (outbox, tokens):
            memory.start()
            self._opened.append(memory)
        return outbox, tokens

    def close(self) -> None:
        for memory in self._opened:
            memory.stop()


def _run(fleet: Fleet, speed: float | None, duration: float | None, stopping: threading.Event) -> None:
    began = told = time.monotonic()
    while not stopping.is_set() and (duration is None or fleet.clock.mono() < duration):
        step = 60.0 if speed is None else speed
        fleet.pass_time(step if duration is None else min(step, duration - fleet.clock.mono()))
        if time.monotonic() - told >= TELL_S:
            told = time.monotonic()
            _tell(fleet, told - began)
    _tell(fleet, time.monotonic() - began)


def _tell(fleet: Fleet, real_s: float) -> None:
    stations, virtual_s = fleet.stations, fleet.clock.mono()
    online = sum(station.core.station.online for station in stations)
    charging = sum(station.has_power() for station in stations)
    sent = sum(station.sent for station in stations)
    click.echo(
        f"{virtual_s:.0f} s ({virtual_s / max(real_s, 0.001):.2f} times real time): {online} of {len(stations)} online,"
        f" {charging} charging, {sent} frames sent ({sent / max(real_s, 0.001):.0f}/s)"
    )


if __name__ == "__main__":
    cli()
