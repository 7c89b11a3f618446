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


class StationList(Model):
    stations: list[Station]
    next: str | None


class EvseWithStation(Evse):
    """station, online, since and site are the station's. tariff: null until there are tariffs."""

    station: str
    online: bool
    since: Moment | None
    site: str | None
    tariff: None


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
    """What a new station needs to connect. The password is shown this once."""

    id: str
    username: str
    password: str
    provisioning: str = Field(description="the lines for the station's configuration file, TOML")


# -- sessions ----------------------------------------------------------------------------------------------------------


class NewSession(Model):
    evse: str = Field(description="an EVSE's id or code", max_length=60, examples=["cs-1:1", "7KQ2MA"])
    connector: int | None = Field(None, ge=1, le=MAX_CONNECTORS)


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
    soc_source: str | None
    cost: int | None = Field(description="in the currency's minor unit")
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
    cursor: int | None = Field(None, ge=1, description="`next` of the part before")


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
