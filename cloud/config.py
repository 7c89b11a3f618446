"""The CSMS's configuration: one TOML file. `docs/how-to/configure-the-csms.md` shows one with every key."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Annotated, Literal

import msgspec

from cloud.limits import Limits
from cloud.local_lists import Tokens
from cloud.notify.config import Notify
from cloud.retention import Retention
from protocol.mqtt import Broker

Port = Annotated[int, msgspec.Meta(ge=1, le=65535)]


class Core(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """data: folder for the databases and the secret key. database: an SQLAlchemy URL; empty for SQLite in `data`.

    heartbeat_s: how often stations shall say that they live, in seconds; one that misses three is taken for offline.
    """

    data: str = "/var/lib/colonnina-csms"
    database: str = ""
    heartbeat_s: Annotated[int, msgspec.Meta(ge=5, le=3600)] = 60


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """host, port: where the web process listens. TLS is for a reverse proxy in front.

    station_broker_host, station_broker_port: the broker as stations find it, for provisioning files; empty and 0 for
    the same as our own. station_broker_ca: the file on the station that has the authorities to trust; empty for no TLS.
    """

    host: str = "127.0.0.1"
    port: Port = 8000
    station_broker_host: str = ""
    station_broker_port: int = 0
    station_broker_ca: str = ""


class Accounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """manager: who makes the broker's accounts when stations and controllers are registered and removed.

    dynamic-security: we do, by Mosquitto's plugin of that name. none: somebody else, by hand or by other means.
    """

    manager: Literal["none", "dynamic-security"] = "none"


class CsmsFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    csms: Core = Core()
    broker: Broker = Broker()
    web: Web = Web()
    limits: Limits = Limits()
    notify: Notify = Notify()
    accounts: Accounts = Accounts()
    tokens: Tokens = Tokens()
    retention: Retention = Retention()

    @property
    def folder(self) -> Path:
        return Path(self.csms.data)

    @property
    def database(self) -> str:
        return self.csms.database or f"sqlite:///{self.folder / 'csms.sqlite'}"

    @property
    def station_broker(self) -> Broker:
        return msgspec.structs.replace(
            self.broker,
            host=self.web.station_broker_host or self.broker.host,
            port=self.web.station_broker_port or self.broker.port,
            ca=self.web.station_broker_ca,
        )

    def secret_key(self) -> str:
        """The key that signs browser sessions: made once, kept in `data`, readable by its owner only."""
        path = self.folder / "secret-key"
        if not path.exists():
            draft = path.with_suffix(f".{os.getpid()}")
            draft.touch(0o600)
            draft.write_text(secrets.token_urlsafe(32))
            try:
                os.link(draft, path)  # whoever is first wins: all processes must use the same key
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text()
