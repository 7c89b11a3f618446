"""Calls on their way to the CSMS: one in flight, drivers who wait before the backlog, the backlog in order.

No thread, no socket, no clock: `next` gives the frame to send, `answer` and `expire` take what became of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

import msgspec
import structlog

from edge.station.ports import Answered, Outbox, Send
from protocol.envelope import Call, CallError, CallResult, encode
from protocol.errors import ProtocolError
from protocol.messages import Version, make_request, read_response

log = structlog.get_logger(__name__)

#: Refusals that say nothing about the message: the same one may be accepted later.
_PASSING = {"InternalError", "GenericError"}
#: How often a passing refusal is taken (OCPP's MessageAttempts), and the pause before the next try, s.
MAX_ATTEMPTS = 5
RETRY_S = 10.0
#: Calls that need not arrive and are waiting, at most; the oldest goes.
MAX_WAITING = 100


class _Flight(msgspec.Struct):
    message_id: str
    action: str
    request: Mapping[str, Any]
    key: int | None
    deadline_mono: float


class Pump:
    """new_id: makes message ids. timeout_s: how long an answer may take before the call is made again or given up."""

    def __init__(self, outbox: Outbox, new_id: Callable[[], str], timeout_s: float) -> None:
        self._outbox = outbox
        self._new_id = new_id
        self._timeout_s = timeout_s
        self._waiting: deque[Send] = deque(maxlen=MAX_WAITING)
        self._flight: _Flight | None = None
        self._rest_until = 0.0

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
                return self._fly(item.action, msgspec.json.decode(item.payload), item.key, mono)
            except ProtocolError as error:  # kept by an older release, say: it must not block what comes after
                log.error("a kept call that cannot be sent", action=item.action, why=str(error))
                self._outbox.bury(item.key, error.code, error.description)
        return None

    def answer(self, frame: CallResult | CallError, mono: float) -> Answered | None:
        """Take the CSMS's answer. None for one to a call that is not in flight any more: it comes too late."""
        flight = self._flight
        if flight is None or flight.message_id != frame.message_id:
            log.info("a late answer", message_id=frame.message_id)
            return None
        self._flight = None
        if isinstance(frame, CallError):
            self._refused(flight, frame, mono)
            return Answered(flight.action, flight.request, None)
        if flight.key is not None:
            self._outbox.done(flight.key)
        try:
            response = read_response(Version.V201, flight.action, frame.payload, frame.message_id)
        except ProtocolError as error:
            log.warning("an answer that its schema refuses", action=flight.action, why=str(error))
            response = None
        return Answered(flight.action, flight.request, response)

    def expire(self, mono: float) -> Answered | None:
        """What happened to a call that is overdue. One from the outbox stays there and is sent again."""
        if self._flight is None or mono < self._flight.deadline_mono:
            return None
        return self._drop()

    def link_lost(self) -> list[Answered]:
        """Nothing that was sent, or waited to be, will be answered; the outbox keeps what is its."""
        dropped = [Answered(send.action, send.payload, None) for send in self._waiting]
        self._waiting.clear()
        self._rest_until = 0.0
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
        self._flight = _Flight(message_id, action, payload, key, mono + self._timeout_s)
        return frame

    def _refused(self, flight: _Flight, error: CallError, mono: float) -> None:
        log.warning("refused", action=flight.action, code=error.code, why=error.description)
        if flight.key is None:
            return
        if error.code in _PASSING and self._outbox.failed(flight.key) < MAX_ATTEMPTS:
            self._rest_until = mono + RETRY_S
            return
        self._outbox.bury(flight.key, error.code, error.description)

    def _drop(self) -> Answered:
        assert self._flight is not None
        flight, self._flight = self._flight, None
        return Answered(flight.action, flight.request, None)
