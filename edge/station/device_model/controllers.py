"""The rows of the controllers: how the station behaves. What it cannot do at all has no row.

OCPP requires a few more variables than these, of what this station does not have: clock-aligned meter values
(AlignedDataCtrlr), a choice of networks (NetworkConfigurationPriority, NetworkProfileConnectionAttempts), certificates
from the CSMS and the security profiles of a WebSocket (SecurityCtrlr), monitors (MonitoringCtrlr).
"""

from __future__ import annotations

from msgspec.structs import replace

from edge.station.changes import with_evse
from edge.station.device_model.limits import BYTES_PER_MESSAGE, ITEMS_PER_MESSAGE, RECORDS_PER_MESSAGE
from edge.station.device_model.row import Row, Setting, View, fact, setting, show
from edge.station.jobs import SCHEMES
from edge.station.smart_charging.rules import MAX_PERIODS, MAX_PROFILES, MAX_STACK_LEVEL
from edge.station.state import Station
from edge.station.tokens import MOST_LISTED

#: OCPP's schemas allow no more characters: of a value that is set, and of one that is reported.
SET_CHARACTERS, REPORTED_CHARACTERS = 1_000, 2_500
MEASURANDS = ("Energy.Active.Import.Register", "Power.Active.Import", "Current.Import", "Voltage", "SoC")
START_STOP_POINTS = ("PowerPathClosed",)
RATE_UNITS = ("A", "W")
PROTOCOLS = tuple(scheme.removesuffix("://").upper() for scheme in SCHEMES)


def _behaviour(field: str) -> Setting:
    return Setting("settings", field)


def _rule(field: str) -> Setting:
    return Setting("rules", field)


def _next_samples(before: Station, after: Station) -> Station:
    """The next sample is due when it would have been, had it been so from the last one on."""
    by_s = after.settings.sample_s - before.settings.sample_s
    for evse in after.evses:
        after = with_evse(after, evse.number, sample_mono=evse.sample_mono + by_s)
    return after


def _next_heartbeat(before: Station, after: Station) -> Station:
    """Counts until a BootNotificationResponse says otherwise."""
    heartbeat_s, due = after.settings.heartbeat_s, after.heartbeat_mono
    if due is not None:
        due += heartbeat_s - before.heartbeat_s
    return replace(after, heartbeat_s=heartbeat_s, heartbeat_mono=due)


def _identity(view: View) -> str | None:
    return view.station.station_id or None


def _date_time(view: View) -> str:
    return view.now.utc.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _listed(view: View) -> str:
    return str(view.listed)


def _profiles(view: View) -> str:
    return str(len(view.station.kept.profiles.installed))


def _protocols(view: View) -> str:
    rules = view.station.job_rules
    return ",".join(PROTOCOLS) if rules.uploads or rules.installs else ""


def _measurands(variable: str) -> Row:
    what = "what is sampled; SoC only where the vehicle tells it"
    return fact("SampledDataCtrlr", variable, "MemberList", ",".join(MEASURANDS), what, values=MEASURANDS)


_LIMITED = ("GetReport", "GetVariables", "SetVariables")

