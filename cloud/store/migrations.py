"""Brings a database from the version that wrote it to ours, when it is opened.

What only adds - a table, a column that may be empty or has a default, an index - needs nothing here: it is compared
with the tables and made. What changes data or takes something away is a function in STEPS, which raises VERSION by one.
All of it is one transaction, under a lock: a process that is killed in the middle leaves the database as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import Column, Connection, Table, func, insert, inspect, literal, select, update
from sqlalchemy.schema import CreateIndex

from cloud.errors import CloudError
from cloud.store.tables import broker_accounts, counters, id_tokens, metadata, schema_version, stations

#: A number of our own, for the lock that this takes in PostgreSQL. SQLite has one writer at a time.
_LOCK = 0x636F6C6F


class SchemaError(CloudError, RuntimeError):
    """The database is not one that this program can use."""


def _from_1(connection: Connection) -> None:
    """Stations that were registered have accounts already; tokens that are there go into the first local lists."""
    known = select(stations.c.id, literal("station"), literal("made"), stations.c.registered_at)
    connection.execute(insert(broker_accounts).from_select(["name", "kind", "state", "since"], known))
    tokens = connection.execute(select(id_tokens.c.id_token, id_tokens.c.type).order_by(id_tokens.c.id_token)).all()
    for number, token in enumerate(tokens, 1):
        where = (id_tokens.c.id_token == token.id_token) & (id_tokens.c.type == token.type)
        connection.execute(update(id_tokens).where(where).values(revision=number))
    if tokens:
        connection.execute(insert(counters).values(name="id_tokens", value=len(tokens)))


#: STEPS[n] brings version n + 1 to n + 2, when what is only added is there already.
STEPS: Sequence[Callable[[Connection], None]] = (_from_1,)
VERSION = len(STEPS) + 1


def migrate(connection: Connection) -> int:
    """Bring the database up to date. Answers the version that it had, 0 for an empty one. Raises SchemaError."""
    if connection.dialect.name == "postgresql":
        # One process after the other: all that start together find the same tables missing.
        connection.execute(select(func.pg_advisory_xact_lock(_LOCK)))
    found, shape = _found(connection)
    if found > VERSION:
        raise SchemaError(
            f"the database is of version {found}, and this program knows versions up to {VERSION}: a newer one has"
            " written it. Install that one again, or restore a backup from before."
        )
    if (found, shape) == (VERSION, _shape()):
        return found
    if found:
        _add_what_is_missing(connection)
    metadata.create_all(connection)
    if found:
        for step in STEPS[found - 1 :]:
            step(connection)
    values = {"version": VERSION, "shape": _shape()}
    if connection.execute(update(schema_version).values(**values)).rowcount == 0:
        connection.execute(insert(schema_version).values(id=1, **values))
    return found


def _found(connection: Connection) -> tuple[int, str]:
    known = inspect(connection)
    if known.has_table(schema_version.name):
        row = connection.execute(select(schema_version)).first()
        return (VERSION, "") if row is None else (row.version, row.shape)
    return (1 if known.has_table(stations.name) else 0), ""  # the first version did not write it down


def _shape() -> str:
    names = sorted(str(column) for table in metadata.tables.values() for column in table.columns)
    indexes = sorted(str(index.name) for table in metadata.tables.values() for index in table.indexes)
    return hashlib.sha256("\n".join([*names, *indexes]).encode()).hexdigest()


def _add_what_is_missing(connection: Connection) -> None:
    known = inspect(connection)
    there = set(known.get_table_names())
    for table in metadata.sorted_tables:
        if table.name not in there:
            table.create(connection)
            continue
        columns = {column["name"] for column in known.get_columns(table.name)}
        for column in table.columns:
            if column.name not in columns:
                connection.exec_driver_sql(_added(connection, table, column))
        indexes = {index["name"] for index in known.get_indexes(table.name)}
        for index in table.indexes:
            if index.name not in indexes:
                connection.execute(CreateIndex(index))


def _added(connection: Connection, table: Table, column: Column[Any]) -> str:
    dialect = connection.dialect
    quote = dialect.identifier_preparer.quote
    parts = [f"ALTER TABLE {quote(table.name)} ADD COLUMN {quote(column.name)}", column.type.compile(dialect=dialect)]
    if not column.nullable:
        default = None if column.default is None else getattr(column.default, "arg", None)
        if default is None or callable(default):
            raise SchemaError(f"{table.name}.{column.name} needs a default, or a step of its own")
        parts.append(f"DEFAULT {_literal(dialect.name, default)} NOT NULL")
    for key in column.foreign_keys:
        parts.append(f"REFERENCES {quote(key.column.table.name)} ({quote(key.column.name)})")
        parts += [f"ON DELETE {key.ondelete}"] if key.ondelete else []
    return " ".join(parts)


def _literal(dialect: str, value: Any) -> str:
    if isinstance(value, bool):
        return str(value).upper() if dialect == "postgresql" else str(int(value))
    if isinstance(value, bytes):
        return f"'\\x{value.hex()}'" if dialect == "postgresql" else f"X'{value.hex()}'"
    return str(value) if isinstance(value, int | float) else "'" + str(value).replace("'", "''") + "'"
