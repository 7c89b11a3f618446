"""The shapes of the API for what charging costs: tariffs, sites, drivers, receipts."""

from __future__ import annotations

import re
from decimal import Decimal
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from cloud.domain.currencies import KNOWN
from cloud.store.sites import time_zones
from cloud.web.api.models import Evse, Model, Moment, Session

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_ID = r"^[A-Za-z0-9_.-]{1,48}$"
_CONTROLS = re.compile(r"[\x00-\x1f\x7f]")


def _line(text: str) -> str:
    if _CONTROLS.search(text):
        raise ValueError("a control character")
    return text.strip()


def _currency(code: str) -> str:
    if code not in KNOWN:
        raise ValueError("not a currency of ISO 4217, such as EUR")
    return code


def _zone(name: str) -> str:
    if name not in time_zones():
        raise ValueError("not a time zone, such as Europe/Rome")
    return name


def _once(days: list[Day]) -> list[Day]:
    if len(set(days)) != len(days):
        raise ValueError("a day is there twice")
    return days


Line = Annotated[str, AfterValidator(_line)]
Name = Annotated[Line, Field(min_length=1, max_length=120)]
Currency = Annotated[str, AfterValidator(_currency), Field(examples=["EUR"])]
Zone = Annotated[str, AfterValidator(_zone), Field(examples=["Europe/Rome"])]
Price = Annotated[
    Decimal,
    Field(
        ge=0,
        le=10_000_000,
        max_digits=12,
        decimal_places=4,
        description="in minor units, such as cents, to four decimals",
        examples=[45],
    ),
]
Clock = Annotated[str, Field(pattern=r"^([01][0-9]|2[0-3]):(00|15|30|45)$", examples=["22:00"])]
Percent = Annotated[Decimal, Field(ge=0, le=100, max_digits=5, decimal_places=2)]
Grace = Annotated[int, Field(ge=0, le=10_000, description="minutes that a vehicle may stay after it has charged")]
TaxIncluded = Annotated[bool, Field(description="whether the prices have the tax in them; if not, it is added")]

# -- tariffs -----------------------------------------------------------------------------------------------------------


class NewElement(Model):
    """Other prices at some hours; the tariff's own where none is given. The first that applies counts.

    `from` and `to` are by the clock at the site, whole quarter hours; the same for the whole day. Where `to` is
    earlier, the hours are over midnight, and belong to the day on which they begin.
    """

    days: Annotated[list[Day], AfterValidator(_once)] = Field([], max_length=7, description="none: every day")
    start: Clock = Field("00:00", alias="from")
    end: Clock = Field("00:00", alias="to")
    energy_per_kwh: Price | None = None
    charging_per_min: Price | None = None
    idle_per_min: Price | None = None


Elements = Annotated[list[NewElement], Field(max_length=100)]


class NewTariff(Model):
    id: str | None = Field(None, pattern=_ID, description="made when it is not given")
    name: Name
    currency: Currency
    energy_per_kwh: Price = Decimal(0)
    charging_per_min: Price = Decimal(0)
    idle_per_min: Price = Decimal(0)
    idle_grace_min: Grace = 0
    start_fee: Price = Decimal(0)
    minimum: Price = Decimal(0)
    tax_pct: Percent = Decimal(0)
    tax_included: TaxIncluded = True
    elements: Elements = Field([])
    default: bool = Field(False, description="in force where no site, station or EVSE has a tariff of its own")


class TariffChange(Model):
    """What is not given, or null, stays. Sessions that have begun keep the prices that they began with."""

    name: Name | None = None
    currency: Currency | None = None
    energy_per_kwh: Price | None = None
    charging_per_min: Price | None = None
    idle_per_min: Price | None = None
    idle_grace_min: Grace | None = None
    start_fee: Price | None = None
    minimum: Price | None = None
    tax_pct: Percent | None = None
    tax_included: TaxIncluded | None = None
    elements: Elements | None = None
    default: bool | None = None


class Element(Model):
    days: list[Day]
    start: str = Field(alias="from")
    end: str = Field(alias="to")
    energy_per_kwh: float | None
    charging_per_min: float | None
    idle_per_min: float | None


class Prices(Model):
    """In minor units of the currency."""

    energy_per_kwh: float
    charging_per_min: float
    idle_per_min: float


class _Content(Prices):
    currency: str
    idle_grace_min: int
    start_fee: float
    minimum: float
    tax_pct: float
    tax_included: bool
    elements: list[Element]
    text: str = Field(description="in words", examples=["0.45 EUR/kWh, 0.50 EUR to start; 22 % tax included"])


class Tariff(_Content):
    id: str
    name: str
    version: int
    since: Moment = Field(description="since when it is this")
    created_at: Moment
    default: bool


