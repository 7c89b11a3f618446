"""The shapes of the API, for checking what comes in and for documenting what goes out."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from cloud.store.registry import MAX_CONNECTORS, MAX_EVSES

State = Literal["pending", "charging", "suspended", "ended", "failed"]
Moment = Annotated[str, Field(description="RFC 3339, UTC", examples=["2026-11-23T18:00:00.000Z"])]


class Model(BaseModel):
    """What all have in common: no field that is not declared, no number that is none."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)


class FieldError(Model):
    field: str
    message: str


class ProblemDetails(Model):
    """RFC 9457. `type` is absent, which means about:blank."""

    title: str
    status: int
    detail: str
    reason: str | None = Field(None, description="one word for programs")
    errors: list[FieldError] | None = Field(None, description="every field that is wrong")


# -- logins ------------------------------------------------------------------------------------------------------------


class Credentials(Model):
    email: str = Field(max_length=254)
    password: str = Field(max_length=1024)


class Token(Model):
    token: str = Field(description="send it as `Authorization: Bearer ...`")
    role: Literal["driver", "operator", "admin"]
    expires_at: Moment


# -- stations ----------------------------------------------------------------------------------------------------------


class Connector(Model):
    number: int
    type: str = Field(examples=["Type2", "CCS2"])
    current: Literal["AC", "DC"]
    max_kw: float | None
    status: str = Field(description="OCPP's word")


class Vehicle(Model):
    connected: bool
    charging: bool
    soc_pct: float | None = Field(description="drivers are told their own vehicle's only")


class Evse(Model):
    id: str = Field(examples=["cs-1:1"])
    number: int
    code: str = Field(description="what is printed next to it")
    status: Literal["available", "occupied", "inoperative"]
    detail: str = Field(description="OCPP's word, and why")
    connectors: list[Connector]
    vehicle: Vehicle
    session_id: str | None = Field(description="the session that runs; drivers are told their own only")


class Progress(Model):
    """How far a station is with what takes it long."""

    status: str = Field(description="OCPP's word", examples=["Downloading"])
    request_id: int | None
    at: Moment


class Station(Model):
    """Drivers get the fields that are required here."""

    id: str
    vendor: str
    model: str
    online: bool
    since: Moment | None = Field(description="since when it is online, or offline")
    site: str | None
    evses: list[Evse]
    firmware: str | None = None
    protocol: str | None = Field(None, examples=["ocpp2.0.1"])
    seen_at: Moment | None = None
    progress: dict[Literal["firmware", "log", "publish_firmware"], Progress] = Field(
        {}, description="firmware updates, uploads of logs, and publication of firmware, where it told of one"
    )


class StationList(Model):
    stations: list[Station]
    next: str | None


class NewConnector(Model):
    number: int = Field(ge=1, le=MAX_CONNECTORS)
    type: str = Field("Unknown", min_length=1, max_length=20)
    current: Literal["AC", "DC"] = "AC"
    max_kw: float | None = Field(None, gt=0, le=10_000)


def _numbered(parts: list[Any]) -> list[Any]:
    numbers = [part.number for part in parts]
    if len(set(numbers)) != len(numbers):
        raise ValueError("two have the same number")
    return parts


class NewEvse(Model):
    number: int = Field(ge=1, le=MAX_EVSES)
    connectors: Annotated[list[NewConnector], AfterValidator(_numbered)] = Field(min_length=1)


class NewStation(Model):
    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,48}$")
    evses: Annotated[list[NewEvse], AfterValidator(_numbered)] = Field(min_length=1)


class Provisioned(Model):
    """What a new station or controller needs to connect. The password is shown this once."""

    id: str
    username: str
    password: str
    provisioning: str = Field(description="the lines for its configuration file, colonnina.toml")
    advice: str = Field(description="what a person has still to do; empty for nothing")


# -- sessions ----------------------------------------------------------------------------------------------------------


class NewSession(Model):
    evse: str = Field(description="an EVSE's id or code", max_length=60, examples=["cs-1:1", "7KQ2MA"])
    connector: int | None = Field(None, ge=1, le=MAX_CONNECTORS)
    soc_pct: float | None = Field(
        None, ge=0, le=100, description="how full the battery is, where the vehicle does not tell it itself"
    )


