"""The database comes from the version that wrote it to ours, once, and as a whole."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import inspect, select, update

from cloud.store import migrations
from cloud.store.migrations import VERSION, SchemaError
from cloud.store.store import Store
from cloud.store.tables import broker_accounts, id_tokens, schema_version, sessions

V1 = Path(__file__).parents[1] / "golden" / "csms-1.sql"


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """A database as the first version left it."""
    path = tmp_path / "csms.sqlite"
    with closing(sqlite3.connect(path)) as database:
        database.executescript(V1.read_text())
    return path


@pytest.fixture
def opened(old: Path) -> Iterator[Store]:
    store = Store(f"sqlite:///{old}")
    store.start()
    yield store
    store.stop()


def shape(store: Store) -> dict[str, tuple[set[str], set[str | None]]]:
    known = inspect(store.engine)
    return {
        name: (
            {column["name"] for column in known.get_columns(name)},
            {index["name"] for index in known.get_indexes(name)},
        )
        for name in known.get_table_names()
    }


def test_a_database_of_the_first_version_has_all_tables_columns_and_indexes_of_a_new_one(
    opened: Store, tmp_path: Path
) -> None:
    new = Store(f"sqlite:///{tmp_path / 'new.sqlite'}")
    new.start()
    assert (opened.found_version, new.found_version) == (1, 0)
    assert shape(opened) == shape(new)
    new.stop()


def test_what_it_held_is_there_and_what_is_new_has_its_default(opened: Store) -> None:
    with opened.read() as connection:
        session = connection.execute(select(sessions)).one()
        tokens = connection.execute(select(id_tokens).order_by(id_tokens.c.revision)).all()
        accounts = connection.execute(select(broker_accounts.c.name, broker_accounts.c.state)).all()
    assert (session.id, session.energy_wh, session.folded) == ("s1", 4200, b"")
    assert [(row.id_token, row.driver) for row in tokens] == [("04A1B2C3", "u1"), ("04FFEEDD", None), ("Du1", "u1")]
    assert [row.revision for row in tokens] == [1, 2, 3]
    assert [tuple(row) for row in accounts] == [("cs-1", "made"), ("cs-2", "made")]


def test_it_is_migrated_once(opened: Store) -> None:
    opened.stop()
    opened.start()
    assert opened.found_version == VERSION
    with opened.read() as connection:
        assert connection.execute(select(schema_version.c.version)).all() == [(VERSION,)]


def test_a_migration_that_fails_leaves_the_database_as_it_was(old: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(connection: object) -> None:
        raise RuntimeError("killed")

    store = Store(f"sqlite:///{old}")
    with monkeypatch.context() as patch:
        patch.setattr(migrations, "STEPS", (fail,))
        with pytest.raises(RuntimeError, match="killed"):
            store.start()
        store.stop()
    with closing(sqlite3.connect(old)) as database:
        assert database.execute("SELECT name FROM sqlite_master WHERE name = 'schema_version'").fetchall() == []
    store.start()
    assert store.found_version == 1
    store.stop()


def test_a_database_of_a_newer_version_is_refused_and_left_alone(opened: Store) -> None:
    with opened.write() as connection:
        connection.execute(update(schema_version).values(version=VERSION + 1))
    opened.stop()
    with pytest.raises(SchemaError, match=f"of version {VERSION + 1}, and this program knows versions up to {VERSION}"):
        opened.start()


def test_a_column_that_a_table_got_since_is_added_without_a_step(opened: Store) -> None:
    with opened.write() as connection:
        connection.exec_driver_sql("DROP INDEX id_tokens_by_revision")
        connection.exec_driver_sql("ALTER TABLE id_tokens DROP COLUMN revision")
        connection.execute(update(schema_version).values(shape="of an earlier build"))
    opened.stop()
    opened.start()
    with opened.read() as connection:
        assert set(connection.scalars(select(id_tokens.c.revision))) == {0}


def test_processes_that_start_together_migrate_once(old: Path) -> None:
    stores = [Store(f"sqlite:///{old}") for _ in range(4)]
    threads = [threading.Thread(target=store.start) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(store.found_version for store in stores) == [1, VERSION, VERSION, VERSION]
    for store in stores:
        store.stop()
