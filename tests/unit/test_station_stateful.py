"""The station's core under any order of events, with power cuts at every step. What must hold is held by `Site`."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from edge.station.ports import CardRead, Event, FaultRaised, Metered, PlugChanged, Tick
from edge.station.smart_charging import Profiles
from edge.station.state import IdToken
from hardware.ports import Reading
from tests.support.station_site import LAYOUT, START, Site, a_site

SOCKETS = [(evse, connector) for evse, connectors in LAYOUT for connector in connectors]
evses = st.sampled_from([number for number, _ in LAYOUT])
cards = st.sampled_from(["04A1", "04B2"])
faults = st.sampled_from(["MeterSilent", "ContactorWelded"])
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
        self.site = a_site() if ready else Site()

    # -- at the site --

    @precondition(lambda self: self.site.station.online and self.site.station.booted)
    @rule(socket=st.sampled_from(SOCKETS), card=cards)
    def come_and_charge(self, socket: tuple[int, int], card: str) -> None:
        """What most people do, so that most of what happens here happens while somebody charges."""
        self.site.tap(card)
        if "Authorize" in self.site.waiting():
            self.site.authorize()
        if socket not in self.site.plugs:
            self.site.plug(*socket)

    @rule(card=cards)
    def tap(self, card: str) -> None:
        self.site.tap(card)

    @rule(socket=st.sampled_from(SOCKETS))
    def plug_or_unplug(self, socket: tuple[int, int]) -> None:
        (self.site.unplug if socket in self.site.plugs else self.site.plug)(*socket)

    @rule(
        evse=evses,
        wh=st.integers(0, 50),
        power_w=st.sampled_from([None, 0.0, 49.0, 7_000.0]),
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

    # -- the mains --

    @rule(unplugged=rarely, ready=usually)
    def power_cut(self, unplugged: bool, ready: bool) -> None:
        if unplugged:
            self.site.plugs.clear()
        self.site.power_cut()
        if ready:
            make_ready(self.site)

    @rule(data=st.data(), ready=usually)
    def power_cut_in_the_middle_of_a_step(self, data: st.DataObject, ready: bool) -> None:
        evse, connector = data.draw(st.sampled_from(SOCKETS))
        reading = Reading(round(self.site.wh[evse]), 0.0, 0.0, 230.0)
        during: list[Event] = [
            CardRead(IdToken(data.draw(cards), "ISO14443")),
            PlugChanged(evse, connector, (evse, connector) not in self.site.plugs),
            Metered(evse, reading, self.site.mono),
            FaultRaised(evse, "MeterSilent"),
            Tick(),
        ]
        event = data.draw(st.sampled_from(during))
        if isinstance(event, PlugChanged):
            (self.site.plugs.add if event.plugged else self.site.plugs.discard)((evse, connector))
        self.site.power_cut(event)
        if ready:
            make_ready(self.site)

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
            enough = limit_a is None or limit_a >= self.site.settings.max_current_a
            assert (good and enough) == (evse.closed is not None)

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
        for socket in sorted(self.site.plugs):
            self.site.unplug(*socket)
        self.site.pass_time(3)
        assert (self.site.journal, self.site.closed) == ({}, set())


AnyOrder.TestCase.settings = settings(
    deadline=None, max_examples=150, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow]
)
TestAnyOrder: Any = AnyOrder.TestCase