class Session(Model):
    id: str
    transaction_id: str | None
    station: str
    evse: int | None
    connector: int | None
    driver: str | None
    id_token: str | None
    state: State
    created_at: Moment
    started_at: Moment | None
    ended_at: Moment | None
    updated_at: Moment
    start_wh: int | None
    energy_wh: int
    power_w: float | None
    soc_pct: float | None
    soc_source: Literal["measured", "estimated"] | None
    cost: int | None = Field(description="so far, in the currency's minor unit; null without a tariff")
    currency: str | None
    stop_reason: str | None
    complete: bool = Field(description="no event of it is missing")
    flags: list[str] = Field(description="what was odd, such as register_jumped")


class SessionList(Model):
    sessions: list[Session]
    next: str | None


def _split(value: Any) -> Any:
    return value.split(",") if isinstance(value, str) else value


class SessionQuery(Model):
    """Newest first. With `Accept: text/csv` all that match are exported, unless `limit` is given."""

    status: Annotated[list[State] | None, BeforeValidator(_split)] = Field(None, description="states")
    station: str | None = None
    start: AwareDatetime | None = Field(None, alias="from", description="began at this time or later")
    end: AwareDatetime | None = Field(None, alias="to", description="began before this time")
    limit: int | None = Field(None, ge=1, le=500, description="50 when it is not given")
    cursor: int | None = Field(None, ge=1, lt=2**63, description="`next` of the part before")


# -- samples and calls -------------------------------------------------------------------------------------------------


class SampleQuery(Model):
    """measurand: names such as power_w, energy_wh, soc_pct, voltage_l1_v; all that the session has when not given."""

    measurand: Annotated[list[str] | None, BeforeValidator(_split)] = None
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")


class Sample(Model):
    t: Moment
    value: float
    unit: str
    measurand: str


class SampleList(Model):
    samples: list[Sample]


class CallBody(Model):
    """The payload of the OCPP 2.0.1 request: as `{"payload": {...}}`, or bare, since no request has such a field."""

    payload: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, given: Any) -> Any:
        return {"payload": given} if isinstance(given, dict) and given.keys() != {"payload"} else given


class CallOutcome(Model):
    status: Literal["answered", "error", "timeout"]
    response: dict[str, Any] | None = Field(description="OCPP's response; {code, description, details} of an error")


# -- what stations told ------------------------------------------------------------------------------------------------


class PartQuery(Model):
    limit: int | None = Field(None, ge=1, le=1_000, description="100 when it is not given")
    cursor: int | None = Field(None, ge=1, lt=2**63, description="`next` of the part before")


class PlaceQuery(PartQuery):
    component: str | None = Field(None, max_length=50, examples=["EVSE"])
    variable: str | None = Field(None, max_length=50, examples=["Problem"])
    evse: int | None = Field(None, ge=0, le=MAX_EVSES, description="0 for what belongs to no EVSE")


class Place(Model):
    """Where in OCPP's device model, and when the station reported it."""

    component: str
    component_instance: str | None
    evse: int | None
    connector: int | None
    variable: str
    variable_instance: str | None
    at: Moment


class Variable(Place):
    attribute: Literal["Actual", "Target", "MinSet", "MaxSet"]
    value: str | None = Field(description="null for what can only be written, such as a password")
    mutability: Literal["ReadOnly", "WriteOnly", "ReadWrite"]
    persistent: bool
    constant: bool
    data_type: str | None = Field(description="this and what follows: where the station told its characteristics")
    unit: str | None
    min_limit: float | None
    max_limit: float | None
    values: list[str] | None
    supports_monitoring: bool | None


class VariableList(Model):
    variables: list[Variable]
    next: str | None


class Monitor(Place):
    id: int
    type: str = Field(examples=["UpperThreshold"])
    value: float
    severity: int = Field(description="0, danger, to 9, debug")
    transaction_only: bool


class MonitorList(Model):
    monitors: list[Monitor]
    next: str | None


class ProfileQuery(PartQuery):
    evse: int | None = Field(None, ge=0, le=MAX_EVSES, description="0 for those of the whole station")


class Profile(Model):
    id: int
    evse: int | None
    source: str = Field(description="who installed it: CSO, EMS, SO or Other")
    purpose: str
    stack_level: int
    transaction_id: str | None
    profile: dict[str, Any] = Field(description="OCPP's ChargingProfileType")
    at: Moment


class ProfileList(Model):
    profiles: list[Profile]
    next: str | None


class MessageQuery(PartQuery):
    action: Annotated[list[str] | None, BeforeValidator(_split)] = Field(None, examples=[["SecurityEventNotification"]])