ROWS: tuple[Row, ...] = (
    fact("AuthCacheCtrlr", "Available", "boolean", "true", "there is an authorization cache"),
    setting("AuthCacheCtrlr", "Enabled", _rule("auth_cache_enabled"), "what the CSMS says of a token is remembered"),
    setting("AuthCacheCtrlr", "LifeTime", _rule("auth_cache_life_time_s"), "for how long", unit="s"),
    fact(
        "AuthCacheCtrlr",
        "Policy",
        "OptionList",
        "CUSTOM",
        "who is forgotten first when it is full: tokens that were not accepted, then the least recently used",
        values=("CUSTOM",),
    ),
    fact("AuthCtrlr", "AuthorizeRemoteStart", "boolean", "false", "a start by the CSMS is not asked for once more"),
    fact("AuthCtrlr", "Enabled", "boolean", "true", "nobody charges without authorization"),
    setting("AuthCtrlr", "LocalAuthorizeOffline", _rule("local_authorize_offline"), "offline, whom we know is let in"),
    setting("AuthCtrlr", "LocalPreAuthorize", _rule("local_pre_authorize"), "online too, without asking the CSMS"),
    setting("AuthCtrlr", "MasterPassGroupId", _rule("master_pass_group_id"), "tokens of this group stop everything"),
    setting(
        "AuthCtrlr",
        "OfflineTxForUnknownIdEnabled",
        _rule("offline_tx_for_unknown_id_enabled"),
        "offline, so is whom we do not know",
    ),
    Row(
        component="ClockCtrlr",
        variable="DateTime",
        type="dateTime",
        read=_date_time,
        what="the station's time",
    ),
    fact(
        "ClockCtrlr",
        "TimeSource",
        "SequenceList",
        "Heartbeat",
        "the CSMS's time is taken where the machine's clock is wrong",
        values=("Heartbeat",),
    ),
    *(
        fact(
            "DeviceDataCtrlr",
            "BytesPerMessage",
            "integer",
            str(BYTES_PER_MESSAGE),
            "of the largest frame",
            instance=name,
        )
        for name in _LIMITED
    ),
    *(
        fact(
            "DeviceDataCtrlr",
            "ItemsPerMessage",
            "integer",
            str(ITEMS_PER_MESSAGE),
            "variables in one call",
            instance=name,
        )
        for name in _LIMITED
    ),
    fact(
        "DeviceDataCtrlr",
        "ConfigurationValueSize",
        "integer",
        str(SET_CHARACTERS),
        "characters of a value that is set",
        most=SET_CHARACTERS,
    ),
    fact(
        "DeviceDataCtrlr",
        "ReportingValueSize",
        "integer",
        str(REPORTED_CHARACTERS),
        "characters of a value that is reported",
        most=REPORTED_CHARACTERS,
    ),
    fact("LocalAuthListCtrlr", "Available", "boolean", "true", "the station keeps a local authorization list"),
    fact("LocalAuthListCtrlr", "BytesPerMessage", "integer", str(BYTES_PER_MESSAGE), "of the largest SendLocalList"),
    setting("LocalAuthListCtrlr", "Enabled", _rule("local_auth_list_enabled"), "it is kept and used"),
    Row(
        component="LocalAuthListCtrlr",
        variable="Entries",
        type="integer",
        read=_listed,
        what="tokens in it",
        most=MOST_LISTED,
        persistent=True,
    ),
    fact("LocalAuthListCtrlr", "ItemsPerMessage", "integer", str(RECORDS_PER_MESSAGE), "tokens in one SendLocalList"),
    Row(
        component="OCPPCommCtrlr",
        variable="FileTransferProtocols",
        type="MemberList",
        read=_protocols,
        what="how logs are sent and firmware is fetched; empty where neither is",
        values=PROTOCOLS,
        constant=True,
        persistent=True,
    ),
    setting(
        "OCPPCommCtrlr",
        "HeartbeatInterval",
        _behaviour("heartbeat_s"),
        "between two Heartbeats, until a BootNotificationResponse says otherwise",
        unit="s",
        read=lambda view: show(view.station.heartbeat_s),
        effect=_next_heartbeat,
    ),
    setting(
        "OCPPCommCtrlr",
        "MessageAttemptInterval",
        _behaviour("message_attempt_interval_s"),
        "before a call that must arrive is made again, times the attempts so far",
        instance="TransactionEvent",
        unit="s",
    ),
    setting(
        "OCPPCommCtrlr",
        "MessageAttempts",
        _behaviour("message_attempts"),
        "before it goes to the dead letters",
        instance="TransactionEvent",
    ),
    setting(
        "OCPPCommCtrlr",
        "MessageTimeout",
        _behaviour("answer_s"),
        "how long the CSMS may take to answer",
        instance="Default",
        unit="s",
    ),
    setting(
        "OCPPCommCtrlr",
        "OfflineThreshold",
        _behaviour("offline_threshold_s"),
        "after a longer time offline all connectors' statuses are told anew",
        unit="s",
    ),
    fact("OCPPCommCtrlr", "ResetRetries", "integer", "0", "a reset is not tried again"),
    fact("OCPPCommCtrlr", "UnlockOnEVSideDisconnect", "boolean", "false", "no connector has a lock"),
    fact("ReservationCtrlr", "Available", "boolean", "true", "EVSEs can be reserved"),
    fact("ReservationCtrlr", "Enabled", "boolean", "true", "and always"),
    fact("ReservationCtrlr", "NonEvseSpecific", "boolean", "true", "a reservation may be for whichever EVSE is free"),
    fact("SampledDataCtrlr", "Available", "boolean", "true", "meters are sampled"),
    fact("SampledDataCtrlr", "Enabled", "boolean", "true", "and always"),
    fact("SampledDataCtrlr", "TxEndedInterval", "integer", "0", "Ended has the last sample only", unit="s"),
    _measurands("TxEndedMeasurands"),
    _measurands("TxStartedMeasurands"),
    setting(
        "SampledDataCtrlr",
        "TxUpdatedInterval",
        _behaviour("sample_s"),
        "between two samples of a transaction",
        unit="s",
        effect=_next_samples,
    ),
    _measurands("TxUpdatedMeasurands"),
    Row(
        component="SecurityCtrlr",
        variable="Identity",
        type="string",
        read=_identity,
        what="as the station is registered at the CSMS",
        most=48,
        constant=True,
        persistent=True,
    ),
    fact("SmartChargingCtrlr", "ACPhaseSwitchingSupported", "boolean", "false", "phases cannot be chosen"),
    fact("SmartChargingCtrlr", "Available", "boolean", "true", "charging profiles are kept"),
    fact("SmartChargingCtrlr", "Enabled", "boolean", "true", "and always"),
    Row(
        component="SmartChargingCtrlr",
        variable="Entries",
        instance="ChargingProfiles",
        type="integer",
        read=_profiles,
        what="charging profiles that are installed",
        most=MAX_PROFILES,
        persistent=True,
    ),
    fact("SmartChargingCtrlr", "ExternalControlSignalsEnabled", "boolean", "false", "only the CSMS sets limits"),
    fact("SmartChargingCtrlr", "LimitChangeSignificance", "decimal", "0.0", "each change is told", unit="Percent"),
    fact("SmartChargingCtrlr", "PeriodsPerSchedule", "integer", str(MAX_PERIODS), "at most"),
    fact("SmartChargingCtrlr", "Phases3to1", "boolean", "false", "three phases stay three"),
    fact("SmartChargingCtrlr", "ProfileStackLevel", "integer", str(MAX_STACK_LEVEL), "the highest there is"),
    fact(
        "SmartChargingCtrlr", "RateUnit", "MemberList", ",".join(RATE_UNITS), "that limits may have", values=RATE_UNITS
    ),
    setting(
        "TxCtrlr",
        "EVConnectionTimeOut",
        _behaviour("connection_timeout_s"),
        "an authorization lapses when nobody plugs in for so long",
        unit="s",
    ),
    setting(
        "TxCtrlr",
        "MaxEnergyOnInvalidId",
        _rule("max_energy_on_invalid_id_wh"),
        "that a transaction has whose token the CSMS does not accept, if it is not ended",
        unit="Wh",
    ),
    fact("TxCtrlr", "StopTxOnEVSideDisconnect", "boolean", "true", "a transaction ends when the plug is pulled"),
    setting(
        "TxCtrlr",
        "StopTxOnInvalidId",
        _rule("stop_tx_on_invalid_id"),
        "a transaction ends whose token the CSMS does not accept",
    ),
    fact(
        "TxCtrlr",
        "TxStartPoint",
        "MemberList",
        ",".join(START_STOP_POINTS),
        "a transaction begins once a vehicle is plugged in and authorized",
        values=START_STOP_POINTS,
    ),
    fact(
        "TxCtrlr",
        "TxStopPoint",
        "MemberList",
        ",".join(START_STOP_POINTS),
        "and ends when either is over",
        values=START_STOP_POINTS,
    ),
)
