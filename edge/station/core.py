"""One station without its devices: the machine, the calls on their way, and the memory that survives.

Whoever has the devices - `runtime.py` on a Pi, `edge/fleet/` for thousands of stations in one process - feeds it
events and frames, and lends it `Hands`. Power is cut first of all, then what must survive is written down, and only
then is power let through or anything sent.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Protocol

import msgspec
import structlog

from edge.station import machine
from edge.station.job_orders import CancelFirmware, ConfirmFirmware, FetchFirmware, InstallFirmware, Jobs, UploadLog
from edge.station.ports import (
    Action,
    CallReceived,
    CardRead,
    Close,
    Event,
    LinkChanged,
    Offer,
    Open,
    Outbox,
    ReadMeter,
    Refuse,
    Reply,
    Restart,
    Save,
    SaveKept,
    Send,
    Show,
    TellQueue,
    Tick,
)
from edge.station.pump import Pump
from edge.station.state import Now, Station
from edge.station.token_orders import ClearTokenCache, RememberToken, TellListVersion, UpdateLocalList, answer
from edge.station.tokens import TokenMemory
from hardware.ports import Light
from protocol.envelope import Call, CallError, CallResult, Frame, decode, encode
from protocol.errors import ProtocolError
from protocol.messages import Sender, Version, make_response, read_request

log = structlog.get_logger(__name__)


class Transport(Protocol):
    """Carries frames to the CSMS. A frame may be lost; who needs an answer asks again."""

    def send(self, frame: bytes) -> None: ...


class Hands(Protocol):
    """What the core has done at the site."""

    def switch(self, evse: int, connector: int, *, on: bool) -> None:
        """Let power through to a connector, or cut it."""

    def offer(self, evse: int, connector: int, limit_a: float | None) -> None:
        """Tell the vehicle by the control pilot what it may draw, A; None: nothing."""

    def show(self, evse: int, light: Light) -> None:
        """Show this on the EVSE's indicator."""

    def read_meter(self, evse: int) -> None:
        """Read the EVSE's meter now; do not wait for its turn. The reading comes as an event."""

    def restart(self, reason: str) -> None:
        """Leave, so that whoever looks after the station starts it anew."""


