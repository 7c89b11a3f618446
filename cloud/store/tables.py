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
    Column("address", String(300), nullable=False, default=""),
    Column("latitude", Float),
    Column("longitude", Float),
    Column("time_zone", String(60), nullable=False, default="UTC"),  # IANA; times of day in tariffs are by its clock
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
    # When it changed last, counted over all tokens: the version of a local list that has it. See cloud.local_lists.
    Column("revision", BigInteger, nullable=False, default=0),
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
    # As far as it goes: see cloud.domain.cost. tariff: the one that was agreed on, cloud.domain.tariffs.Agreed, JSON.
    Column("cost", BigInteger),
    Column("currency", String(3)),
    Column("tariff", Text),
    # What the driver typed, how much energy the session had then, and how much the battery holds: cloud.domain.soc.
    Column("soc_source", String(10)),  # measured, estimated
    Column("soc_typed_pct", Float),
    Column("soc_typed_wh", BigInteger),
    Column("battery_kwh", Float),
    # How far the fold has come, for the next event: cloud.domain.sessions.Session and the gaps, as JSON.
    Column("folded", LargeBinary, nullable=False, default=b""),
    UniqueConstraint("station", "transaction_id"),
)
Index("sessions_by_driver", sessions.c.driver, sessions.c.no)
Index("sessions_by_state", sessions.c.state)
Index("sessions_by_place", sessions.c.station, sessions.c.evse, sessions.c.ended_at)
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


def _of_station() -> Column[Any]:
    return Column("station", ForeignKey("stations.id", ondelete="CASCADE"), nullable=False)


#: Sessions of which events are missing, until they have come or will never come. See cloud.reconcile.
gaps = Table(
    "gaps",
    metadata,
    Column("session", _Number, primary_key=True, autoincrement=False),
    Column("station", String(48), nullable=False),
    Column("transaction_id", String(36), nullable=False),
    Column("next_at", Moment, nullable=False),  # when its station is asked, or asked again
    Column("asked", Integer, nullable=False, default=0),
    Column("last", Integer, nullable=False, default=-1),  # the highest seqNo that had come when it was asked
)
Index("gaps_by_time", gaps.c.next_at)

