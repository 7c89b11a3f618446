"""The port: one way to tell people. A channel is an entry point of the group `colonnina.notify`; its name is its kind.

A channel is made as `cls(setup)`, in web processes, which only `check` addresses, and in workers, which `send`.
`send` is called on several threads at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from cloud.errors import CloudError
from cloud.notify.config import Notify
from cloud.store.store import Store

#: How long one conversation with a server may take, s. Well below how long an attempt is left alone (delivery.LEASE).
TIMEOUT_S = 10.0


class TemporaryError(CloudError, RuntimeError):
    """It could not be delivered now. after_s: the server says that it is of no use before so many seconds."""

    def __init__(self, text: str, after_s: float | None = None) -> None:
        super().__init__(text)
        self.after_s = after_s


class PermanentError(CloudError, RuntimeError):
    """It will never be delivered there."""


class AddressError(CloudError, ValueError):
    """Not an address that this channel can use, or may. The text is for whoever gave it. field: what is wrong."""

    def __init__(self, text: str, field: str = "address") -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who is told. user: the id. email: of the account. target: where, as the channel's `targets` answered it."""

    user: str
    email: str
    target: str


@dataclass(frozen=True, slots=True)
class Notice:
    """What is told, in the language of the one who is. id: the same in every attempt. session: the session's id.

    delivery: the number of this delivery. attempt: counted from 1.
    """

    id: str
    kind: str
    at: datetime
    session: str
    title: str
    text: str
    delivery: int = 0
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Setup:
    """What channels are made of. publish: tells the live pages: (key, JSON); None in a web process. now: the clock."""

    config: Notify
    store: Store
    now: Callable[[], datetime]
    publish: Callable[[str, bytes], None] | None = None


class Channel(Protocol):
    def check(self, address: str, email: str) -> str:
        """The address as it is kept: "" where the channel needs none of its own.

        email: of the account. Raises AddressError.
        """

    def send(self, notice: Notice, recipient: Recipient) -> None:
        """Deliver it. Returns when it was taken. Raises TemporaryError or PermanentError when it was not."""