class Core:
    """station: as `machine.initial` made it. clock: the time, on both clocks. new_id: makes message ids.

    told_time: hears what time it is at the CSMS, and when it was asked on the monotonic clock.
    """

    def __init__(
        self,
        station: Station,
        hands: Hands,
        outbox: Outbox,
        tokens: TokenMemory,
        transport: Transport,
        clock: Callable[[], Now],
        new_id: Callable[[], str],
        jobs: Jobs | None = None,
        told_time: Callable[[datetime, float], None] | None = None,
    ) -> None:
        self.station = station
        self._hands = hands
        self._outbox = outbox
        self._tokens = tokens
        self._transport = transport
        self._clock = clock
        self._jobs = jobs
        self._told_time = told_time
        self._pump = Pump(outbox, new_id, station.settings)

    def restore(self) -> None:
        """Take up what survived. Comes after the plugs are known."""
        restored = self._outbox.restore()
        for evse, transaction in restored.transactions:
            log.info("an open transaction is taken up again", evse=evse, transaction=transaction.id)
        self._step(restored)

    def take(self, event: Event) -> None:
        """Something happened."""
        self._step(event)
        if isinstance(event, LinkChanged) and not event.up:
            for answered in self._pump.link_lost():
                self._step(answered)
        self._go_on()

    def frame(self, data: bytes) -> None:
        """A frame came from the CSMS."""
        self._read(data)
        self._go_on()

    def tick(self) -> None:
        """Time has passed: `wake_mono` was reached, say."""
        self.take(Tick())

    def wake_mono(self) -> float | None:
        """When `tick` is wanted though nothing happens, on the monotonic clock; None for never."""
        wakes = [machine.wake_mono(self.station), self._pump.wake_mono()]
        return min((at for at in wakes if at is not None), default=None)

    @property
    def waits(self) -> bool:
        """Whether a call waits for the CSMS's answer."""
        return self._pump.waits

    def _go_on(self) -> None:
        self._outbox.flush()
        now = self._clock()
        overdue = self._pump.expire(now.mono)
        if overdue is not None:
            self._step(overdue)
        if self.station.online:
            frame = self._pump.next(now.mono, booted=self.station.booted)
            if frame is not None:
                self._transport.send(frame)

    def _step(self, event: Event) -> None:
        if isinstance(event, CardRead):
            known = self._tokens.lookup(event.id_token.id_token, event.id_token.type)
            event = msgspec.structs.replace(event, known=known)
        if isinstance(event, CallReceived):
            event = msgspec.structs.replace(event, listed=self._tokens.list_entries)
        self.station, actions = machine.step(self.station, event, self._clock())
        self._pump.settings = self.station.settings
        self._carry_out(actions)

    def _carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            if isinstance(action, Open):
                self._hands.switch(action.evse, action.connector, on=False)
            elif isinstance(action, Offer) and action.limit_a is None:
                self._hands.offer(action.evse, action.connector, None)
        sends = [action for action in actions if isinstance(action, Send) and action.durable]
        saves = [action for action in actions if isinstance(action, Save)]
        kept = next((action.kept for action in actions if isinstance(action, SaveKept)), None)
        if sends or saves or kept is not None:
            self._outbox.commit(sends, saves, kept)
        for action in actions:
            self._carry_out_one(action)

    def _carry_out_one(self, action: Action) -> None:
        match action:
            case Close():
                self._hands.switch(action.evse, action.connector, on=True)
            case Offer() if action.limit_a is not None:
                self._hands.offer(action.evse, action.connector, action.limit_a)
            case UploadLog() | FetchFirmware() | CancelFirmware() | InstallFirmware() | ConfirmFirmware():
                assert self._jobs is not None, "a station without jobs refuses them (JobRules)"
                self._jobs.order(action)
            case Restart():
                self._hands.restart(action.reason)
            case Show():
                self._hands.show(action.evse, action.light)
            case ReadMeter():
                self._hands.read_meter(action.evse)
            case Send() if not action.durable:
                self._pump.push(action)
            case Reply():
                self._reply(action)
            case Refuse():
                self._transport.send(encode(CallError(action.message_id, action.code, action.description)))
            case RememberToken():
                self._tokens.remember(action.id_token.id_token, action.id_token.type, action.info, self._clock().utc)
            case UpdateLocalList() | TellListVersion() | ClearTokenCache():
                self._reply(Reply(action.message_id, action.action, answer(action, self._tokens, self.station.rules)))
            case TellQueue():
                ongoing = {} if action.ongoing is None else {"ongoingIndicator": action.ongoing}
                queued = {"messagesInQueue": self._outbox.holds(action.transaction_id)}
                self._reply(Reply(action.message_id, action.action, {**ongoing, **queued}))
            case _:
                pass  # Open, Save, SaveKept and durable Send are done

    def _reply(self, reply: Reply) -> None:
        response = make_response(Version.V201, reply.action, reply.payload)
        self._transport.send(encode(CallResult(reply.message_id, response)))

    def _read(self, data: bytes) -> None:
        frame: Frame | None = None
        try:
            frame = decode(data)
            if isinstance(frame, Call):
                request = read_request(Version.V201, frame, Sender.CSMS)
                self._step(CallReceived(frame.message_id, frame.action, request))
                return
        except ProtocolError as error:
            log.warning("refused", code=error.code, why=error.description)
            if frame is None or isinstance(frame, Call):
                message_id = error.message_id if frame is None else frame.message_id
                self._transport.send(encode(CallError(message_id, error.code, error.description)))
            return
        asked_mono = self._pump.sent_mono
        answered = self._pump.answer(frame, self._clock().mono)
        if answered is None:
            return
        told = getattr(answered.response, "current_time", None)  # of BootNotification and Heartbeat (B01, G02)
        if told is not None and asked_mono is not None and self._told_time is not None:
            self._told_time(told, asked_mono)
        self._step(answered)
