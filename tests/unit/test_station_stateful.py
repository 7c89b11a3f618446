"""The station's core under any order of events, with power cuts at every step. What must hold is held by `Site`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.station.ports import CardRead, Event, FaultRaised, Metered, PilotChanged, PlugChanged, Tick
from edge.station.smart_charging import Profiles
from edge.station.state import IdToken, Settings
from hardware.ports import PilotState, Reading
from tests.support.station_site import LAYOUT, START, Site, a_site

SOCKETS = [(evse, connector) for evse, connectors in LAYOUT for connector in connectors]
evses = st.sampled_from([number for number, _ in LAYOUT])
cards = st.sampled_from(["04A1", "04B2"])
faults = st.sampled_from(["MeterSilent", "ContactorWelded"])
PILOTED = (2, 1)
states = st.sampled_from([*PilotState, PilotState.B, PilotState.C, PilotState.C, None])
rarely = st.sampled_from([False, False, False, True])
usually = rarely.map(lambda rare: not rare)
limits_a = st.sampled_from([0.0, 5.9, 6.0, 16.0, 40.0])


@st.composite
def schedules(draw: st.DrawFn) -> dict[str, Any]:
    """A ChargingProfileType's kind and schedule, near the time when a site begins."""
    kind = draw(st.sampled_from(["Absolute", "Relative", "Recurring"]))
    starts = [0, *sorted(draw(st.sets(st.sampled_from([1, 10, 60, 120, 300]), max_size=3)))]
    schedule: dict[str, Any] = {
        "id": 1,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": draw(limits_a)} for start in starts],
    }
    if kind != "Relative":
        schedule["startSchedule"] = (START + timedelta(seconds=draw(st.integers(-60, 300)))).isoformat()
    if draw(st.booleans()):
        schedule["duration"] = draw(st.sampled_from([1, 30, 200]))
    recurrency = {"recurrencyKind": "Daily"} if kind == "Recurring" else {}
    return {"chargingProfileKind": kind, "chargingSchedule": [schedule], **recurrency}


def make_ready(site: Site) -> None:
    site.link(True)
    site.boot()
    for number, _ in LAYOUT:
        site.meter(number)


