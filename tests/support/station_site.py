"""A site for the station's pure core: sockets, meters, a broker that may be gone. What the core wants is done.

After every step it is checked what must always hold (architecture, sections 4 and 5): every test that uses it proves
that.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import msgspec

from edge.station import machine
from edge.station.job_orders import (
    CancelFirmware,
    ConfirmFirmware,
    FetchFirmware,
    InstallFirmware,
    JobAction,
    JobRules,
    UploadLog,
)
from edge.station.kept import Kept
from edge.station.ports import (
    Action,
    Answered,
    CallReceived,
    CardRead,
    Close,
    Event,
    FaultCleared,
    FaultRaised,
    LinkChanged,
    Metered,
    Offer,
    Open,
    PilotChanged,
    PlugChanged,
    ReadMeter,
    Refuse,
    Reply,
    Restart,
    Restored,
    Save,
    SaveKept,
    Send,
    Show,
    SocRead,
    Tick,
)
from edge.station.smart_charging import Profiles
from edge.station.state import Evse, Now, Settings, Station, Transaction
from edge.station.token_orders import (
    ClearTokenCache,
    RememberToken,
    TellListVersion,
    TokenOrder,
    UpdateLocalList,
)
from edge.station.tokens import AuthorizationSettings, IdToken, Known
from hardware.ports import Light, PilotState, Reading
from protocol.messages import Version, make_request, make_response

START = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
IDENTITY = {"vendorName": "Colonnina", "model": "Pi 4"}
LAYOUT = ((1, (1,)), (2, (1, 2)))
CARD = "04A1B2C3"

Written = TypeVar("Written", Transaction, Kept)


@dataclass
class Site:
    """known: what the station's lists say of cards. remembered, orders: what its token memory was told.

    pilots: (EVSE, connector) of those with a control pilot, and what it says. offers: what is offered by it, A.
    job_rules: which long jobs it can do. jobs: what was ordered of them. job_statuses: (Log or Firmware, requestId,
    status) told of them. security_events: their types.
    left: reasons for which the station has wanted to start anew. reservations: ReservationStatusUpdates told.

    closed: (EVSE, connector) with its contactor closed. events, notices: TransactionEvents and
    NotifyEvents in the outbox, in order.

    calls: others that wait for an answer. journal, kept: as on disk. wh: the meters' registers.
    """

    settings: Settings = field(default_factory=Settings)
    rules: AuthorizationSettings = field(default_factory=AuthorizationSettings)
    known: dict[str, Known] = field(default_factory=dict)
    remembered: list[RememberToken] = field(default_factory=list)
    orders: list[TokenOrder] = field(default_factory=list)
    job_rules: JobRules = field(default_factory=JobRules)
    jobs: list[JobAction] = field(default_factory=list)
    job_statuses: list[tuple[str, int, str]] = field(default_factory=list)
    security_events: list[str] = field(default_factory=list)
    layout: Sequence[tuple[int, Sequence[int]]] = LAYOUT
    pilots: dict[tuple[int, int], PilotState | None] = field(default_factory=dict)
    offers: dict[tuple[int, int], float | None] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)
    mono: float = 1_000.0
    utc: datetime = START
    restarts: int = 0
    plugs: set[tuple[int, int]] = field(default_factory=set)
    closed: set[tuple[int, int]] = field(default_factory=set)
    events: list[dict[str, Any]] = field(default_factory=list)
    notices: list[dict[str, Any]] = field(default_factory=list)
    reservations: list[tuple[int, str]] = field(default_factory=list)
    calls: list[Send] = field(default_factory=list)
    replies: list[Reply | Refuse] = field(default_factory=list)
    lights: dict[int, Light] = field(default_factory=dict)
    journal: dict[int, Transaction] = field(default_factory=dict)
    kept: Kept = field(default_factory=Kept)
    wh: dict[int, float] = field(default_factory=dict)
    meters_wanted: list[int] = field(default_factory=list)
    stopped: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.wh = {number: 1_000.0 for number, _ in self.layout}
        self._start()

    # -- what happens --

    def step(self, event: Event) -> list[Action]:
        actions = self._step(event)
        self._check()
        return actions

    def tap(self, uid: str = CARD) -> list[Action]:
        return self.step(CardRead(IdToken(uid, "ISO14443"), self.known.get(uid, Known())))

    def plug(self, evse: int = 1, connector: int = 1) -> list[Action]:
        """A vehicle; where there is a pilot, one that asks for power at once."""
        if (evse, connector) in self.pilots:
            return self.pilot(PilotState.C, evse, connector)
        self.plugs.add((evse, connector))
        return self.step(PlugChanged(evse, connector, True))

    def unplug(self, evse: int = 1, connector: int = 1) -> list[Action]:
        if (evse, connector) in self.pilots:
            return self.pilot(PilotState.A, evse, connector)
        self.plugs.discard((evse, connector))
        return self.step(PlugChanged(evse, connector, False))

    def pilot(self, state: PilotState | None, evse: int = 1, connector: int = 1) -> list[Action]:
        """The control pilot says this; None: nothing that could be measured."""
        self.pilots[evse, connector] = state
        if state is PilotState.A:
            self.plugs.discard((evse, connector))
        elif state in (PilotState.B, PilotState.C, PilotState.D):
            self.plugs.add((evse, connector))
        return self.step(PilotChanged(evse, connector, state))

    def meter(
        self, evse: int = 1, wh: float = 0.0, power_w: float | None = None, asked_s_ago: float = 0.0
    ) -> list[Action]:
        """The meter is read; it has counted `wh` since the last time, which it only can while power flows."""
        flows = any(number == evse for number, _ in self.closed)
        self.wh[evse] += wh if flows else 0
        power_w = (7_360.0 if flows else 0.0) if power_w is None else power_w
        return self.step(
            Metered(evse, Reading(round(self.wh[evse]), power_w, power_w / 230, 230.0), self.mono - asked_s_ago)
        )

    def soc(self, pct: float | None, evse: int = 1) -> list[Action]:
        return self.step(SocRead(evse, pct))

    def fault(self, reason: str = "MeterSilent", evse: int = 1) -> list[Action]:
        return self.step(FaultRaised(evse, reason))

    def clear(self, reason: str = "MeterSilent", evse: int = 1) -> list[Action]:
        return self.step(FaultCleared(evse, reason))

    def link(self, up: bool) -> list[Action]:
        """Calls that wait for an answer when it is lost will never have one, as `Pump.link_lost` says."""
        actions = self.step(LinkChanged(up))
        if not up:
            for send in self._take_calls():
                actions += self.step(Answered(send.action, send.payload, None))
        return actions

    def pass_time(self, seconds: float, tick: bool = True) -> list[Action]:
        self.mono += seconds
        self.utc += timedelta(seconds=seconds)
        return self.step(Tick()) if tick else []

    def answer(self, action: str, payload: Mapping[str, Any] | None) -> list[Action]:
        """The CSMS answers the oldest call of this kind; None: with an error, or not in time."""
        send = next(call for call in self.calls if call.action == action)
        self.calls.remove(send)
        response = None if payload is None else make_response(Version.V201, action, payload)
        return self.step(Answered(action, send.payload, response))

    def authorize(self, status: str = "Accepted", group: str | None = None) -> list[Action]:
        belongs = {} if group is None else {"groupIdToken": {"idToken": group, "type": "Central"}}
        return self.answer("Authorize", {"idTokenInfo": {"status": status, **belongs}})

    def transaction_answered(self, event: Mapping[str, Any], status: str, group: str | None = None) -> list[Action]:
        """The CSMS answers a transaction event that carried a token."""
        belongs = {} if group is None else {"groupIdToken": {"idToken": group, "type": "Central"}}
        response = make_response(Version.V201, "TransactionEvent", {"idTokenInfo": {"status": status, **belongs}})
        return self.step(Answered("TransactionEvent", event, response))

    def boot(self, status: str = "Accepted", interval: int = 60) -> list[Action]:
        payload = {"currentTime": self.utc.isoformat(), "interval": interval, "status": status}
        return self.answer("BootNotification", payload)

    def call(self, action: str, payload: Mapping[str, Any]) -> list[Action]:
        """The CSMS calls; the answer is not the core's to give."""
        return self.step(CallReceived("call", action, make_request(Version.V201, action, payload)))

    def remote(self, action: str, payload: Mapping[str, Any]) -> Reply | Refuse:
        before = len(self.replies)
        request = make_request(Version.V201, action, payload)
        self.step(CallReceived(f"call-{before}", action, request))
        (reply,) = self.replies[before:]
        assert reply.message_id == f"call-{before}"
        return reply

    def remote_start(self, number: int = 1, evse: int | None = 1) -> dict[str, Any]:
        payload = {"remoteStartId": number, "idToken": {"idToken": f"D{number}", "type": "Central"}}
        reply = self.remote("RequestStartTransaction", payload if evse is None else {**payload, "evseId": evse})
        assert isinstance(reply, Reply)
        return dict(reply.payload)

    def remote_stop(self, transaction: str) -> dict[str, Any]:
        reply = self.remote("RequestStopTransaction", {"transactionId": transaction})
        assert isinstance(reply, Reply)
        return dict(reply.payload)

    def power_cut(self, during: Event | None = None) -> None:
        """Everything stops, and starts again from what was written down.

        during: it happens while this event is dealt with, after the contactors were opened and before anything else.
        """
        if during is not None:
            self.station, actions = machine.step(self.station, during, self.now)
            self._carry_out([action for action in actions if isinstance(action, Open)])
        self.closed.clear()
        self.offers.clear()
        self.lights.clear()
        self.calls.clear()
        self.restarts += 1
        self._start()

    # -- what can be seen --

    @property
    def now(self) -> Now:
        return Now(self.utc, self.mono)

    def evse(self, number: int = 1) -> Evse:
        evse = self.station.evse(number)
        assert evse is not None
        return evse

    @property
    def profiles(self) -> Profiles:
        return self.kept.profiles

    def limit_a(self, number: int = 1) -> float | None:
        """What the charging profiles say now, asked anew; of an EVSE with a transaction."""
        transaction = self.evse(number).transaction
        assert transaction is not None
        supply = {"phases": self.settings.phases, "voltage_v": self.settings.voltage_v}
        sharing = sum(evse.transaction is not None for evse in self.station.evses)
        return self.station.kept.profiles.limit_a(
            number,
            self.utc,
            transaction.started_at,
            station_max_a=self.settings.max_current_a,
            sharing=sharing,
            safe_a=self.settings.safe_a,
            **supply,
        ).limit_a

    def told(self, transaction: str | None = None) -> list[tuple[str, str, int]]:
        """(kind, trigger, seqNo) of what was reported, of one transaction or of all."""
        return [
            (event["eventType"], event["triggerReason"], event["seqNo"])
            for event in self.events
            if transaction in (None, event["transactionInfo"]["transactionId"])
        ]

    def statuses(self) -> list[tuple[int, int, str]]:
        """Tell-tale: what was told of connectors, and answered at once."""
        told = [call for call in self.calls if call.action == "StatusNotification"]
        for call in told:
            self.calls.remove(call)
        return [(call.payload["evseId"], call.payload["connectorId"], call.payload["connectorStatus"]) for call in told]

    def waiting(self) -> list[str]:
        return [call.action for call in self.calls]

    # -- how it does it --

    def _start(self) -> None:
        self.station: Station = machine.initial(
            self.layout,
            f"seed{self.restarts}",
            self.settings,
            IDENTITY,
            self.rules,
            piloted=self.pilots,
            types=[(number, connector, "cType2") for number, connectors in self.layout for connector in connectors],
        )
        self.station = msgspec.structs.replace(self.station, job_rules=self.job_rules)
        for number, connectors in self.layout:
            for connector in connectors:
                if (number, connector) in self.pilots:
                    self._step(PilotChanged(number, connector, self.pilots[number, connector]))
                else:
                    self._step(PlugChanged(number, connector, (number, connector) in self.plugs))
        self._step(Restored(self.kept, tuple(sorted(self.journal.items()))))
        self._check()

    def _step(self, event: Event) -> list[Action]:
        self.station, actions = machine.step(self.station, event, self.now)
        self._carry_out(actions)
        return actions

    def _take_calls(self) -> list[Send]:
        calls, self.calls = self.calls, []
        return calls

    def _carry_out(self, actions: Sequence[Action]) -> None:
        """As `Runtime` does: power is cut first, then what must last is written down, then the rest."""
        for action in actions:
            if isinstance(action, Open):
                self.closed.remove((action.evse, action.connector))
        for action in actions:
            match action:
                case Send(durable=True):
                    make_request(Version.V201, action.action, action.payload)
                    self._keep(action)
                case Save(transaction=None):
                    del self.journal[action.evse]
                case Save():
                    assert action.transaction is not None
                    self.journal[action.evse] = _again(action.transaction)
                case SaveKept():
                    self.kept = _again(action.kept)
        for action in actions:
            match action:
                case Close():
                    assert (action.evse, action.connector) not in self.closed
                    self.closed.add((action.evse, action.connector))
                case Offer():
                    assert (action.evse, action.connector) in self.pilots
                    self.offers[action.evse, action.connector] = action.limit_a
                case Restart():
                    assert self.journal == {}, "somebody still charges"
                    self.left.append(action.reason)
                case Show():
                    self.lights[action.evse] = action.light
                case Send(durable=False):
                    make_request(Version.V201, action.action, action.payload)
                    self.calls.append(action)
                case Reply():
                    make_response(Version.V201, action.action, action.payload)
                    self.replies.append(action)
                case Refuse():
                    self.replies.append(action)
                case ReadMeter():
                    self.meters_wanted.append(action.evse)
                case RememberToken():
                    self.remembered.append(action)
                case UpdateLocalList() | TellListVersion() | ClearTokenCache():
                    self.orders.append(action)
                case UploadLog() | FetchFirmware() | CancelFirmware() | InstallFirmware() | ConfirmFirmware():
                    self.jobs.append(action)

    def _keep(self, send: Send) -> None:
        """Into the outbox."""
        payload = _as_json(send.payload)
        match send.action:
            case "TransactionEvent":
                self.events.append(payload)
            case "LogStatusNotification" | "FirmwareStatusNotification":
                kind = send.action.removesuffix("StatusNotification")
                self.job_statuses.append((kind, payload["requestId"], payload["status"]))
            case "SecurityEventNotification":
                self.security_events.append(payload["type"])
            case "ReservationStatusUpdate":
                self.reservations.append((payload["reservationId"], payload["reservationUpdateStatus"]))
            case "NotifyEvent":
                self.notices.append(payload)
            case other:
                raise AssertionError(f"nobody expects {other} in the outbox")

    def _check(self) -> None:
        assert self.closed == {(evse.number, evse.closed) for evse in self.station.evses if evse.closed is not None}
        for evse in self.station.evses:
            self._check_power(evse)
            for connector in evse.piloted:
                if evse.transaction is None or evse.ending is not None or evse.faults:
                    assert self.offers.get((evse.number, connector)) is None, "nobody may draw, and is offered to"
            assert evse.transaction == self.journal.get(evse.number), "the journal knows less than the station"
            assert evse.ending is None or evse.transaction is not None
        assert self.station.kept == self.kept, "less is on disk than the CSMS was promised"
        due = machine.wake_mono(self.station)
        assert due is None or due > self.mono, "the loop would spin"
        self._check_events()

    def _check_power(self, evse: Evse) -> None:
        if evse.closed is None:
            return
        assert (evse.number, evse.closed) in self.plugs
        assert evse.transaction is not None
        assert evse.transaction.connector == evse.closed
        assert evse.transaction.id not in self.stopped, "power flows again after the end was decided"
        assert evse.ending is None
        assert evse.faults == frozenset()
        limit_a = self.limit_a(evse.number)
        socket = (evse.number, evse.closed)
        if socket in self.pilots:
            asks = (PilotState.C, PilotState.D) if self.settings.ventilated else (PilotState.C,)
            assert self.pilots[socket] in asks, "power flows though the vehicle does not ask for it"
            offered_a = self.offers[socket]
            assert offered_a is not None
            assert 6 <= offered_a <= self.settings.max_current_a
            assert limit_a is None or offered_a <= limit_a, "more is offered than may be drawn"
        else:
            assert limit_a is None or limit_a >= self.settings.max_current_a, "power flows beyond the limit"
        assert len([place for place in self.closed if place[0] == evse.number]) == 1

    def _check_events(self) -> None:
        """Per transaction: 0, 1, 2 ... without gap or repeat, Started first, Ended last, and only one open per EVSE."""
        for evse in self.station.evses:
            if evse.transaction is not None and evse.ending is not None:
                self.stopped.add(evse.transaction.id)
        by_id: dict[str, list[dict[str, Any]]] = {}
        for event in self.events:
            by_id.setdefault(event["transactionInfo"]["transactionId"], []).append(event)
        open_at: list[int] = []
        for events in by_id.values():
            assert [event["seqNo"] for event in events] == list(range(len(events)))
            kinds = [event["eventType"] for event in events]
            assert kinds[0] == "Started"
            assert kinds.count("Started") == 1
            assert [kind == "Ended" for kind in kinds[:-1]] == [False] * (len(kinds) - 1)
            if kinds[-1] != "Ended":
                open_at.append(events[0]["evse"]["id"])
            registers = [register for event in events for register in _registers(event)]
            assert registers == sorted(registers)
        assert len(open_at) == len(set(open_at))
        assert sorted(open_at) == sorted(evse.number for evse in self.station.evses if evse.transaction)


def _registers(event: Mapping[str, Any]) -> list[float]:
    return [value["sampledValue"][0]["value"] for value in event.get("meterValue", [])]


def _as_json(payload: Mapping[str, Any]) -> dict[str, Any]:
    return dict(msgspec.json.decode(msgspec.json.encode(payload)))


def _again(kept: Written) -> Written:
    """As it is read back from disk."""
    return msgspec.json.decode(msgspec.json.encode(kept), type=type(kept))


def a_site(**more: Any) -> Site:
    """One that is online, booted, metered, and has told its statuses."""
    site = Site(**more)
    site.link(True)
    site.boot()
    for number, _ in site.layout:
        site.meter(number)
    site.calls.clear()
    return site
