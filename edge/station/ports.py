"""What goes into the machine (events), and what comes out of it (actions)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from edge.station.job_orders import FirmwareProgress, JobAction, LogProgress
from edge.station.kept import Kept
from edge.station.state import Transaction
from edge.station.token_orders import RememberToken, TokenOrder
from edge.station.tokens import IdToken, Known
from hardware.ports import Light, PilotState, Reading

# -- events -----------------------------------------------------------------------------------------------------------


class CardRead(msgspec.Struct, frozen=True):
    """A card was laid on the reader. known: what the station's own lists say of it."""

    id_token: IdToken
    known: Known = Known()


class PlugChanged(msgspec.Struct, frozen=True):
    """A vehicle's plug went in or out."""

    evse: int
    connector: int
    plugged: bool


class PilotChanged(msgspec.Struct, frozen=True):
    """The control pilot of a connector says something else. state: None when it can not be measured any more."""

    evse: int
    connector: int
    state: PilotState | None


class Metered(msgspec.Struct, frozen=True):
    """The meter was read. asked_mono: when it was asked, on the monotonic clock."""

    evse: int
    reading: Reading
    asked_mono: float


class SocRead(msgspec.Struct, frozen=True):
    """The vehicle told its state of charge, %, or that it tells none."""

    evse: int
    soc_pct: float | None


class FaultRaised(msgspec.Struct, frozen=True):
    """Something is wrong with an EVSE. reason: a word, such as MeterSilent."""

    evse: int
    reason: str


class FaultCleared(msgspec.Struct, frozen=True):
    """It is right again."""

    evse: int
    reason: str


class LinkChanged(msgspec.Struct, frozen=True):
    """The link to the CSMS came up or was lost."""

    up: bool


class CallReceived(msgspec.Struct, frozen=True):
    """The CSMS calls. request: typed, as its schema has been checked. listed: tokens in the station's own list."""

    message_id: str
    action: str
    request: Any
    listed: int = 0


class Answered(msgspec.Struct, frozen=True):
    """A call of ours has ended. request: the payload we sent. response: typed; None for an error or no answer."""

    action: str
    request: Mapping[str, Any]
    response: Any


class Restored(msgspec.Struct, frozen=True):
    """What survived a power cut, once, when the station starts. Comes after the plugs are known.

    transactions: (EVSE, transaction) of those that were open.
    """

    kept: Kept
    transactions: tuple[tuple[int, Transaction], ...] = ()


class Tick(msgspec.Struct, frozen=True):
    """Time has passed."""


Event = (
    CardRead
    | PlugChanged
    | PilotChanged
    | Metered
    | SocRead
    | FaultRaised
    | FaultCleared
    | LinkChanged
    | CallReceived
    | Answered
    | Restored
    | LogProgress
    | FirmwareProgress
    | Tick
)

# -- actions ----------------------------------------------------------------------------------------------------------


class Close(msgspec.Struct, frozen=True):
    """Let power through to a connector."""

    evse: int
    connector: int


class Open(msgspec.Struct, frozen=True):
    """Cut the power of a connector."""

    evse: int
    connector: int


class Offer(msgspec.Struct, frozen=True):
    """Tell the vehicle, by the control pilot, what it may draw, A. None: nothing yet, or nothing any more."""

    evse: int
    connector: int
    limit_a: float | None


class Show(msgspec.Struct, frozen=True):
    """Show this on the EVSE's indicator."""

    evse: int
    light: Light


class ReadMeter(msgspec.Struct, frozen=True):
    """Read the EVSE's meter now; do not wait for its turn."""

    evse: int


class Send(msgspec.Struct, frozen=True):
    """Call the CSMS. payload: OCPP's JSON names. durable: it must arrive, however long that takes."""

    action: str
    payload: Mapping[str, Any]
    durable: bool = False


class Reply(msgspec.Struct, frozen=True):
    """Answer a call of the CSMS. payload: OCPP's JSON names."""

    message_id: str
    action: str
    payload: Mapping[str, Any]


class Refuse(msgspec.Struct, frozen=True):
    """Answer a call of the CSMS with CALLERROR."""

    message_id: str
    code: str
    description: str


class Restart(msgspec.Struct, frozen=True):
    """Leave, so that whoever looks after the station starts it anew. reason: BootReasonEnumType of the next start."""

    reason: str


class TellQueue(msgspec.Struct, frozen=True):
    """Answer a GetTransactionStatus, once the outbox was asked. ongoing: whether the transaction is; None: unasked."""

    message_id: str
    action: str
    transaction_id: str | None
    ongoing: bool | None


class Save(msgspec.Struct, frozen=True):
    """Write an EVSE's open transaction to the journal, or that it has none. Before anything else is carried out."""

    evse: int
    transaction: Transaction | None


class SaveKept(msgspec.Struct, frozen=True):
    """Write down what must survive beside the transactions. Before anything else, such as the reply, is carried out."""

    kept: Kept


Action = (
    Close
    | Open
    | Offer
    | Show
    | ReadMeter
    | Send
    | Restart
    | Reply
    | Refuse
    | TellQueue
    | Save
    | SaveKept
    | RememberToken
    | TokenOrder
    | JobAction
)

# -- what the runtime needs besides the devices -----------------------------------------------------------------------


class Item(msgspec.Struct, frozen=True):
    """A call that waits in the outbox. payload: as it was kept, JSON.

    shift_s: what to add to its timestamps, because the wall clock has been set since it was kept.
    """

    key: int
    action: str
    payload: bytes
    attempts: int
    shift_s: float = 0.0


class Outbox(Protocol):
    """Durable memory: calls that must arrive, in order, the open transactions, and what is kept beside them."""

    def commit(self, sends: list[Send], saves: list[Save], kept: Kept | None = None) -> None:
        """Keep all of these at once. When it returns they survive a power cut. kept: None leaves it as it was.

        Never raises because there is no room: the least valuable calls are dropped, and what cannot be written all the
        same is held in memory until it can.
        """

    def flush(self) -> None:
        """Time has passed: write what could not be written before."""

    def head(self) -> Item | None:
        """The call that was kept first, of those that are left."""

    def holds(self, transaction_id: str | None) -> bool:
        """Whether events of this transaction wait to be answered, in flight or not. None: of any transaction."""

    def done(self, key: int) -> None:
        """It was answered: forget it."""

    def failed(self, key: int) -> int:
        """It was refused, but may be accepted later. Answers how often that has happened."""

    def bury(self, key: int, code: str, description: str) -> None:
        """It will never be accepted: move it to the dead letters."""

    def restore(self) -> Restored:
        """The open transactions, and what was kept last beside them."""