class AnyOrder(RuleBasedStateMachine):
    """People, meters, faults, the CSMS and the mains, each whenever it likes."""

    site: Site

    @initialize(ready=usually)
    def begin(self, ready: bool) -> None:
        pilots: dict[tuple[int, int], PilotState | None] = {PILOTED: PilotState.A}
        settings = Settings(safe_a=10.0)
        made = a_site if ready else Site
        self.site = made(pilots=pilots, settings=settings)

    # -- at the site --

    @precondition(lambda self: self.site.station.online and self.site.station.booted)
    @rule(socket=st.sampled_from(SOCKETS), card=cards)
    def come(self, socket: tuple[int, int], card: str) -> None:
        self.come_and_charge(socket, card)

    def come_and_charge(self, socket: tuple[int, int], card: str) -> None:
        """What most people do, so that most of what happens here happens while somebody charges."""
        self.site.tap(card)
        if "Authorize" in self.site.waiting():
            self.site.authorize()
        if socket not in self.site.plugs:
            self.site.plug(*socket)

    @precondition(lambda self: self.site.station.online and self.site.station.booted)
    @rule(seconds=st.sampled_from([1.0, 10.0, 40.0, 400.0]), wh=st.integers(0, 50))
    def charge_for_a_while(self, seconds: float, wh: int) -> None:
        """At the socket with a pilot, so that this is not left to chance."""
        self.come_and_charge(PILOTED, "04A1")
        self.site.pass_time(seconds)
        self.site.meter(PILOTED[0], wh)

    @rule(card=cards)
    def tap(self, card: str) -> None:
        self.site.tap(card)

    @rule(socket=st.sampled_from(SOCKETS))
    def plug_or_unplug(self, socket: tuple[int, int]) -> None:
        (self.site.unplug if socket in self.site.plugs else self.site.plug)(*socket)

    @rule(state=states)
    def pilot(self, state: PilotState | None) -> None:
        self.site.pilot(state, *PILOTED)

    @rule(
        evse=evses,
        wh=st.integers(0, 50),
        power_w=st.sampled_from([None, 0.0, 49.0, 7_000.0, 10_000.0]),
        ago=st.sampled_from([0, 0.5]),
    )
    def meter(self, evse: int, wh: int, power_w: float | None, ago: float) -> None:
        self.site.meter(evse, wh, power_w, ago)

    @rule(evse=evses, pct=st.none() | st.floats(0, 100))
    def soc(self, evse: int, pct: float | None) -> None:
        self.site.soc(pct, evse)

    @rule(evse=evses, reason=faults)
    def fault(self, evse: int, reason: str) -> None:
        self.site.fault(reason, evse)

    @rule(evse=evses, reason=faults)
    def clear(self, evse: int, reason: str) -> None:
        self.site.clear(reason, evse)

    @rule(seconds=st.sampled_from([0.0, 0.1, 1.0, 3.0, 10.0, 15.0, 60.0, 120.0]), tick=st.booleans())
    def pass_time(self, seconds: float, tick: bool) -> None:
        if tick:
            self.site.pass_time(seconds)
        else:
            self.site.mono += seconds  # and nothing has happened yet
            self.site.meter(1)

    # -- the CSMS --

    @precondition(lambda self: not self.site.station.online)
    @rule()
    def link_comes_up(self) -> None:
        self.site.link(True)

    @rule(really=rarely)
    def link_is_lost(self, really: bool) -> None:
        if really:
            self.site.link(False)

    @precondition(lambda self: "BootNotification" in self.site.waiting())
    @rule(
        status=st.sampled_from(["Accepted", "Accepted", "Pending", "Rejected"]), interval=st.sampled_from([60, 0, -1])
    )
    def boot(self, status: str, interval: int) -> None:
        self.site.boot(status, interval)

    @precondition(lambda self: "Authorize" in self.site.waiting())
    @rule(status=st.sampled_from(["Accepted", "Accepted", "Accepted", "Invalid"]))
    def authorize(self, status: str) -> None:
        self.site.authorize(status)

    @precondition(lambda self: self.site.calls)
    @rule(data=st.data())
    def no_answer(self, data: st.DataObject) -> None:
        self.site.answer(data.draw(st.sampled_from(self.site.waiting())), None)

    @rule(number=st.integers(1, 2), evse=st.sampled_from([None, None, 1, 2, 3]))
    def remote_start(self, number: int, evse: int | None) -> None:
        self.site.remote_start(number, evse)
        holders = [part for evse in self.site.station.evses for part in (evse.authorization, evse.transaction)]
        assert sum(part is not None and part.remote_start_id == number for part in holders) <= 1

    @precondition(lambda self: self.site.journal)
    @rule(data=st.data())
    def remote_stop(self, data: st.DataObject) -> None:
        transaction = data.draw(st.sampled_from(sorted(part.id for part in self.site.journal.values())))
        assert self.site.remote_stop(transaction) == {"status": "Accepted"}

    @rule(
        id=st.integers(1, 4),
        evse=st.sampled_from([0, 0, 1, 2]),
        purpose=st.sampled_from(["TxDefaultProfile", "TxDefaultProfile", "ChargingStationMaxProfile"]),
        level=st.integers(0, 1),
        schedule=schedules(),
    )
    def limit(self, id: int, evse: int, purpose: str, level: int, schedule: dict[str, Any]) -> None:
        """Any limit, also one that is refused."""
        profile = {"id": id, "stackLevel": level, "chargingProfilePurpose": purpose, **schedule}
        self.site.remote("SetChargingProfile", {"evseId": evse, "chargingProfile": profile})

    @precondition(lambda self: self.site.journal)
    @rule(data=st.data(), id=st.integers(5, 6), schedule=schedules())
    def limit_a_transaction(self, data: st.DataObject, id: int, schedule: dict[str, Any]) -> None:
        evse, transaction = data.draw(st.sampled_from(sorted(self.site.journal.items())))
        profile = {"id": id, "stackLevel": 0, "chargingProfilePurpose": "TxProfile", "transactionId": transaction.id}
        self.site.remote("SetChargingProfile", {"evseId": evse, "chargingProfile": {**profile, **schedule}})

    @rule(id=st.integers(1, 6), all_of_them=st.booleans())
    def lift(self, id: int, all_of_them: bool) -> None:
        for number in range(1, 7) if all_of_them else [id]:
            self.site.remote("ClearChargingProfile", {"chargingProfileId": number})
        assert not all_of_them or self.site.profiles == Profiles()

    @rule(id=st.integers(1, 3), evse=st.sampled_from([None, 1, 2]), card=cards, seconds=st.sampled_from([-1, 30, 300]))
    def reserve(self, id: int, evse: int | None, card: str, seconds: int) -> None:
        until = (self.site.utc + timedelta(seconds=seconds)).isoformat()
        wanted = {"id": id, "expiryDateTime": until, "idToken": {"idToken": card, "type": "ISO14443"}}
        self.site.remote("ReserveNow", wanted if evse is None else {**wanted, "evseId": evse})

    @rule(id=st.integers(1, 3))
    def cancel(self, id: int) -> None:
        self.site.remote("CancelReservation", {"reservationId": id})

    @rule(
        place=st.sampled_from([None, {"id": 1}, {"id": 2}, {"id": 2, "connectorId": 1}, {"id": 9}]),
        word=st.sampled_from(["Operative", "Operative", "Operative", "Inoperative"]),
    )
    def change_availability(self, place: dict[str, int] | None, word: str) -> None:
        wanted = {"operationalStatus": word}
        self.site.remote("ChangeAvailability", wanted if place is None else {**wanted, "evse": place})

    @rule(kind=st.sampled_from(["Immediate", "OnIdle"]), really=rarely, ready=usually)
    def reset(self, kind: str, really: bool, ready: bool) -> None:
        if not really:
            return
        self.site.remote("Reset", {"type": kind})
        self.site.pass_time(3)
        if self.site.left:  # else somebody still charges
            self.site.left.clear()
            self.site.power_cut()
            if ready:
                make_ready(self.site)

    @rule(
        message=st.sampled_from(
            ["BootNotification", "Heartbeat", "MeterValues", "StatusNotification", "TransactionEvent"]
        ),
        place=st.sampled_from([None, {"id": 1}, {"id": 2, "connectorId": 1}, {"id": 2, "connectorId": 9}]),
    )
    def trigger(self, message: str, place: dict[str, int] | None) -> None:
        wanted = {"requestedMessage": message}
        self.site.remote("TriggerMessage", wanted if place is None else {**wanted, "evse": place})

    # -- the mains --

    @rule(unplugged=rarely, ready=usually)
    def power_cut(self, unplugged: bool, ready: bool) -> None:
        if unplugged:
            self.site.plugs.clear()
            self.site.pilots[PILOTED] = PilotState.A
        self.site.power_cut()
        if ready:
            make_ready(self.site)

    @rule(data=st.data(), ready=usually)
    def power_cut_in_the_middle_of_a_step(self, data: st.DataObject, ready: bool) -> None:
        evse, connector = data.draw(st.sampled_from(SOCKETS))
        reading = Reading(round(self.site.wh[evse]), 0.0, 0.0, 230.0)
        during: list[Event] = [
            CardRead(IdToken(data.draw(cards), "ISO14443")),
            self.other_way(evse, connector),
            Metered(evse, reading, self.site.mono),
            FaultRaised(evse, "MeterSilent"),
            Tick(),
        ]
        event = data.draw(st.sampled_from(during))
        if isinstance(event, PlugChanged):
            (self.site.plugs.add if event.plugged else self.site.plugs.discard)((evse, connector))
        elif isinstance(event, PilotChanged):
            (self.site.plugs.discard if event.state is PilotState.A else self.site.plugs.add)(PILOTED)
            self.site.pilots[PILOTED] = event.state
        self.site.power_cut(event)
        if ready:
            make_ready(self.site)

    def other_way(self, evse: int, connector: int) -> Event:
        """The plug goes in, or out."""
        plugged = (evse, connector) in self.site.plugs
        if (evse, connector) == PILOTED:
            return PilotChanged(evse, connector, PilotState.A if plugged else PilotState.C)
        return PlugChanged(evse, connector, not plugged)

    # -- in the end --

    @invariant()
    def what_waits_for_power_gets_it(self) -> None:
        """Safety alone would be kept by a station that never closes anything."""
        if not hasattr(self, "site"):
            return
        for evse in self.site.station.evses:
            good = (
                evse.transaction is not None and evse.measured is not None and not evse.faults and evse.ending is None
            )
            limit_a = self.site.limit_a(evse.number) if good else None
            piloted = good and evse.plugged in evse.piloted
            least_a = 6.0 if piloted else self.site.settings.max_current_a
            enough = (limit_a is None or limit_a >= least_a) and (not piloted or evse.plugged in evse.ready)
            assert (good and enough) == (evse.closed is not None)

    @invariant()
    def nobody_charges_on_a_place_that_is_kept_for_another(self) -> None:
        """Nor is anything promised twice: a reservation and the transaction that used it."""
        if not hasattr(self, "site"):
            return
        for held in self.site.kept.reservations:
            assert held.until > self.site.utc
            evse = None if held.evse is None else self.site.evse(held.evse)
            assert evse is None or not evse.faults

    @invariant()
    def the_profile_of_a_transaction_is_gone_with_it(self) -> None:
        if hasattr(self, "site"):
            limited = {one.profile.transaction_id for one in self.site.profiles.installed}
            assert limited - {part.id for part in self.site.journal.values()} <= {None}

    def teardown(self) -> None:
        """Whatever happened, everything can be brought to an end."""
        if not hasattr(self, "site"):
            return
        for number, _ in LAYOUT:
            for reason in ("MeterSilent", "ContactorWelded"):
                self.site.clear(reason, number)
        self.site.pilot(PilotState.A, *PILOTED)
        for socket in sorted(self.site.plugs):
            self.site.unplug(*socket)
        self.site.pass_time(3)
        assert (self.site.journal, self.site.closed) == ({}, set())


AnyOrder.TestCase.settings = hypothesis_settings(
    deadline=None, max_examples=300, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyOrder: Any = AnyOrder.TestCase