#: The last frames from and to each station, to look at. The bytes are those on the wire, cut when they are many.
frames = Table(
    "frames",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("station", String(48), nullable=False),
    Column("at", Moment, nullable=False),
    Column("direction", String(3), nullable=False),  # in, out
    Column("kind", String(6), nullable=False),  # call, result, error; bad for what is no frame
    Column("action", String(50), nullable=False),
    Column("message_id", String(36), nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("frames_by_station", frames.c.station, frames.c.no)

#: Frames that were refused or could not be handled, as they came. station: "" for those that are not registered.
dead_letters = Table(
    "dead_letters",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("station", String(48), nullable=False),
    Column("topic", String(100), nullable=False),
    Column("at", Moment, nullable=False),
    Column("code", String(50), nullable=False),
    Column("text", String(200), nullable=False),
    Column("data", LargeBinary, nullable=False),
)
Index("dead_letters_by_station", dead_letters.c.station, dead_letters.c.no)

#: What stations told that has no table of its own: the payload of the request, as it came.
station_messages = Table(
    "station_messages",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    _of_station(),
    Column("at", Moment, nullable=False),
    Column("action", String(50), nullable=False),
    Column("payload", LargeBinary, nullable=False),
)
Index("station_messages_by_station", station_messages.c.station, station_messages.c.action, station_messages.c.no)

#: How far a station is with what takes it long. kind: firmware, log or publish_firmware.
station_statuses = Table(
    "station_statuses",
    metadata,
    Column("station", ForeignKey("stations.id", ondelete="CASCADE"), primary_key=True),
    Column("kind", String(20), primary_key=True),
    Column("status", String(40), nullable=False),
    Column("request_id", BigInteger),
    Column("at", Moment, nullable=False),
)

#: Reports that come in parts. kind: variables, monitors or profiles. call: the number of the call that asked for it, 0
#: where there is none. whole: it tells all that there is, so that what it does not tell is gone.
reports = Table(
    "reports",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    _of_station(),
    Column("kind", String(10), nullable=False),
    Column("request_id", BigInteger, nullable=False),
    Column("call", BigInteger, nullable=False),
    Column("whole", Boolean, nullable=False),
    Column("complete", Boolean, nullable=False, default=False),
    Column("at", Moment, nullable=False),
    Column("parts", LargeBinary, nullable=False, default=b""),  # which have come: cloud.store.reports, as JSON
    UniqueConstraint("station", "kind", "request_id", "call"),
)

#: A place in a station's device model. evse and connector: 0 for none; the texts: "" for none.
PLACE = ("station", "component", "component_instance", "evse", "connector", "variable", "variable_instance")


def _place() -> list[Column[Any]]:
    return [
        _of_station(),
        Column("component", String(50), nullable=False),
        Column("component_instance", String(50), nullable=False, default=""),
        Column("evse", Integer, nullable=False, default=0),
        Column("connector", Integer, nullable=False, default=0),
        Column("variable", String(50), nullable=False),
        Column("variable_instance", String(50), nullable=False, default=""),
        Column("report", _Number, nullable=False),
        Column("at", Moment, nullable=False),
    ]


#: The device model as stations report it. attribute: Actual, Target, MinSet or MaxSet.
station_variables = Table(
    "station_variables",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    *_place(),
    Column("attribute", String(10), nullable=False),
    Column("value", Text),
    Column("mutability", String(10), nullable=False),
    Column("persistent", Boolean, nullable=False),
    Column("constant", Boolean, nullable=False),
    Column("data_type", String(20)),
    Column("unit", String(16)),
    Column("min_limit", Float),
    Column("max_limit", Float),
    Column("values_list", Text),
    Column("supports_monitoring", Boolean),
    UniqueConstraint(*PLACE, "attribute", name="station_variables_place"),
)

station_monitors = Table(
    "station_monitors",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    *_place(),
    Column("monitor", BigInteger, nullable=False),
    Column("type", String(30), nullable=False),
    Column("value", Float, nullable=False),
    Column("severity", Integer, nullable=False),
    Column("transaction_only", Boolean, nullable=False),
    UniqueConstraint("station", "monitor"),
)

#: The charging profiles that are installed in stations. evse: 0 for the whole station.
station_profiles = Table(
    "station_profiles",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    _of_station(),
    Column("profile", BigInteger, nullable=False),
    Column("evse", Integer, nullable=False),
    Column("source", String(10), nullable=False),
    Column("purpose", String(40), nullable=False),
    Column("stack_level", BigInteger, nullable=False),
    Column("transaction_id", String(36)),
    Column("content", LargeBinary, nullable=False),  # the ChargingProfileType, JSON
    Column("report", _Number, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("station", "profile", "evse"),
)

#: One row: of which version the tables are, and a digest of the columns that were made. See cloud.store.migrations.
schema_version = Table(
    "schema_version",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("shape", String(64), nullable=False),
)

#: Local Controllers, and the stations behind them. name: for people.
controllers = Table(
    "controllers",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("name", String(120), nullable=False, default=""),
    Column("password_hash", String(200), nullable=False, default=""),
    Column("registered_at", Moment, nullable=False),
)

controller_stations = Table(
    "controller_stations",
    metadata,
    Column("station", ForeignKey("stations.id", ondelete="CASCADE"), primary_key=True),
    Column("controller", ForeignKey("controllers.id", ondelete="CASCADE"), nullable=False),
)

#: The broker accounts that there shall be, and how far that is so. See cloud.accounts.registrar.
broker_accounts = Table(
    "broker_accounts",
    metadata,
    Column("name", String(48), primary_key=True),
    Column("kind", String(10), nullable=False),  # station, controller
    Column("state", String(10), nullable=False),  # new, made, changed, gone, removing
    Column("since", Moment, nullable=False),
)

#: Id tokens that were removed, so that stations can be told. revision: as in id_tokens.
id_token_removals = Table(
    "id_token_removals",
    metadata,
    Column("id_token", String(36), primary_key=True),
    Column("type", String(20), primary_key=True),
    Column("revision", BigInteger, nullable=False),
)
Index("id_token_removals_by_revision", id_token_removals.c.revision)
Index("id_tokens_by_revision", id_tokens.c.revision)

#: How far the local authorization list of each station is. See cloud.local_lists.
local_lists = Table(
    "local_lists",
    metadata,
    Column("station", ForeignKey("stations.id", ondelete="CASCADE"), primary_key=True),
    Column("version", BigInteger, nullable=False, default=0),  # what the station has accepted
    Column("whole", Boolean, nullable=False, default=True),  # it needs all of it next
    Column("bounded_at", BigInteger),  # not all tokens are in it; the revision that its first part was made for
    Column("sending", BigInteger),  # the version that is on its way
    Column("call", String(36)),
    Column("failures", Integer, nullable=False, default=0),
    Column("retry_at", Moment),
    Column("status", String(30), nullable=False, default=""),
    Column("changed_at", Moment),
)

#: What operators and administrators did, and who logged in. Appended only.
audit = Table(
    "audit",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("at", Moment, nullable=False),
    Column("person", String(254), nullable=False),  # the e-mail
    Column("role", String(10), nullable=False),
    Column("address", String(64), nullable=False),
    Column("action", String(80), nullable=False),
    Column("target", String(300), nullable=False),
    Column("status", Integer, nullable=False),
    Column("detail", Text, nullable=False, default=""),  # what was sent, JSON without secrets
)
Index("audit_by_time", audit.c.at)

#: What people chose. channels: JSON, as in the API. battery_kwh: of their vehicle. station_faults: for operators.
preferences = Table(
    "preferences",
    metadata,
    Column("user", ForeignKey("users.id", ondelete="CASCADE"), primary_key=True),
    Column("soc_threshold_pct", Integer),
    Column("language", String(5), nullable=False, default="en"),
    Column("battery_kwh", Float),
    Column("channels", LargeBinary, nullable=False, default=b"[]"),
    Column("station_faults", Boolean, nullable=False, default=False),
)

#: Browsers that take Web Push, each with the key that only it can read with.
push_subscriptions = Table(
    "push_subscriptions",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("id", String(24), nullable=False, unique=True),
    Column("user", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("endpoint", String(1000), nullable=False, unique=True),
    Column("p256dh", String(100), nullable=False),
    Column("auth", String(40), nullable=False),
    Column("created_at", Moment, nullable=False),
)
Index("push_subscriptions_by_user", push_subscriptions.c.user)

#: Keys that every process needs and that are made once, such as the one that signs Web Push.
secret_keys = Table(
    "secret_keys",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

#: What people are told. One of a kind for each person and session, whoever folds the session and however often. moot:
#: nobody is told; it only keeps the place, because the session was at the threshold before the threshold was chosen.
notices = Table(
    "notices",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("id", String(24), nullable=False, unique=True),
    Column("user", ForeignKey("users.id", ondelete="CASCADE"), nullable=False),
    Column("session", _Number, nullable=False),  # sessions.no, which never changes
    Column("kind", String(20), nullable=False),  # cloud.domain.notices
    Column("at", Moment, nullable=False),
    Column("facts", LargeBinary, nullable=False),  # what its text is made of, JSON
    Column("moot", Boolean, nullable=False, default=False),
    UniqueConstraint("user", "session", "kind"),
)

#: The outbox: one row for each notice and place that it goes to, written in the commit of the notice.
deliveries = Table(
    "deliveries",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("notice", ForeignKey("notices.no", ondelete="CASCADE"), nullable=False),
    Column("channel", String(20), nullable=False),
    Column("target", String(1000), nullable=False, default=""),
    Column("state", String(10), nullable=False),  # waiting, delivered, failed
    Column("attempts", Integer, nullable=False, default=0),
    Column("next_at", Moment, nullable=False),  # when it is tried; while it is being tried, when somebody else may
    Column("done_at", Moment),
    Column("error", String(300), nullable=False, default=""),
    UniqueConstraint("notice", "channel", "target"),
)
Index("deliveries_by_state", deliveries.c.state, deliveries.c.next_at)

tariffs = Table(
    "tariffs",
    metadata,
    Column("id", String(48), primary_key=True),
    Column("name", String(120), nullable=False),
    Column("version", Integer, nullable=False),  # the latest
    Column("created_at", Moment, nullable=False),
)

#: What each tariff was since when: a session keeps to what was in force when it began. Appended only.
tariff_versions = Table(
    "tariff_versions",
    metadata,
    Column("tariff", ForeignKey("tariffs.id"), primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("since", Moment, nullable=False),
    Column("content", Text, nullable=False),  # cloud.domain.tariffs.Tariff, JSON
)

#: Where which tariff is in force since when. scope: evse, station, site or default. place: its id; "" for default.
#: tariff: null for none of its own any more. Appended only, but that those of a station go with it.
tariff_places = Table(
    "tariff_places",
    metadata,
    Column("no", _Number, primary_key=True, autoincrement=True),
    Column("scope", String(8), nullable=False),
    Column("place", String(60), nullable=False),
    Column("tariff", ForeignKey("tariffs.id")),
    Column("since", Moment, nullable=False),
)
Index("tariff_places_by_place", tariff_places.c.scope, tariff_places.c.place, tariff_places.c.no)
