"""What all commands share: their option, opening what the configuration names, and errors that a person can read."""

from __future__ import annotations

import fcntl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import click

from cloud.config import CsmsFile
from cloud.errors import CloudError
from cloud.store.store import Store
from protocol.errors import ColonninaError

config_option = click.option(
    "--config", "path", required=True, type=click.Path(path_type=Path), help="The CSMS's TOML file."
)


class RunningError(CloudError, RuntimeError):
    """The CSMS runs, and what was asked needs it stopped."""


class errors_for_people:  # noqa: N801 - reads like the context manager that it is
    """An error of ours is one line on standard error, and exit code 2 (configuration) or 1."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, traceback: object) -> None:
        if isinstance(error, ColonninaError):
            click.echo(str(error), err=True)
            sys.exit(2)
        if isinstance(error, CloudError):
            click.echo(str(error), err=True)
            sys.exit(1)


def open_store(config: CsmsFile) -> Store:
    config.folder.mkdir(parents=True, exist_ok=True)
    store = Store(config.database)
    store.start()
    return store


@contextmanager
def claim(folder: Path, *, alone: bool) -> Iterator[None]:
    """Hold the data folder: any number of processes that serve, or one that replaces it. Raises RunningError.

    It ends with the process, however that ends.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "running").open("a") as lock:
        try:
            fcntl.flock(lock, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except OSError as error:
            what = "the CSMS is running: stop it first" if alone else "the data is being restored: wait for the end"
            raise RunningError(f"{folder}: {what}") from error
        yield


def now() -> datetime:
    return datetime.now(UTC)