class TariffList(Model):
    tariffs: list[Tariff]
    next: str | None


class AgreedTariff(_Content):
    """A tariff as it was when the session began."""

    id: str
    name: str
    version: int
    time_zone: str


class OfferedTariff(AgreedTariff):
    """A tariff before starting."""

    now: Prices


class EvseOffer(Evse):
    """station, online, since and site are the station's. tariff: null where charging costs nothing."""

    station: str
    online: bool
    since: Moment | None
    site: str | None
    tariff: OfferedTariff | None


class EvseChange(Model):
    tariff: str | None = Field(max_length=48, description="null for that of its station")


class EvseTariff(Model):
    id: str
    tariff: str | None


class StationChange(Model):
    """Only what is given is changed."""

    site: str | None = Field(None, max_length=48, description="null for none")
    tariff: str | None = Field(None, max_length=48, description="null for that of its site")


class StationPlace(Model):
    id: str
    site: str | None
    tariff: str | None = Field(description="its own; null for that of its site")


# -- receipts ----------------------------------------------------------------------------------------------------------


class CostItem(Model):
    kind: Literal["start", "energy", "charging", "idle", "minimum", "tax"]
    quantity: float | None = Field(description="null for a fee")
    unit: Literal["kWh", "min"] | None
    price: float = Field(description="for one unit, in minor units; of tax, the percentage")
    amount: int = Field(description="in minor units")


class SessionReceipt(Session):
    """A session with what it costs, line by line."""

    tariff: AgreedTariff | None
    cost_tax: int | None = Field(description="how much of the cost is tax")
    cost_items: list[CostItem] = Field(description="their amounts add up to the cost")


class SessionChange(Model):
    soc_pct: float = Field(ge=0, le=100, description="how full the battery is now, where the vehicle does not tell")


# -- sites -------------------------------------------------------------------------------------------------------------

Latitude = Annotated[float, Field(ge=-90, le=90)]
Longitude = Annotated[float, Field(ge=-180, le=180)]
Address = Annotated[Line, Field(max_length=300)]


class _Placed(Model):
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    tariff: str | None = Field(None, max_length=48, description="of its stations; null for the default one")
    stations: Annotated[list[str], Field(max_length=1_000, description="these are at this site")] | None = None


class NewSite(_Placed):
    id: str | None = Field(None, pattern=_ID, description="made when it is not given")
    name: Name
    address: Address = ""
    time_zone: Zone = "UTC"

    @model_validator(mode="after")
    def _both(self) -> Self:
        if (self.latitude is None) != (self.longitude is None):
            raise ValueError("latitude and longitude come together")
        return self


class SiteChange(_Placed):
    """Only what is given is changed; null takes coordinates or the tariff away."""

    name: Name | None = None
    address: Address | None = None
    time_zone: Zone | None = None


class Site(Model):
    id: str
    name: str
    address: str
    latitude: float | None
    longitude: float | None
    time_zone: str = Field(description="by its clock go the times of day in tariffs")
    tariff: str | None
    stations: list[str]


class SiteList(Model):
    sites: list[Site]
    next: str | None


# -- drivers -----------------------------------------------------------------------------------------------------------


def _email(text: str) -> str:
    if not re.fullmatch(r"[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+", text):
        raise ValueError("not an e-mail address")
    return text.lower()


class DriverToken(Model):
    id_token: str = Field(min_length=1, max_length=60, examples=["04A1B2C3D4E5F6"])
    type: Literal["ISO14443", "ISO15693", "KeyCode", "Central", "eMAID", "MacAddress"] = "ISO14443"


class NewDriver(Model):
    email: Annotated[str, AfterValidator(_email)] = Field(max_length=254)
    name: Annotated[Line, Field(max_length=120)] = ""
    password: str | None = Field(None, min_length=8, max_length=1024, description="made when it is not given")
    id_tokens: list[DriverToken] = Field([], max_length=100)


class Driver(Model):
    id: str
    email: str
    name: str
    created_at: Moment
    id_tokens: list[DriverToken]


class DriverAdded(Driver):
    password: str | None = Field(description="shown this once, when we made it")


class DriverList(Model):
    drivers: list[Driver]
    next: str | None


class KeyQuery(Model):
    limit: int | None = Field(None, ge=1, le=500, description="100 when it is not given")
    cursor: str | None = Field(None, max_length=60, description="`next` of the part before")


def next_of(rows: list[dict[str, Any]], limit: int) -> tuple[list[dict[str, Any]], str | None]:
    """The first `limit` of the rows, and the cursor of the part after them where there is one."""
    part = rows[:limit]
    return part, part[-1]["id"] if len(rows) > limit else None
