"""Fills a new CSMS with what the demo needs: accounts, cards, stations. What is there already stays as it is."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

from cloud.config import CsmsFile
from cloud.errors import ConflictError
from cloud.store import registry
from cloud.store.store import Store
from deploy.local.plan import CARDS, PASSWORD, DemoStation
from protocol import settings

USERS = {
    "operator@demo.test": ("operator", "Olivia Operator"),
    "admin@demo.test": ("admin", "Ada Admin"),
    "driver@demo.test": ("driver", "Dario Driver"),
    "giulia@demo.test": ("driver", "Giulia"),
    "marco@demo.test": ("driver", "Marco"),
    "sara@demo.test": ("driver", "Sara"),
}


def seed(csms_file: Path, stations: list[DemoStation], now: datetime) -> None:
    """csms_file: the CSMS's configuration. stations: those that the demo runs."""
    config = settings.load(csms_file, CsmsFile)
    config.folder.mkdir(parents=True, exist_ok=True)
    store = Store(config.database)
    store.start()
    with store.write() as connection:
        for email, (role, name) in USERS.items():
            with contextlib.suppress(ConflictError):
                registry.add_user(connection, email, PASSWORD, role, now, name=name)
        for uid, email in CARDS.items():
            registry.add_card(connection, uid, email)
        for station in stations:
            with contextlib.suppress(ConflictError):
                registry.add_station(connection, station.id, station.specs, now)
    store.stop()
