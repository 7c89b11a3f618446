"""Calls on their way to the CSMS: one in flight, drivers who wait before the backlog, the backlog in order.

The backlog never presses: what is not answered, or refused for a reason that may pass, is tried again after a pause
that grows (OCPP 2.0.1, E13). What is refused for good goes to the dead letters at once.

No thread, no socket, no clock: `next` gives the frame to send, `answer` and `expire` take what became of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from edge.station.ports import Answered, Item, Outbox, Send
from edge.station.state import Settings
from edge.station.timestamps import shifted
from protocol.envelope import Call, CallError, CallResult, encode
from protocol.errors import ProtocolError
from protocol.messages import Version, make_request, read_response

log = structlog.get_logger(__name__)

#: Refusals of the message itself: it would be refused again. Any other says nothing about it that we understand.
_FINAL = frozenset(
    {
        "FormatViolation",
        "FormationViolation",
        "MessageTypeNotSupported",
        "NotImplemented",
        "NotSupported",
        "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation",
        "PropertyConstraintViolation",
        "ProtocolError",
        "TypeConstraintViolation",
    }
)
#: A refusal of whoever sends, such as a station that is not registered (yet): no message is to blame for it.
_OF_THE_SENDER = "SecurityError"
#: No pause is longer, s.
LONGEST_REST_S = 600.0
#: Calls that need not arrive and are waiting, at most; the oldest goes.
MAX_WAITING = 100

_read_payload = msgspec.json.Decoder(dict[str, Any]).decode


class _Flight(msgspec.Struct):
    message_id: str
    action: str
    request: Mapping[str, Any]
    key: int | None
    sent_mono: float
    deadline_mono: float


class Pump:
    """new_id: makes message ids. settings: may be replaced by others at any time."""

    def __init__(self, outbox: Outbox, new_id: Callable[[], str], settings: Settings) -> None:
        self.settings = settings
        self._outbox = outbox
        self._new_id = new_id
        self._waiting: deque[Send] = deque(maxlen=MAX_WAITING)
        self._flight: _Flight | None = None
        self._late: _Flight | None = None  # the call of the outbox that was overdue last
        self._in_vain = 0  # how often in a row nobody has answered, or the sender was refused
        self._rest_until = 0.0

    @property
    def waits(self) -> bool:
        """Whether a call is in flight."""
        return self._flight is not None

    @property
    def sent_mono(self) -> float | None:
        """When the call in flight was sent. None: there is none."""
        return None if self._flight is None else self._flight.sent_mono

    def push(self, send: Send) -> None:
        """A call that need not arrive. One that must goes through the outbox."""
        self._waiting.append(send)

    def next(self, mono: float, *, booted: bool) -> bytes | None:
        """The frame to send now, if any. booted: before that, a station sends nothing of its own (OCPP B01 to B03)."""
        if self._flight is not None:
            return None
        if self._waiting:
            send = self._waiting.popleft()
            return self._fly(send.action, send.payload, None, mono)
        if not booted or mono < self._rest_until:
            return None
        self._rest_until = 0.0
        while (item := self._outbox.head()) is not None:
            try:
                return self._fly(item.action, _payload(item), item.key, mono)
            except ProtocolError as error:  # kept by an older release, say: it must not block what comes after
                log.error("a kept call that cannot be sent", action=item.action, why=str(error))
                self._outbox.bury(item.key, error.code, error.description)
        return None

    def answer(self, frame: CallResult | CallError, mono: float) -> Answered | None:
        """Take the CSMS's answer. None for one that comes too late to be of use."""
        flight = self._claim(frame)
        if flight is None:
            log.info("a late answer", message_id=frame.message_id)
            return None
        if isinstance(frame, CallError):
            self._refused(flight, frame, mono)
            return Answered(flight.action, flight.request, None)
        if self._in_vain:
            self._in_vain, self._rest_until = 0, 0.0  # the CSMS is there again: the backlog need not rest any longer
        if flight.key is not None:
            self._outbox.done(flight.key)
        try:
            response = read_response(Version.V201, flight.action, frame.payload, frame.message_id)
        except ProtocolError as error:
            log.warning("an answer that its schema refuses", action=flight.action, why=str(error))
            response = None
        return Answered(flight.action, flight.request, response)

    def _claim(self, frame: CallResult | CallError) -> _Flight | None:
        """The call that an answer is to. A result counts, however late, for a call that must arrive: it has arrived."""
        flight, late = self._flight, self._late
        if flight is not None and flight.message_id == frame.message_id:
            self._flight = None
            return flight
        if late is None or late.message_id != frame.message_id or isinstance(frame, CallError):
            return None
        self._late = None
        if flight is not None and flight.key == late.key:
            self._flight = None  # it was being made again
        return late

    def expire(self, mono: float) -> Answered | None:
        """What happened to a call that is overdue. One from the outbox stays there and is sent again, after a pause."""
        if self._flight is None or mono < self._flight.deadline_mono:
            return None
        if self._flight.key is not None:
            self._rest_in_vain(mono)
            self._late = self._flight
        return self._drop()

    def link_lost(self) -> list[Answered]:
        """Nothing that was sent, or waited to be, will be answered; the outbox keeps what is its."""
        dropped = [Answered(send.action, send.payload, None) for send in self._waiting]
        self._waiting.clear()
        self._in_vain, self._rest_until = 0, 0.0
        if self._flight is not None:
            dropped.append(self._drop())
        return dropped

    def wake_mono(self) -> float | None:
        """When `expire` or `next` has something to do though nothing happens."""
        if self._flight is not None:
            return self._flight.deadline_mono
        return self._rest_until or None

    def _fly(self, action: str, payload: Mapping[str, Any], key: int | None, mono: float) -> bytes:
        message_id = self._new_id()
        frame = encode(Call(message_id, action, make_request(Version.V201, action, payload)))
        self._flight = _Flight(message_id, action, payload, key, mono, mono + self.settings.answer_s)
        return frame

    def _refused(self, flight: _Flight, error: CallError, mono: float) -> None:
        log.warning("refused", action=flight.action, code=error.code, why=error.description)
        if flight.key is None:
            return
        if error.code == _OF_THE_SENDER:
            self._rest_in_vain(mono)
            return
        self._in_vain = 0
        if error.code not in _FINAL:
            attempts = self._outbox.failed(flight.key)
            if attempts < self.settings.message_attempts:
                self._rest(mono, attempts)
                return
        self._outbox.bury(flight.key, error.code, error.description)

    def _rest_in_vain(self, mono: float) -> None:
        self._in_vain += 1
        self._rest(mono, self._in_vain)

    def _rest(self, mono: float, attempts: int) -> None:
        """The backlog waits, the longer the more often it was tried."""
        self._rest_until = mono + min(LONGEST_REST_S, attempts * self.settings.message_attempt_interval_s)

    def _drop(self) -> Answered:
        assert self._flight is not None
        flight, self._flight = self._flight, None
        return Answered(flight.action, flight.request, None)


def _payload(item: Item) -> dict[str, Any]:
    """Raises ProtocolError."""
    try:
        payload = _read_payload(item.payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, TypeError) as error:
        raise ProtocolError("FormatViolation", str(error)) from error
    return shifted(payload, item.shift_s) if item.shift_s else payload