class StationMessage(Model):
    at: Moment
    action: str
    payload: Any = Field(description="of the OCPP request")
    text: str | None = Field(description="instead, when it cannot be shown as JSON")


class MessageList(Model):
    messages: list[StationMessage]
    next: str | None


class FrameQuery(PartQuery):
    direction: Literal["in", "out"] | None = Field(None, description="in: from the station")
    kind: Annotated[list[Literal["call", "result", "error", "bad"]] | None, BeforeValidator(_split)] = None
    action: Annotated[list[str] | None, BeforeValidator(_split)] = None
    message_id: str | None = Field(None, max_length=36, description="of a call and its answer")
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")


class LoggedFrame(Model):
    at: Moment
    direction: Literal["in", "out"]
    kind: Literal["call", "result", "error", "bad"] = Field(description="bad: what is no OCPP-J frame")
    action: str | None = Field(description="of answers too, where it is known")
    message_id: str | None
    payload: Any = Field(description="of a call or a result; {code, description, details} of an error")
    text: str | None = Field(description="the frame's text, when it is none or was cut")
    cut: bool = Field(description="it was too long for the log")


class FrameList(Model):
    frames: list[LoggedFrame]
    next: str | None


class DeadLetterQuery(PartQuery):
    station: str | None = Field(None, max_length=48)


class DeadLetter(Model):
    at: Moment
    station: str | None = Field(description="null for one that is not registered: see the topic")
    topic: str
    code: str = Field(description="OCPP's error code")
    why: str
    frame: str = Field(description="all of it, as it came")


class DeadLetterList(Model):
    dead_letters: list[DeadLetter]
    next: str | None


class Refusal(Model):
    station: str | None = Field(description="null for all that are not registered")
    code: str
    count: int
    last_at: Moment
    last_text: str


class RefusalList(Model):
    refusals: list[Refusal]


# -- what people are told ----------------------------------------------------------------------------------------------


def _by_kind(value: Any) -> Any:
    return {"kind": value} if isinstance(value, str) else value


class ChannelChoice(Model):
    """A way to be told, beside in_app, which everybody has. Instead of the object its kind alone will do."""

    kind: str = Field(
        max_length=20,
        examples=["email"],
        description="in_app, email, web_push (browsers that subscribed), apprise (Telegram, ntfy and others by URL)",
    )
    address: str = Field(
        "",
        max_length=500,
        description="an e-mail address, empty for that of the account; an Apprise URL; empty for the others",
    )


class Battery(Model):
    battery_kwh: float | None = Field(None, ge=1, le=2_000, description="how much the vehicle's battery holds")


class PreferencesBody(Model):
    """What is left out stays as it is."""

    soc_threshold_pct: int | None = Field(
        None, ge=1, le=100, description="tell me when the battery comes to this from below; null for never"
    )
    channels: list[Annotated[ChannelChoice, BeforeValidator(_by_kind)]] = Field([], max_length=10)
    language: Literal["en", "it"] = "en"
    vehicle: Battery = Battery(battery_kwh=None)
    station_faults: bool = Field(False, description="for operators: tell me of faults during anybody's session")


class Preferences(Model):
    soc_threshold_pct: int | None
    channels: list[ChannelChoice]
    language: Literal["en", "it"]
    vehicle: Battery
    station_faults: bool


class NotificationDelivery(Model):
    channel: str
    state: Literal["waiting", "delivered", "failed"]
    at: Moment | None = Field(description="when it was delivered, or given up")


class Notification(Model):
    id: str
    at: Moment
    kind: Literal["soc_threshold", "session_ended", "fault"]
    session_id: str | None
    text: str = Field(description="in the language of the preferences")
    delivered: bool = Field(description="by every channel")
    deliveries: list[NotificationDelivery]


class NotificationList(Model):
    notifications: list[Notification]
    next: str | None


class NotificationQuery(Model):
    limit: int | None = Field(None, ge=1, le=200, description="50 when it is not given")
    cursor: int | None = Field(None, ge=1, lt=2**63, description="`next` of the part before")


class PushKey(Model):
    public_key: str = Field(description="`applicationServerKey` of the browser's pushManager.subscribe, base64url")


class PushKeys(Model):
    p256dh: str = Field(max_length=100)
    auth: str = Field(max_length=40)


class NewPushSubscription(Model):
    """What the browser's PushSubscription is as JSON."""

    model_config = ConfigDict(extra="ignore")

    endpoint: str = Field(max_length=1_000)
    keys: PushKeys


class PushSubscriptionMade(Model):
    id: str
