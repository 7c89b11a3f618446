"""What the web needs from the rest of the CSMS, put together by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from flask import current_app

from cloud.commands import Commands
from cloud.series.port import SeriesStore
from cloud.store.store import Store
from protocol.mqtt import Broker

OK = "ok"


@dataclass(frozen=True)
class Services:
    """store, series, commands: started already. now: the clock.

    heartbeat_s: the interval that stations are told at boot, s. parts: how each part of the system is, "ok" or why
    not. secret_key: signs the browser's session, the same in every web process. station_broker: where stations find
    the broker, for the file that a new one is given; its username and password are not used.
    """

    store: Store
    series: SeriesStore
    commands: Commands
    now: Callable[[], datetime]
    heartbeat_s: int
    parts: Callable[[], Mapping[str, str]]
    secret_key: str
    station_broker: Broker


def services() -> Services:
    """Those of the application that is handling this request."""
    return cast(Services, current_app.extensions["colonnina"])
