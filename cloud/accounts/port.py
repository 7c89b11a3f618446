"""What a manager of the broker's accounts is to the CSMS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol

from cloud.errors import CloudError

Kind = Literal["station", "controller"]


class AccountError(CloudError, OSError):
    """The broker did not do what it was asked. It may later."""


class ForeignAccountError(AccountError):
    """The broker has an account of that name which is not one of ours."""


@dataclass(frozen=True, slots=True)
class Account:
    """One account. topics: filters; it may publish and read there, and nowhere else."""

    name: str
    kind: Kind
    topics: tuple[str, ...]


def station_account(station: str) -> Account:
    return Account(station, "station", (f"cs/{station}/#",))


def controller_account(controller: str, stations: tuple[str, ...] = ()) -> Account:
    """A Local Controller speaks for itself and for the stations behind it."""
    return Account(controller, "controller", (f"lc/{controller}/#", *(f"cs/{station}/#" for station in stations)))


class BrokerAccounts(Protocol):
    @property
    def advice(self) -> str:
        """What a person has to do when an account was made or removed; empty for nothing."""

    def start(self) -> None: ...

    def stop(self) -> None: ...

    def put(self, account: Account, password: str) -> None:
        """Make an account, or make it anew: its links are cut. Raises AccountError, ForeignAccountError."""

    def allow(self, account: Account) -> None:
        """Change what an account may do. Raises AccountError."""

    def remove(self, name: str, kind: Kind) -> None:
        """Remove an account of ours and cut its links; nothing where there is none. Raises AccountError."""

    def found(self) -> dict[str, Kind] | None:
        """The accounts of ours that the broker has; None where nobody can know. Raises AccountError."""
