"""What people ask of stations: start, stop, any call. Written down here, sent by the worker (`outgoing.py`).

A call goes through the database, so that any number of web processes and workers can share the work: `queued` when
somebody asks, `sent` when a worker publishes it, then `answered`, `error` or `timeout`. Whoever asked waits for that.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
from sqlalchemy import ColumnElement, Connection, Row, insert, select

from cloud import present
from cloud.domain import codes
from cloud.errors import ConflictError, NotFoundError
from cloud.store import vehicles
from cloud.store.counters import next_number
from cloud.store.queue import queue_call
from cloud.store.registry import MAX_EVSES, put_id_token
from cloud.store.store import Store, new_id
from cloud.store.tables import calls, evses, sessions, stations
from protocol.errors import ProtocolError
from protocol.messages import Sender, Version, actions, make_request

#: A call that no worker has finished this long after its time is over is called a timeout by the one who waits, s.
GRACE_S = 2.0
_POLL_S = 0.03


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a call ended. status: answered, error or timeout. response: the payload, or {code, description}."""

    status: str
    response: dict[str, Any] | None


class Commands:
    """now: the clock. wake: tells the workers that a call waits. heartbeat_s: as stations are told at boot, in seconds.

    timeout_s: how long a station has to answer.
    """

    def __init__(
        self,
        store: Store,
        *,
        now: Callable[[], datetime],
        wake: Callable[[], None],
        heartbeat_s: int,
        timeout_s: float = 10.0,
    ) -> None:
        self._store = store
        self._now = now
        self._wake = wake
        self._heartbeat_s = heartbeat_s
        self._timeout_s = timeout_s
        self._stopping = threading.Event()

    def stop(self) -> None:
        """Let nobody wait any longer: whoever does is told of a timeout. For the end of the process."""
        self._stopping.set()

    def start_session(
        self, reference: str, driver: str, connector: int | None = None, soc_pct: float | None = None
    ) -> present.Json:
        """Ask a station to start charging. reference: an EVSE's id or code. driver: a user's id.

        soc_pct: how full the battery is, where the driver says so. Answers the session, which is pending until the
        vehicle is plugged in. Raises NotFoundError, or ConflictError with the reason occupied, inoperative, offline,
        rejected or battery_unknown.
        """
        with self._store.write() as connection:
            station, number = find_evse(connection, reference)
            self._check_free(connection, station, number, connector)
            battery = {} if soc_pct is None else vehicles.typed(connection, driver, soc_pct, 0)
            now = self._now()
            remote_start_id = next_number(connection, "remote_start")
            id_token = f"D{driver}"
            put_id_token(connection, id_token, "Central", driver=driver)
            session = new_id(now)
            connection.execute(
                insert(sessions).values(
                    id=session,
                    station=station,
                    evse=number,
                    connector=connector,
                    driver=driver,
                    id_token=id_token,
                    state="pending",
                    created_at=now,
                    updated_at=now,
                    remote_start_id=remote_start_id,
                    **battery,
                )
            )
            payload = {
                "evseId": number,
                "remoteStartId": remote_start_id,
                "idToken": {"idToken": id_token, "type": "Central"},
            }
            call = self._queue(connection, station, "RequestStartTransaction", payload, session)
        self._check_accepted(self._wait(call), f"station {station} would not start")
        return self._session(session)

    def stop_session(self, session: str) -> present.Json:
        """Ask the station to end a session. Raises NotFoundError, or ConflictError like `start_session`."""
        with self._store.write() as connection:
            row = connection.execute(select(sessions).where(sessions.c.id == session)).first()
            if row is None:
                raise NotFoundError(f"no session {session}")
            if row.state not in present.OPEN:
                raise ConflictError("ended", "this session is over already")
            if row.transaction_id is None:
                raise ConflictError("not_started", "this session has not begun: it lapses when nobody plugs in")
            payload = {"transactionId": row.transaction_id}
            call = self._queue(connection, row.station, "RequestStopTransaction", payload, session)
        self._check_accepted(self._wait(call), f"station {row.station} would not stop")
        return self._session(session)

    def call(self, station: str, action: str, payload: Mapping[str, Any]) -> Outcome:
        """Send any action that OCPP lets a CSMS send, and wait. Raises NotFoundError, ProtocolError."""
        make_request(Version.V201, action, payload)
        if not actions(Version.V201)[action].sender & Sender.CSMS:
            raise ProtocolError("NotSupported", f"{action} is not sent by a CSMS")
        with self._store.write() as connection:
            if connection.scalar(select(stations.c.id).where(stations.c.id == station)) is None:
                raise NotFoundError(f"no station {station}")
            call = self._queue(connection, station, action, payload, None)
        return self._wait(call)

    def _check_free(self, connection: Connection, station: str, number: int, connector: int | None) -> None:
        shown = present.station_list(connection, self._now(), self._heartbeat_s, [station])[0]
        evse = next(part for part in shown["evses"] if part["number"] == number)
        if not shown["online"]:
            raise ConflictError("offline", f"station {station} cannot be reached since {shown['since']}")
        if evse["session_id"] is not None:
            raise ConflictError("occupied", "somebody is charging here")
        if evse["status"] == "inoperative":
            raise ConflictError("inoperative", f"out of service: {evse['detail']}")
        if connector is not None and connector not in [socket["number"] for socket in evse["connectors"]]:
            raise NotFoundError(f"EVSE {number} of {station} has no connector {connector}")

    def _queue(
        self, connection: Connection, station: str, action: str, payload: Mapping[str, Any], session: str | None
    ) -> str:
        try:
            encoded = json.dumps(payload, allow_nan=False).encode()
        except ValueError as error:
            raise ProtocolError("TypeConstraintViolation", f"a number that JSON does not have: {error}") from error
        now = self._now()
        expires_at = now + timedelta(seconds=self._timeout_s)
        return queue_call(connection, station, action, encoded, now=now, expires_at=expires_at, session=session)

    def _wait(self, call: str) -> Outcome:
        """Wait for the end of a call; always answers, at the latest a little after its time is over."""
        self._wake()
        end = time.monotonic() + self._timeout_s + GRACE_S
        while True:
            with self._store.read() as connection:
                row = connection.execute(select(calls).where(calls.c.id == call)).one()
            if row.state not in ("queued", "sent"):
                return Outcome(row.state, None if row.response is None else msgspec.json.decode(row.response))
            if time.monotonic() >= end or self._stopping.wait(_POLL_S):
                return Outcome("timeout", None)

    def _check_accepted(self, outcome: Outcome, what: str) -> None:
        if outcome.status == "timeout":
            raise ConflictError("offline", f"{what}: no answer within {self._timeout_s:g} s")
        response = outcome.response or {}
        if outcome.status == "error":
            raise ConflictError("rejected", f"{what}: {response.get('code')}: {response.get('description')}")
        if response.get("status") != "Accepted":
            info = response.get("statusInfo", {})
            why = info.get("additionalInfo") or info.get("reasonCode") or response.get("status")
            raise ConflictError("rejected", f"{what}: {why}")

    def _session(self, session: str) -> present.Json:
        with self._store.read() as connection:
            row: Row[Any] = connection.execute(select(sessions).where(sessions.c.id == session)).one()
        return present.session(row)


def find_evse(connection: Connection, reference: str) -> tuple[str, int]:
    """The station and number of an EVSE by its id (`cs-1:1`) or its code. Raises NotFoundError, saying what is odd."""
    station, colon, number = reference.partition(":")
    if colon:
        sane = number.isdecimal() and len(number) <= len(str(MAX_EVSES))
        wanted: ColumnElement[bool] = (evses.c.station == station) & (evses.c.number == (int(number) if sane else -1))
    else:
        code = codes.normal(reference)
        if code is None:
            raise NotFoundError(f"{reference[:20]!r} is not an EVSE code: look at the sticker once more")
        wanted = evses.c.code == code
    row = connection.execute(select(evses.c.station, evses.c.number).where(wanted)).first()
    if row is None:
        raise NotFoundError(f"no EVSE {reference[:60]!r}")
    return row.station, row.number
