"""What the web needs from the rest of the CSMS, put together by the composition root."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from flask import current_app

from cloud.accounts.manual import ManualAccounts
from cloud.accounts.port import BrokerAccounts
from cloud.accounts.registrar import Registrar
from cloud.commands import Commands
from cloud.notify.config import Notify
from cloud.notify.port import Channel
from cloud.series.port import SeriesStore
from cloud.store.store import Store
from protocol.mqtt import Broker

OK = "ok"


@dataclass(frozen=True)
class Services:
    """store, series, commands: started already. now: the clock.

    heartbeat_s: the interval that stations are told at boot, s. parts: how each part of the system is, "ok" or why
    not. secret_key: signs the browser's session, the same in every web process. station_broker: where stations find
    the broker, for the file that a new one is given; its username and password are not used. accounts: makes accounts
    at the broker. reserved: names at the broker that no station may have. master_pass_group: see cloud.local_lists.
    channels: ways to tell people, by kind. notify: what they may ask of us.
    """

    store: Store
    series: SeriesStore
    commands: Commands
    now: Callable[[], datetime]
    heartbeat_s: int
    parts: Callable[[], Mapping[str, str]]
    secret_key: str
    station_broker: Broker
    accounts: BrokerAccounts = field(default_factory=ManualAccounts)
    reserved: frozenset[str] = frozenset({"csms"})
    master_pass_group: str = ""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    notify: Notify = field(default_factory=Notify)

    @property
    def registrar(self) -> Registrar:
        return Registrar(self.store, self.accounts, self.now, self.reserved)


def services() -> Services:
    """Those of the application that is handling this request."""
    return cast(Services, current_app.extensions["colonnina"])
