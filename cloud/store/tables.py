"""The tables. Times are microseconds since 1970 in UTC; energy is in Wh; money in minor units."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """An aware datetime, kept as microseconds since 1970: sorts, compares and reads the same in every database."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else (value - _EPOCH) // _MICROSECOND

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        return None if value is None else _EPOCH + timedelta(microseconds=value)


# SQLite numbers rows by itself only for a column that is exactly INTEGER.
_Number = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()

sites = Table(
    "sites",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("name", String(120), nullable=False),
)

stations = Table(
    "stations",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("site", ForeignKey("sites.id")),
    Column("vendor", String(50), nullable=False, default=""),
    Column("model", String(50), nullable=False, default=""),
    Column("serial", String(25), nullable=False, default=""),
    Column("firmware", String(50), nullable=False, default=""),
    Column("protocol", String(20), nullable=False, default="ocpp2.0.1"),
    Column("link_up", Boolean, nullable=False, default=False),
    Column("link_since", Moment),
    Column("seen_at", Moment),
    Column("booted_at", Moment),
    Column("boot_reason", String(40), nullable=False, default=""),
    Column("password_hash", String(200), nullable=False, default=""),
    Column("registered_at", Moment, nullable=False),
)

evses = Table(
    "evses",
    metadata,
    Column("station", ForeignKey("stations.id", ondelete="CASCADE"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("code", String(12), nullable=False, unique=True),
    # What is wrong with it, as the station says: words with commas between; empty when nothing is.
    Column("problems", String(400), nullable=False, default=""),
)

connectors = Table(
    "connectors",
    metadata,
    Column("station", String(48), primary_key=True),
    Column("evse", Integer, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("type", String(20), nullable=False, default="Unknown"),
    Column("current", String(2), nullable=False, default="AC"),
    Column("max_kw", Float),
    Column("status", String(20), nullable=False, default=""),
    Column("status_at", Moment),
)

users = Table(
    "users",
    metadata,
    Column("id", String(24), primary_key=True),
    Column("email", String(254), nullable=False, unique=True),
    Column("name", String(120), nullable=False, default=""),
    Column("role", String(10), nullable=False),
    Column("password_hash", String(200), nullable=False),
    Column("created_at", Moment, nullable=False),
)

logins = Table(
    "logins",
    metadata,
    Column("token_hash", String(64), primary_key=True),
    Column("user", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment, nullable=False),
)

id_tokens = Table(
    "id_tokens",
    metadata,
    Column("id_token", String(36), primary_key=True),
    Column("type", String(20), primary_key=True),
    Column("status", String(24), nullable=False, default="Accepted"),
    Column("driver", ForeignKey("users.id", ondelete="SET NULL")),
    Column("expires_at", Moment),
    Column("group_id", String(36)),
)

sessions = Table(
    "sessions",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("id", String(24), nullable=False, unique=True),
    Column("station", String(48), nullable=False),
    Column("transaction_id", String(36)),
    Column("evse", Integer),
    Column("connector", Integer),
    Column("driver", String(24)),
    Column("id_token", String(36)),
    Column("state", String(10), nullable=False),
    Column("created_at", Moment, nullable=False),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    Column("updated_at", Moment, nullable=False),
    Column("start_wh", BigInteger),
    Column("energy_wh", BigInteger, nullable=False, default=0),
    Column("power_w", Float),
    Column("soc_pct", Float),
    Column("stop_reason", String(40)),
    Column("complete", Boolean, nullable=False, default=False),
    Column("flags", Text, nullable=False, default=""),
    Column("remote_start_id", Integer),
    # How far the fold has come, for the next event: cloud.domain.sessions.Session and the gaps, as JSON.
    Column("folded", LargeBinary, nullable=False, default=b""),
    UniqueConstraint("station", "transaction_id"),
)
Index("sessions_by_driver", sessions.c.driver, sessions.c.no)
Index("sessions_by_state", sessions.c.state)
Index("sessions_by_remote_start", sessions.c.remote_start_id)

#: Every transaction event as it came, to fold anew when one comes late. Appended only.
events = Table(
    "events",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("session", _Number, nullable=False),
    Column("seq_no", Integer, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
Index("events_by_session", events.c.session)

calls = Table(
    "calls",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("id", String(36), nullable=False, unique=True),
    Column("station", String(48), nullable=False),
    Column("action", String(50), nullable=False),
    Column("payload", LargeBinary, nullable=False),
    Column("session", String(24)),
    Column("state", String(10), nullable=False),  # queued, sent, answered, error, timeout
    Column("created_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("done_at", Moment),
    Column("expires_at", Moment, nullable=False),
    Column("response", Text),
)
Index("calls_by_station", calls.c.station, calls.c.state)

#: What was refused, counted. station: "" for those that are not registered.
refusals = Table(
    "refusals",
    metadata,
    Column("station", String(48), primary_key=True),
    Column("code", String(50), primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("last_at", Moment, nullable=False),
    Column("last_text", String(200), nullable=False),
)

#: Integers that OCPP wants from us and that must not come twice, such as remoteStartId.
counters = Table(
    "counters",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", BigInteger, nullable=False),
)
