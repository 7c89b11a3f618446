"""`colonnina-csms admin ...` as a person types it."""

from __future__ import annotations

import itertools
import re
import sqlite3
import tarfile
import threading
import xml.etree.ElementTree as ElementTree
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from sqlalchemy import select

from cloud.backup import BackupError, backup
from cloud.cli import claim
from cloud.config import Core, CsmsFile
from cloud.main import cli
from cloud.series.port import Point
from cloud.series.sqlite import SqliteSeries
from cloud.store import registry
from cloud.store.migrations import VERSION
from cloud.store.registry import ConnectorSpec, EvseSpec
from cloud.store.store import Store
from cloud.store.tables import evses, id_tokens

V1 = Path(__file__).parents[1] / "golden" / "csms-1.sql"
NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / "csms.toml"
    path.write_text(f'[csms]\ndata = "{tmp_path / "data"}"\n[retention]\nraw_days = 30\n')
    return path


@pytest.fixture
def store(config: Path) -> Store:
    """With stations cs-1 and cs-2, of two EVSEs each."""
    (config.parent / "data").mkdir()
    store = Store(f"sqlite:///{config.parent / 'data' / 'csms.sqlite'}")
    store.start()
    with store.write() as connection:
        for station in ("cs-1", "cs-2"):
            layout = [EvseSpec(number, (ConnectorSpec(1),)) for number in (1, 2)]
            registry.add_station(connection, station, layout, NOW)
    store.stop()
    return store


def admin(config: Path, command: str, *words: str | Path) -> Result:
    return CliRunner().invoke(cli, ["admin", command, "--config", str(config), *map(str, words)])


def cards(store: Store) -> list[str]:
    store.start()
    with store.read() as connection:
        found = list(connection.scalars(select(id_tokens.c.id_token).order_by(id_tokens.c.id_token)))
    store.stop()
    return found


