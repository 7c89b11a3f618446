"""INSERT ... ON CONFLICT, which SQLite and PostgreSQL both have, each under a name of its own in SQLAlchemy."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

Insert = postgresql.Insert | sqlite.Insert


def insert_into(connection: Connection, table: Table) -> Any:
    """An insert that takes `on_conflict_do_update` and `on_conflict_do_nothing`."""
    made: Insert = postgresql.insert(table) if connection.dialect.name == "postgresql" else sqlite.insert(table)
    return made
