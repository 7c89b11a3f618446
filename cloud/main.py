"""`colonnina-csms`: builds the CSMS from its configuration. The only place that names concrete stores and servers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path

import click
import msgspec
import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from cloud.accounts.dynamic_security import DynamicSecurity
from cloud.accounts.manual import ManualAccounts
from cloud.accounts.port import BrokerAccounts
from cloud.accounts.registrar import Reconciler
from cloud.admin import COMMANDS
from cloud.cli import claim, config_option, errors_for_people, now, open_store
from cloud.commands import Commands
from cloud.config import CsmsFile
from cloud.notify.channels import make_channels
from cloud.notify.delivery import Delivery
from cloud.notify.port import Setup
from cloud.retention import Keeper
from cloud.series.sqlite import SqliteSeries
from cloud.store import registry
from cloud.store.store import Store
from cloud.worker import Worker
from protocol import logs, settings, topics
from protocol.mqtt import Link

log = structlog.get_logger(__name__)


@click.group()
@click.version_option(version("colonnina"))
def cli() -> None:
    """Colonnina's CSMS: authorizes drivers, keeps the books, shows the network."""


@cli.command()
@config_option
@click.option(
    "--role",
    type=click.Choice(["all", "web", "worker"]),
    default="all",
    show_default=True,
    help="What this process does. Any number of each may run on one database and one broker.",
)
@click.option(
    "--name",
    default="csms-worker",
    show_default=True,
    help="A worker's session at the broker: each worker its own, and the same one again after a restart.",
)
def serve(path: Path, role: str, name: str) -> None:
    """Serve until told to stop (SIGTERM, Ctrl-C)."""
    logs.set_up()
    with errors_for_people():
        config = settings.load(path, CsmsFile)
        with claim(config.folder, alone=False):
            if role == "all":
                _serve_all(config, name)
            else:
                _serve_one(config, role, name)


@cli.group()
def admin() -> None:
    """Set the CSMS up and look after it."""


@admin.command("create-user")
@config_option
@click.argument("email")
@click.option(
    "--role", type=click.Choice(["driver", "operator", "admin"]), required=True, help="What the person may do."
)
@click.option("--name", default="", help="The person's name, for the pages.")
@click.password_option(help="Asked for when it is not given.")
def create_user(path: Path, email: str, role: str, name: str, password: str) -> None:
    """Create a person who may log in."""
    with errors_for_people():
        config = settings.load(path, CsmsFile)
        store = open_store(config)
        with store.write() as connection:
            registry.add_user(connection, email, password, role, now(), name=name)
        store.stop()
    click.echo(f"{role} {email} may log in")


@admin.command("add-card")
@config_option
@click.argument("uid")
@click.option("--driver", help="E-mail of the driver whose card it is.")
def add_card(path: Path, uid: str, driver: str | None) -> None:
    """Let a card charge. UID: as a reader shows it, hexadecimal."""
    with errors_for_people():
        config = settings.load(path, CsmsFile)
        store = open_store(config)
        with store.write() as connection:
            registry.add_card(connection, uid, driver)
        store.stop()
    click.echo(f"card {uid.upper()} may charge")


for _command in COMMANDS:
    admin.add_command(_command)


def serve_web(config: CsmsFile) -> None:
    """The web process: pages, API, event stream."""
    # Here, because a worker needs none of it, and it takes half of a process's memory.
    from cloud.web.serve import run as run_web
    from cloud.web.services import Services

    store, series = open_store(config), SqliteSeries(config.folder / "series.sqlite")
    series.start()
    link = Link(config.broker, f"csms-wake-{os.getpid()}", on_message=lambda message: None, session_expiry_s=0)
    link.start()
    commands = Commands(
        store,
        now=now,
        wake=lambda: link.publish(topics.CALLS_WAIT, b"{}", expiry_s=10),
        heartbeat_s=config.csms.heartbeat_s,
    )

    accounts: BrokerAccounts = ManualAccounts()
    if config.accounts.manager == "dynamic-security":
        accounts = DynamicSecurity(config.broker)
    accounts.start()

    def parts() -> Mapping[str, str]:
        return {"database": _database_state(store), "broker": "ok" if link.up else "not connected"}

    services = Services(
        store=store,
        series=series,
        commands=commands,
        now=now,
        heartbeat_s=config.csms.heartbeat_s,
        parts=parts,
        secret_key=config.secret_key(),
        station_broker=config.station_broker,
        accounts=accounts,
        reserved=frozenset({config.broker.username or "csms"}),
        master_pass_group=config.tokens.master_pass_group,
        channels=make_channels(Setup(config.notify, store, now)),
        notify=config.notify,
    )
    reconciler = Reconciler(services.registrar)
    reconciler.start()
    try:
        run_web(services, config.broker, config.web.host, config.web.port)
    finally:
        reconciler.stop()
        accounts.stop()
        link.stop()
        series.stop()
        store.stop()


def serve_worker(config: CsmsFile, name: str) -> None:
    """The worker process: frames in, books kept, answers out."""
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    store, series = open_store(config), SqliteSeries(config.folder / "series.sqlite")
    series.start()
    worker = Worker(
        store,
        series,
        config.broker,
        name=name,
        now=now,
        heartbeat_s=config.csms.heartbeat_s,
        limits=config.limits,
        tokens=config.tokens,
    )
    retention = Keeper(store, series, config.retention, now)
    retention.start()

    def tell(key: str, payload: bytes) -> None:
        worker.publish(topics.event("notification", key), payload)

    delivery = Delivery(store, make_channels(Setup(config.notify, store, now, tell)), now=now)
    notices = threading.Thread(target=delivery.run, args=(stopping,), name="notices")
    notices.start()
    try:
        worker.run(stopping)
    finally:
        stopping.set()
        notices.join()
        retention.stop()
        series.stop()
        store.stop()


def _serve_one(config: CsmsFile, role: str, name: str) -> None:
    if role == "web":
        serve_web(config)
    else:
        serve_worker(config, name)


def _serve_all(config: CsmsFile, name: str) -> None:
    """One web and one worker process. When one of them ends, the other is ended too, for a supervisor to start both."""
    spawn = multiprocessing.get_context("spawn")
    raw = msgspec.json.encode(config)
    children = [spawn.Process(target=_child, args=(role, name, raw), name=role) for role in ("worker", "web")]
    stopping = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    for child in children:
        child.start()
    while not stopping.wait(0.2) and all(child.is_alive() for child in children):
        pass
    failed = not stopping.is_set()
    for child in children:
        child.terminate()
    for child in children:
        child.join(4)
        if child.is_alive():
            child.kill()
    if failed:
        sys.exit(1)


def _child(role: str, name: str, raw: bytes) -> None:
    logs.set_up()
    config = msgspec.json.decode(raw, type=CsmsFile)
    parent = os.getppid()
    threading.Thread(target=_follow, args=(parent,), daemon=True).start()
    with errors_for_people():
        _serve_one(config, role, name)


def _follow(parent: int) -> None:
    """A child whose parent was killed stops by itself."""
    while os.getppid() == parent:
        threading.Event().wait(0.5)
    os.kill(os.getpid(), signal.SIGTERM)


def _database_state(store: Store) -> str:
    try:
        with store.read() as connection:
            connection.execute(text("SELECT 1"))
    except SQLAlchemyError as error:
        return str(error)
    return "ok"


if __name__ == "__main__":
    cli()