def test_cards_are_imported_from_a_file_all_or_none(config: Path, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "cards.csv"
    file.write_text("uid;status\n04000001;ok\nnonsense;\n04000002;\n")
    said = admin(config, "import-cards", file, "--dry-run")
    assert (said.exit_code, said.stdout) == (0, "would be: 2 added, 0 changed, 0 as they were; 1 rows are bad\n")
    said = admin(config, "import-cards", file)
    assert said.exit_code == 1
    assert said.stderr.splitlines() == [
        f"{file}:3: 'NONSENSE' is not an ISO14443 token: 8 or 14 or 20 hexadecimal digits",
        "1 rows are bad, so nothing was written",
    ]
    assert cards(store) == []
    file.write_text("uid;status\n04000001;ok\n04000002;\n")
    assert admin(config, "import-cards", file).stdout == "2 added, 0 changed, 0 as they were\n"
    assert cards(store) == ["04000001", "04000002"]


def test_labels_have_a_qr_code_the_code_and_the_id(config: Path, store: Store, tmp_path: Path) -> None:
    sheet = tmp_path / "labels.svg"
    said = admin(config, "labels", sheet, "--url", "https://charge.example.org/", "--station", "cs-2")
    assert (said.exit_code, said.stdout) == (0, f"wrote {sheet}\n")
    store.start()
    with store.read() as connection:
        codes = list(connection.scalars(select(evses.c.code).where(evses.c.station == "cs-2").order_by("number")))
    store.stop()
    drawn = ElementTree.parse(sheet).getroot()
    texts = [text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts == [f"{codes[0][:3]} {codes[0][3:]}", "cs-2:1", f"{codes[1][:3]} {codes[1][3:]}", "cs-2:2"]
    assert (drawn.get("width"), drawn.get("height")) == ("210mm", "297mm")


def test_more_labels_than_fit_on_a_sheet_make_more_sheets(config: Path, store: Store, tmp_path: Path) -> None:
    store.start()
    with store.write() as connection:
        registry.add_station(
            connection, "cs-3", [EvseSpec(number, (ConnectorSpec(1),)) for number in range(1, 23)], NOW
        )
    store.stop()
    admin(config, "labels", tmp_path / "labels.svg", "--url", "https://charge.example.org")
    counts = [(tmp_path / name).read_text().count("<g ") for name in ("labels.svg", "labels-2.svg")]
    assert counts == [24, 2]


def test_labels_of_a_station_that_nobody_has_are_refused(config: Path, store: Store, tmp_path: Path) -> None:
    said = admin(config, "labels", tmp_path / "x.svg", "--url", "https://x.test", "--station", "cs-9")
    assert (said.exit_code, said.stderr) == (1, "no station cs-9\n")


def test_a_backup_brings_back_what_there_was(config: Path, store: Store, tmp_path: Path) -> None:
    series = SqliteSeries(tmp_path / "data" / "series.sqlite")
    series.start()
    series.write([Point("cs-1", 1, NOW, {"power_w": 7000.0})])
    admin(config, "add-card", "04000001")
    file = tmp_path / "backup.tar.gz"
    with claim(tmp_path / "data", alone=False):  # it runs
        assert admin(config, "backup", file).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    series.write([Point("cs-1", 1, NOW + timedelta(seconds=1), {"power_w": 1.0})])
    series.stop()
    admin(config, "add-card", "04000002")
    said = admin(config, "restore", file)
    assert said.exit_code == 0, said.output
    assert cards(store) == ["04000001"]
    series.start()
    assert [value.value for value in series.read("cs-1", 1, "power_w", NOW, NOW + timedelta(days=1))] == [7000.0]
    series.stop()
    [aside] = (tmp_path / "data").glob("before-restore-*")
    with closing(sqlite3.connect(aside / "csms.sqlite")) as kept:
        assert kept.execute("SELECT count(*) FROM id_tokens").fetchone() == (2,)


def test_a_backup_is_one_moment_however_much_is_written_meanwhile(config: Path, store: Store, tmp_path: Path) -> None:
    """Cards are written two at a time: no backup has an odd number of them."""
    store.start()
    stopping, written = threading.Event(), threading.Event()

    def write() -> None:
        for number in itertools.count(0, 2):
            with store.write() as connection:
                for card in (number, number + 1):
                    registry.add_card(connection, f"{card:08X}", None)
            written.set()
            if stopping.is_set():
                return

    writer = threading.Thread(target=write)
    writer.start()
    assert written.wait(10)
    file = tmp_path / "backup.tar.gz"
    assert admin(config, "backup", file).exit_code == 0
    stopping.set()
    writer.join()
    store.stop()
    with tarfile.open(file) as archive:
        archive.extract("csms.sqlite", tmp_path, filter="data")
    with closing(sqlite3.connect(tmp_path / "csms.sqlite")) as copy:
        assert copy.execute("SELECT count(*) % 2, count(*) > 0 FROM id_tokens").fetchone() == (0, 1)


def test_nothing_is_restored_into_a_csms_that_runs(config: Path, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    admin(config, "backup", file)
    with claim(tmp_path / "data", alone=False):
        said = admin(config, "restore", file)
    assert (said.exit_code, said.stderr) == (1, f"{tmp_path / 'data'}: the CSMS is running: stop it first\n")


def test_a_damaged_or_foreign_file_is_not_restored(config: Path, store: Store, tmp_path: Path) -> None:
    admin(config, "add-card", "04000001")
    good = tmp_path / "backup.tar.gz"
    admin(config, "backup", good)
    foreign = tmp_path / "foreign.tar.gz"
    with tarfile.open(foreign, "w:gz") as archive:
        archive.add(config, "../../etc/passwd")
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(good.read_bytes()[:-600])
    text = tmp_path / "text"
    text.write_text("no archive")
    for file in (foreign, cut, text):
        said = admin(config, "restore", file)
        assert said.exit_code == 1
        assert re.match(re.escape(str(file)), said.stderr)
    assert cards(store) == ["04000001"]
    assert sorted((tmp_path / "data").glob("*restore*")) == []


def test_a_backup_overwrites_nothing(config: Path, store: Store, tmp_path: Path) -> None:
    file = tmp_path / "backup.tar.gz"
    file.write_text("precious")
    said = admin(config, "backup", file)
    assert (said.exit_code, said.stderr) == (1, f"{file} is there already: choose another name\n")
    assert file.read_text() == "precious"


def test_postgresql_is_backed_up_by_its_own_tools(tmp_path: Path) -> None:
    config = CsmsFile(csms=Core(data=str(tmp_path), database="postgresql+psycopg://localhost/csms"))
    with pytest.raises(BackupError, match="pg_dump"):
        backup(config, tmp_path / "backup", NOW)


def test_an_old_database_is_migrated_and_a_newer_one_refused(config: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    path = tmp_path / "data" / "csms.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(V1.read_text())
    assert admin(config, "migrate").stdout == f"the database is brought from version 1 to {VERSION}\n"
    assert admin(config, "migrate").stdout == f"the database is of version {VERSION}\n"
    with closing(sqlite3.connect(path)) as database:
        database.execute("UPDATE schema_version SET version = 99")
        database.commit()
    said = admin(config, "migrate")
    assert (said.exit_code, said.stderr.split(":")[0]) == (
        1,
        f"the database is of version 99, and this program knows versions up to {VERSION}",
    )


def test_old_samples_become_means_on_demand(config: Path, store: Store, tmp_path: Path) -> None:
    series = SqliteSeries(tmp_path / "data" / "series.sqlite")
    series.start()
    start = datetime(2020, 1, 1, tzinfo=UTC)
    series.write([Point("cs-1", 1, start + timedelta(seconds=10 * n), {"power_w": float(n)}) for n in range(180)])
    series.stop()
    assert admin(config, "retention").stdout == (
        "180 samples became 2; 0 samples and 0 rows of the audit trail were removed\n"
    )
    assert admin(config, "retention").stdout == (
        "0 samples became 0; 0 samples and 0 rows of the audit trail were removed\n"
    )
