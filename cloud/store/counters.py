"""Integers that must not come twice, such as a remoteStartId. They survive a restart."""

from __future__ import annotations

from sqlalchemy import Connection, select

from cloud.store.tables import counters
from cloud.store.upsert import insert_into


def next_number(connection: Connection, name: str, count: int = 1) -> int:
    """The last of the next `count` integers of a counter, which begins at 1."""
    statement = insert_into(connection, counters).values(name=name, value=count)
    counted = statement.on_conflict_do_update(index_elements=["name"], set_={"value": counters.c.value + count})
    return int(connection.execute(counted.returning(counters.c.value)).scalar_one())


def last_number(connection: Connection, name: str) -> int:
    """The last integer that was given out, 0 for none."""
    return int(connection.scalar(select(counters.c.value).where(counters.c.name == name)) or 0)
