"""What charging costs by kWh, by time and by the hour of the day. `cost.py` says what a session costs by it.

Prices are in minor units of the currency (cents), and may be fractions of one, to four digits.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from cloud.domain.currencies import words

NOTHING = Decimal(0)
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
#: Times of day in a tariff are whole quarter hours, in minutes: see quarters.py.
STEP_MIN = 15
DAY_MIN = 24 * 60


class Element(msgspec.Struct, frozen=True, omit_defaults=True):
    """Other prices at some hours. days: 0 for Monday; empty for every day. A price that is None is the tariff's own.

    from_min, to_min: minutes since midnight, by the clock at the station; equal for the whole day. Where `to_min` is
    the lesser it is over midnight, and the day is that on which it begins.
    """

    days: tuple[int, ...] = ()
    from_min: int = 0
    to_min: int = 0
    energy_per_kwh: Decimal | None = None
    charging_per_min: Decimal | None = None
    idle_per_min: Decimal | None = None

    def applies(self, local: datetime) -> bool:
        """Whether it does at that time, which is the station's own."""
        minute, day = local.hour * 60 + local.minute, local.weekday()
        if self.from_min < self.to_min:
            within = self.from_min <= minute < self.to_min
        elif self.from_min == self.to_min:
            within = True
        else:
            within = minute >= self.from_min or minute < self.to_min
            if minute < self.to_min:
                day = (day - 1) % 7
        return within and (not self.days or day in self.days)


class Tariff(msgspec.Struct, frozen=True, omit_defaults=True):
    """Prices. elements: the first that applies counts; where none does, the tariff's own prices.

    idle_per_min: for a vehicle that has charged and stays plugged in, after `idle_grace_min`. start_fee: once.
    minimum: the least that a session costs. tax_pct: in prices already where tax_included, else added to them.
    """

    currency: str
    energy_per_kwh: Decimal = NOTHING
    charging_per_min: Decimal = NOTHING
    idle_per_min: Decimal = NOTHING
    idle_grace_min: int = 0
    start_fee: Decimal = NOTHING
    minimum: Decimal = NOTHING
    tax_pct: Decimal = NOTHING
    tax_included: bool = True
    elements: tuple[Element, ...] = ()


class Agreed(msgspec.Struct, frozen=True, omit_defaults=True):
    """The tariff of a session, as it was in force when it began: kept with the session. zone: the station's, IANA."""

    id: str
    version: int
    name: str
    zone: str
    tariff: Tariff


_decode = msgspec.json.Decoder(Agreed).decode


def write(agreed: Agreed) -> str:
    """As it is kept with a session."""
    return msgspec.json.encode(agreed).decode()


@lru_cache(maxsize=1_024)
def read(text: str) -> Agreed:
    """What `write` wrote. Many sessions have the same."""
    return _decode(text)


def local(at: datetime, zone: str) -> datetime:
    """A time by the clock in that zone."""
    return at.astimezone(_zone(zone))


@lru_cache(maxsize=1_024)
def _zone(zone: str) -> ZoneInfo:
    return ZoneInfo(zone)


def describe(tariff: Tariff) -> str:
    """In words: `0.45 EUR/kWh, 0.50 EUR to start`, the hours with other prices after semicolons."""
    parts = _prices(tariff, tariff.energy_per_kwh, tariff.charging_per_min, tariff.idle_per_min)
    if tariff.start_fee:
        parts.append(f"{words(tariff.start_fee, tariff.currency)} to start")
    if tariff.minimum:
        parts.append(f"at least {words(tariff.minimum, tariff.currency)}")
    texts = [", ".join(parts) or "free of charge"]
    for element in tariff.elements:
        other = _prices(tariff, element.energy_per_kwh, element.charging_per_min, element.idle_per_min, always=True)
        texts.append(f"{_hours(element)}: {', '.join(other) or 'the same'}")
    if tariff.tax_pct:
        relation = "included" if tariff.tax_included else "to be added"
        texts.append(f"{tariff.tax_pct.normalize():f} % tax {relation}")
    return "; ".join(texts)


def _prices(
    tariff: Tariff, energy: Decimal | None, charging: Decimal | None, idle: Decimal | None, *, always: bool = False
) -> list[str]:
    grace = f" after {tariff.idle_grace_min} min" if tariff.idle_grace_min else ""
    wanted = ((energy, "/kWh", ""), (charging, "/min", " of charging"), (idle, "/min", f" when done{grace}"))
    return [
        words(price, tariff.currency) + unit + when
        for price, unit, when in wanted
        if price is not None and (price or always)
    ]


def _hours(element: Element) -> str:
    days = " ".join(DAYS[day].capitalize() for day in element.days)
    if element.from_min == element.to_min:
        return days or "always"
    return f"{days} {clock(element.from_min)} to {clock(element.to_min)}".lstrip()


def clock(minute: int) -> str:
    """Minutes since midnight as `HH:MM`."""
    return f"{minute // 60:02d}:{minute % 60:02d}"
