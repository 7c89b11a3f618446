"""What a session costs: a function of its tariff and of its energy and time by the quarter hour, and of nothing else.

All is counted in whole numbers, exactly. It is rounded once: the total, half up, to the currency's minor unit. Each
line of the receipt is the rounded sum up to it less the rounded sum before it, so that the lines add up to the total.
A session that was given no energy costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

from cloud.domain import tariffs
from cloud.domain.quarters import Quarter, began_at
from cloud.domain.tariffs import Agreed, Element, Tariff

#: Prices are whole numbers of this part of a minor unit.
PRICE_SCALE = 10_000
#: 0.01 %, in which taxes are counted.
_WHOLE = 10_000
_MS_PER_MIN = 60_000
_WH_PER_KWH = 1_000
#: The most quarter hours whose prices one tariff remembers.
_REMEMBERED = 10_000


@dataclass(frozen=True, slots=True)
class Item:
    """A line of the receipt. kind: start, energy, charging, idle, minimum or tax.

    quantity: in `unit`, None for a fee. price: for one unit, in minor units; of tax, the percentage. amount: in minor
    units.
    """

    kind: str
    quantity: Decimal | None
    unit: str | None
    price: Decimal
    amount: int


@dataclass(frozen=True, slots=True)
class Cost:
    """total: in minor units, with tax; the sum of the items. tax: how much of it is tax."""

    total: int
    tax: int
    currency: str
    items: tuple[Item, ...]


@dataclass(frozen=True, slots=True)
class _Rates:
    """Prices at some time, in parts of a minor unit."""

    energy: int
    charging: int
    idle: int


@dataclass(frozen=True, slots=True)
class _Exact:
    """A line before it is rounded, in parts of a minor unit per minute of 60,000 ms: a common measure of all lines."""

    kind: str
    quantity: Decimal | None
    unit: str | None
    price: Decimal
    amount: int


class Prices:
    """A tariff made ready to count with."""

    def __init__(self, agreed: Agreed) -> None:
        self._tariff = agreed.tariff
        self._zone = agreed.zone
        self._base = _rates(self._tariff, Element())
        self._elements = [(element, _rates(self._tariff, element)) for element in self._tariff.elements]
        self._known: dict[int, _Rates] = {}

    def cost(self, quarters: Iterable[Quarter]) -> Cost:
        """The cost of a session with this energy and these times."""
        tariff = self._tariff
        lines = self._lines(tuple(quarters))
        tax_parts = round(tariff.tax_pct * _WHOLE / 100)
        scale = PRICE_SCALE * _MS_PER_MIN
        if tax_parts and lines and not tariff.tax_included:
            tax = sum(line.amount for line in lines) * tax_parts
            lines = [_Exact(line.kind, line.quantity, line.unit, line.price, line.amount * _WHOLE) for line in lines]
            lines.append(_Exact("tax", None, None, tariff.tax_pct, tax))
            scale *= _WHOLE
        items, exact, rounded = [], 0, 0
        for line in lines:
            exact += line.amount
            before, rounded = rounded, _half_up(exact, scale)
            items.append(Item(line.kind, line.quantity, line.unit, line.price, rounded - before))
        if tariff.tax_included:
            of_which = rounded - _half_up(rounded * _WHOLE, _WHOLE + tax_parts)
        else:
            of_which = sum(item.amount for item in items if item.kind == "tax")
        return Cost(rounded, of_which, tariff.currency, tuple(items))

    def _lines(self, quarters: tuple[Quarter, ...]) -> list[_Exact]:
        if not any(quarter.energy_wh for quarter in quarters):
            return []
        tariff, grace_ms = self._tariff, self._tariff.idle_grace_min * _MS_PER_MIN
        energy: dict[int, int] = {}
        charging: dict[int, int] = {}
        idle: dict[int, int] = {}
        for quarter in quarters:
            rates = self._at(quarter.number)
            energy[rates.energy] = energy.get(rates.energy, 0) + quarter.energy_wh
            charging[rates.charging] = charging.get(rates.charging, 0) + quarter.charging_ms
            forgiven = min(grace_ms, quarter.idle_ms)
            grace_ms -= forgiven
            idle[rates.idle] = idle.get(rates.idle, 0) + quarter.idle_ms - forgiven
        lines = [_fee("start", tariff.start_fee)]
        for price, wh in energy.items():
            quantity = Decimal(wh) / _WH_PER_KWH
            lines.append(_Exact("energy", quantity, "kWh", _price(price), wh * price * (_MS_PER_MIN // _WH_PER_KWH)))
        for kind, times in (("charging", charging), ("idle", idle)):
            for price, ms in times.items():
                lines.append(_Exact(kind, _minutes(ms), "min", _price(price), ms * price))
        lines = [line for line in lines if line.amount or line.kind == "energy"]
        lacking = _parts(tariff.minimum) * _MS_PER_MIN - sum(line.amount for line in lines)
        if lacking > 0:
            lines.append(_Exact("minimum", None, None, tariff.minimum, lacking))
        return lines

    def _at(self, number: int) -> _Rates:
        if not self._elements:
            return self._base
        known = self._known.get(number)
        if known is None:
            local = tariffs.local(began_at(number), self._zone)
            known = next((rates for element, rates in self._elements if element.applies(local)), self._base)
            if len(self._known) >= _REMEMBERED:
                self._known.clear()
            self._known[number] = known
        return known


@lru_cache(maxsize=1_024)
def prices(agreed: str) -> Prices:
    """Those of a session's tariff, as it is kept with the session."""
    return Prices(tariffs.read(agreed))


def _rates(tariff: Tariff, element: Element) -> _Rates:
    def of(own: Decimal | None, general: Decimal) -> int:
        return _parts(general if own is None else own)

    return _Rates(
        of(element.energy_per_kwh, tariff.energy_per_kwh),
        of(element.charging_per_min, tariff.charging_per_min),
        of(element.idle_per_min, tariff.idle_per_min),
    )


def _fee(kind: str, price: Decimal) -> _Exact:
    return _Exact(kind, None, None, price, _parts(price) * _MS_PER_MIN)


def _parts(price: Decimal) -> int:
    return round(price * PRICE_SCALE)


def _price(parts: int) -> Decimal:
    return Decimal(parts) / PRICE_SCALE


def _minutes(ms: int) -> Decimal:
    return (Decimal(ms) / _MS_PER_MIN).quantize(Decimal("0.01"))


def _half_up(number: int, divisor: int) -> int:
    """number / divisor, rounded; a half up. Neither is negative."""
    return (2 * number + divisor) // (2 * divisor)
