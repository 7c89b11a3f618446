"""Accounts that somebody else makes: by hand, or by a broker that has a management of its own."""

from __future__ import annotations

from cloud.accounts.port import Account, Kind


class ManualAccounts:
    """Does nothing, and says what is to be done."""

    @property
    def advice(self) -> str:
        return (
            "This CSMS does not manage the broker's accounts ([accounts] manager in its configuration). Make or remove"
            " the account of this name there, with rights for its own topics only."
        )

    def start(self) -> None:
        pass

    def stop(self) -> None:
        pass

    def put(self, account: Account, password: str) -> None:
        pass

    def allow(self, account: Account) -> None:
        pass

    def remove(self, name: str, kind: Kind) -> None:
        pass

    def found(self) -> dict[str, Kind] | None:
        return None
