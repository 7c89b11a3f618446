"""`colonnina-csms admin ...`: setting the CSMS up and looking after it, beside what the pages and the API do."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click
from sqlalchemy import select

from cloud import cards, labels, retention
from cloud.accounts.dynamic_security import plugin_file
from cloud.backup import backup, restore
from cloud.cards import FileError
from cloud.cli import claim, config_option, errors_for_people, now, open_store
from cloud.config import CsmsFile
from cloud.errors import ConflictError, NotFoundError
from cloud.labels import Label
from cloud.present import evse_id
from cloud.series.sqlite import SqliteSeries
from cloud.store.migrations import VERSION
from cloud.store.tables import evses
from protocol import settings

_FILE = click.Path(path_type=Path, dir_okay=False)
#: Bad rows that are told one by one.
_TOLD = 50


@click.command("import-cards")
@config_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--dry-run", is_flag=True, help="Only tell what would change.")
@click.option("--encoding", help="Of the file; guessed when it is not given.")
def import_cards(path: Path, file: Path, dry_run: bool, encoding: str | None) -> None:
    """Add and change id tokens from FILE (CSV, TSV or a JSON list): all of them, or none when one row is bad."""
    with errors_for_people():
        store = open_store(settings.load(path, CsmsFile))
        try:
            with store.write() as connection:
                read = cards.read(connection, file.read_bytes(), encoding)
                for line, why in read.faults[:_TOLD]:
                    click.echo(f"{file}:{line}: {why}", err=True)
                if read.faults and not dry_run:
                    raise FileError(f"{len(read.faults)} rows are bad, so nothing was written")
                if not dry_run:
                    cards.write(connection, read.cards)
        finally:
            store.stop()
    counts = f"{read.count('added')} added, {read.count('changed')} changed, {read.count('same')} as they were"
    click.echo(f"would be: {counts}; {len(read.faults)} rows are bad" if dry_run else counts)


@click.command("labels")
@config_option
@click.argument("file", type=_FILE)
@click.option(
    "--url", required=True, help="Address of the pages as phones find them, such as https://charge.example.org"
)
@click.option("--station", "stations", multiple=True, help="Only this station's; may be given more than once.")
def make_labels(path: Path, file: Path, url: str, stations: tuple[str, ...]) -> None:
    """Write a sheet of labels to print, FILE as SVG: QR code, code and id of each EVSE. More than 24: FILE-2, ..."""
    with errors_for_people():
        store = open_store(settings.load(path, CsmsFile))
        query = select(evses).order_by(evses.c.station, evses.c.number)
        if stations:
            query = query.where(evses.c.station.in_(stations))
        with store.read() as connection:
            rows = connection.execute(query).all()
        store.stop()
        unknown = sorted(set(stations) - {row.station for row in rows})
        if unknown or not rows:
            raise NotFoundError(f"no station {', '.join(unknown)}" if unknown else "no station has an EVSE yet")
    made = [Label(evse_id(row.station, row.number), row.code, f"{url.rstrip('/')}/e/{row.code}") for row in rows]
    for number, sheet in enumerate(labels.sheets(made), 1):
        target = file if number == 1 else file.with_stem(f"{file.stem}-{number}")
        target.write_text(sheet, "utf-8")
        click.echo(f"wrote {target}")


@click.command("backup")
@config_option
@click.argument("file", type=_FILE)
def make_backup(path: Path, file: Path) -> None:
    """Write the books, the samples and the secret key into FILE (tar.gz). The CSMS may run."""
    with errors_for_people():
        config = settings.load(path, CsmsFile)
        open_store(config).stop()
        backup(config, file, now())
    click.echo(f"wrote {file}: keep it where nobody reads it who need not")


@click.command("restore")
@config_option
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
def restore_backup(path: Path, file: Path) -> None:
    """Put the backup FILE in place. The CSMS must be stopped. What was there is kept beside it."""
    with errors_for_people():
        config = settings.load(path, CsmsFile)
        with claim(config.folder, alone=True):
            kept = restore(config, file, now())
            open_store(config).stop()
    click.echo(f"restored {file}" + (f"; what was there is in {kept}" if kept is not None else ""))


@click.command("retention")
@config_option
def apply_retention(path: Path) -> None:
    """Thin and remove what is old, as [retention] says. Workers do it every hour by themselves."""
    with errors_for_people():
        config = settings.load(path, CsmsFile)
        store, series = open_store(config), SqliteSeries(config.folder / "series.sqlite")
        series.start()
        try:
            done = retention.apply(store, series, config.retention, now())
        finally:
            series.stop()
            store.stop()
    click.echo(
        f"{done.thinned} samples became {done.means}; {done.samples} samples and {done.deeds} rows of the audit trail"
        " were removed"
    )


@click.command("migrate")
@config_option
def migrate(path: Path) -> None:
    """Bring the database to this program's version. Every command does so when it opens it; this one does no more."""
    with errors_for_people():
        store = open_store(settings.load(path, CsmsFile))
        found = store.found_version
        store.stop()
    came = f"brought from version {found} to" if 0 < found < VERSION else "of version"
    click.echo(f"the database is {came} {VERSION}")


@click.command("broker-file")
@config_option
@click.argument("file", type=_FILE)
def broker_file(path: Path, file: Path) -> None:
    """Write FILE, what Mosquitto's dynamic-security plugin starts with: the account of [broker], and no other."""
    with errors_for_people():
        broker = settings.load(path, CsmsFile).broker
        if not broker.username or not broker.password:
            raise NotFoundError(f"{path}: [broker] has no username and password")
        try:
            opened = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise ConflictError("exists", f"{file} is there already: choose another name") from error
        with open(opened, "w") as out:
            json.dump(plugin_file({broker.username: broker.password}, {}), out, indent=1)
    click.echo(f"wrote {file}")


COMMANDS = (broker_file, import_cards, make_labels, make_backup, restore_backup, apply_retention, migrate)
