"""Tariffs and costs as the API shows them."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from sqlalchemy import Row

from cloud.domain import tariffs
from cloud.domain.cost import prices
from cloud.domain.tariffs import DAYS, Agreed, Element, Tariff, clock, describe
from cloud.present import Json, time
from cloud.store import books
from cloud.store.tariffs import Listed


def number(value: Decimal | None) -> int | float | None:
    """A price as JSON writes it best."""
    if value is None:
        return None
    return int(value) if value == value.to_integral_value() else float(value)


def tariff(content: Tariff) -> Json:
    """What is the same wherever a tariff is shown."""
    return {
        "currency": content.currency,
        **_prices(content),
        "idle_grace_min": content.idle_grace_min,
        "start_fee": number(content.start_fee),
        "minimum": number(content.minimum),
        "tax_pct": number(content.tax_pct),
        "tax_included": content.tax_included,
        "elements": [
            {
                "days": [DAYS[day] for day in element.days],
                "from": clock(element.from_min),
                "to": clock(element.to_min),
                **_prices(element),
            }
            for element in content.elements
        ],
        "text": describe(content),
    }


def listed(one: Listed) -> Json:
    """A tariff for those who keep it."""
    about = {"id": one.id, "name": one.name, "version": one.version, "default": one.is_default}
    return {**about, "since": time(one.since), "created_at": time(one.created_at), **tariff(one.tariff)}


def offer(agreed: Agreed, now: datetime) -> Json:
    """A tariff for whoever is about to charge. `now`: the prices of this moment."""
    return {**_agreed(agreed), "now": _prices_now(agreed, now)}


def of_session(row: Row[Any]) -> Json:
    """What a receipt shows of a session beside `present.session`. row: of the sessions table."""
    if row.tariff is None:
        return {"tariff": None, "cost_tax": None, "cost_items": []}
    quarters = books.quarters(row)
    cost = prices(row.tariff).cost(quarters)
    items = [
        {
            "kind": item.kind,
            "quantity": number(item.quantity),
            "unit": item.unit,
            "price": number(item.price),
            "amount": item.amount,
        }
        for item in cost.items
    ]
    return {"tariff": _agreed(tariffs.read(row.tariff)), "cost_tax": cost.tax, "cost_items": items}


def _agreed(agreed: Agreed) -> Json:
    about = {"id": agreed.id, "name": agreed.name, "version": agreed.version, "time_zone": agreed.zone}
    return {**about, **tariff(agreed.tariff)}


def _prices(of: Tariff | Element) -> Json:
    return {
        "energy_per_kwh": number(of.energy_per_kwh),
        "charging_per_min": number(of.charging_per_min),
        "idle_per_min": number(of.idle_per_min),
    }


def _prices_now(agreed: Agreed, now: datetime) -> Json:
    local = tariffs.local(now, agreed.zone)
    element = next((one for one in agreed.tariff.elements if one.applies(local)), Element())
    return {
        name: price if price is not None else _prices(agreed.tariff)[name] for name, price in _prices(element).items()
    }
