"""Fills a new CSMS with what the demo needs: accounts, cards, a site, a tariff, stations.

What is there already stays as it is.
"""

from __future__ import annotations

import contextlib
import json
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, select

from cloud.accounts.registrar import note_made
from cloud.config import CsmsFile
from cloud.domain.tariffs import Element, Tariff
from cloud.errors import ConflictError
from cloud.store import registry, sites, tariffs
from cloud.store.store import Store, new_id
from cloud.store.tables import preferences, push_subscriptions, users
from cloud.store.upsert import insert_into
from deploy.local.letterbox import NTFY_TOPIC, PUSH, browser_of
from deploy.local.plan import CARDS, HOST, PASSWORD, DemoStation, Plan
from protocol import settings

USERS = {
    "operator@demo.test": ("operator", "Olivia Operator"),
    "admin@demo.test": ("admin", "Ada Admin"),
    "driver@demo.test": ("driver", "Dario Driver"),
    "giulia@demo.test": ("driver", "Giulia"),
    "marco@demo.test": ("driver", "Marco"),
    "sara@demo.test": ("driver", "Sara"),
}

SITE = "demo"
TARIFF = Tariff(
    "EUR",
    energy_per_kwh=Decimal(45),
    idle_per_min=Decimal(5),
    idle_grace_min=15,
    start_fee=Decimal(30),
    tax_pct=Decimal(22),
    elements=(Element(from_min=22 * 60, to_min=6 * 60, energy_per_kwh=Decimal(29)),),
)


def seed(plan: Plan, stations: list[DemoStation], now: datetime) -> None:
    """plan: its configuration of the CSMS is written already. stations: those that the demo runs."""
    config = settings.load(plan.csms_file, CsmsFile)
    config.folder.mkdir(parents=True, exist_ok=True)
    store = Store(config.database)
    store.start()
    with store.write() as connection:
        for email, (role, name) in USERS.items():
            with contextlib.suppress(ConflictError):
                registry.add_user(connection, email, PASSWORD, role, now, name=name)
        for uid, email in CARDS.items():
            registry.add_card(connection, uid, email)
        _add_prices(connection, now)
        for station in stations:
            with contextlib.suppress(ConflictError):
                registry.add_station(connection, station.id, station.specs, now)
                sites.put_station(connection, station.id, SITE)
            note_made(connection, station.id, "station", now)  # the broker starts with these accounts
        _add_preferences(connection, plan, now)
    store.stop()


def _add_preferences(connection: Connection, plan: Plan, now: datetime) -> None:
    """driver@demo.test wants to know at 80 %: on the page, by e-mail, in a browser, and by ntfy through Apprise."""
    ntfy = f"ntfy://{HOST}:{plan.letterbox_port}/{NTFY_TOPIC}"
    channels = [{"kind": "email"}, {"kind": "web_push"}, {"kind": "apprise", "address": ntfy}]
    user = connection.execute(select(users.c.id).where(users.c.email == "driver@demo.test")).scalar_one()
    chosen = insert_into(connection, preferences).values(
        user=user, soc_threshold_pct=80, battery_kwh=58.0, channels=json.dumps(channels).encode()
    )
    connection.execute(chosen.on_conflict_do_nothing())
    browser = browser_of(plan)
    endpoint = f"http://{HOST}:{plan.letterbox_port}{PUSH}"
    row = {"id": new_id(now), "user": user, "endpoint": endpoint, "created_at": now}
    subscribed = insert_into(connection, push_subscriptions).values(**row, p256dh=browser.p256dh, auth=browser.auth)
    connection.execute(subscribed.on_conflict_do_nothing())


def _add_prices(connection: Connection, now: datetime) -> None:
    """A site, and a tariff that is in force there."""
    with contextlib.suppress(ConflictError):
        about = {"name": "Demo car park", "address": "Piazza del Duomo, Milano", "time_zone": "Europe/Rome"}
        sites.add(connection, SITE, now, latitude=45.4641, longitude=9.1919, **about)
    with contextlib.suppress(ConflictError):
        tariffs.create(connection, "demo", "Day and night", TARIFF, now)
        tariffs.place(connection, tariffs.SITE, SITE, "demo", now)
