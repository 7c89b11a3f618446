"""Charging profiles at a station: when they cut power, when it is back, and what outlives what (OCPP 2.0.1, K)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from edge.station import machine
from edge.station.ports import Action, CallReceived, Close, Open, Reply, SaveKept
from edge.station.settle import may_flow
from edge.station.smart_charging import Profiles
from edge.station.state import Settings
from hardware.ports import Light
from protocol.messages import Version, make_request
from tests.support.station_site import CARD, START, Site, a_site

STATION_MAX = "ChargingStationMaxProfile"


#: A vehicle may draw no more than this here, so that limits from there on let power flow.
WIRING_A = 6.0


@pytest.fixture
def site() -> Site:
    return a_site(settings=Settings(max_current_a=WIRING_A))


def charging(site: Site, evse: int = 1, connector: int = 1, uid: str = CARD) -> str:
    """Somebody taps, is let in and plugs in there. The transaction's id."""
    site.tap(uid)
    site.authorize()
    site.plug(evse, connector)
    transaction = site.evse(evse).transaction
    assert transaction is not None
    return transaction.id


def profile(
    *periods: tuple[int, float],
    id: int = 1,
    start: datetime | None = START,
    unit: str = "A",
    duration: int | None = None,
    **more: Any,
) -> dict[str, Any]:
    """A TxDefaultProfile of these (seconds, limit) unless told otherwise. start: None for Relative ones."""
    schedule: dict[str, Any] = {
        "id": 1,
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [{"startPeriod": second, "limit": limit} for second, limit in periods],
    }
    if start is not None:
        schedule["startSchedule"] = start.isoformat()
    if duration is not None:
        schedule["duration"] = duration
    defaults = {
        "id": id,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative" if start is None else "Absolute",
    }
    return {**defaults, "chargingSchedule": [schedule], **more}


def of_transaction(transaction: str, *periods: tuple[int, float], **more: Any) -> dict[str, Any]:
    return profile(*periods, chargingProfilePurpose="TxProfile", transactionId=transaction, **more)


def limit(site: Site, wanted: dict[str, Any], evse: int = 0) -> str:
    """The CSMS sets a profile: Accepted, or the reason why not."""
    reply = site.remote("SetChargingProfile", {"evseId": evse, "chargingProfile": wanted})
    assert isinstance(reply, Reply)
    info = reply.payload.get("statusInfo")
    return str(reply.payload["status"] if info is None else info["reasonCode"])


def lift(site: Site, id: int = 1) -> str:
    reply = site.remote("ClearChargingProfile", {"chargingProfileId": id})
    assert isinstance(reply, Reply)
    return str(reply.payload["status"])


def said(site: Site) -> tuple[str, str, str]:
    """What the last transaction event was."""
    event = site.events[-1]
    return event["eventType"], event["triggerReason"], event["transactionInfo"]["chargingState"]


def sleep_until_it_wakes(site: Site) -> list[Action]:
    """Nothing happens but that time passes until the machine asks for a tick."""
    due = machine.wake_mono(site.station)
    assert due is not None
    return site.pass_time(due - site.mono)


class TestPause:
    def test_a_limit_of_nothing_cuts_the_power_and_says_why(self, site: Site) -> None:
        charging(site)
        assert limit(site, profile((0, 0.0))) == "Accepted"
        assert (site.closed, said(site)) == (set(), ("Updated", "ChargingRateChanged", "SuspendedEVSE"))
        assert (site.lights[1], site.evse().faults) == (Light.WAITING, frozenset())

    def test_when_it_is_lifted_the_power_is_back_and_that_is_told(self, site: Site) -> None:
        transaction = charging(site)
        limit(site, profile((0, 0.0)))
        site.pass_time(1)
        assert lift(site) == "Accepted"
        assert (site.closed, said(site)) == ({(1, 1)}, ("Updated", "ChargingRateChanged", "Charging"))
        assert [number for _, _, number in site.told(transaction)] == [0, 1, 2]
        assert site.lights[1] is Light.CHARGING

    def test_a_pause_is_told_once(self, site: Site) -> None:
        charging(site)
        limit(site, profile((0, 0.0)))
        site.pass_time(1)
        site.meter()
        limit(site, profile((0, 3.0)))
        assert [trigger for _, trigger, _ in site.told()] == ["Authorized", "ChargingRateChanged"]

    def test_while_it_lasts_samples_are_told_and_the_transaction_may_end(self, site: Site) -> None:
        charging(site)
        limit(site, profile((0, 0.0)))
        site.pass_time(10)
        assert said(site) == ("Updated", "MeterValuePeriodic", "SuspendedEVSE")
        site.tap()
        site.meter()
        assert said(site) == ("Ended", "StopAuthorized", "EVConnected")

    @pytest.mark.parametrize(("limit_a", "flows"), [(5.9, False), (6.0, True), (32.0, True)])
    def test_below_what_a_vehicle_may_draw_there_is_no_power(self, site: Site, limit_a: float, flows: bool) -> None:
        charging(site)
        limit(site, profile((0, limit_a)))
        assert (site.closed == {(1, 1)}, may_flow(site.evse())) == (flows, flows)

    @pytest.mark.parametrize(
        ("phases", "voltage_v", "limit_w", "flows"),
        [(1, 230.0, 1_380.0, True), (3, 230.0, 1_380.0, False), (3, 230.0, 4_140.0, True), (1, 240.0, 1_380.0, False)],
    )
    def test_a_limit_in_watts_counts_by_phases_and_voltage(
        self, phases: int, voltage_v: float, limit_w: float, flows: bool
    ) -> None:
        site = a_site(settings=Settings(phases=phases, voltage_v=voltage_v, max_current_a=WIRING_A))  # type: ignore[arg-type]
        charging(site)
        limit(site, profile((0, limit_w), unit="W"))
        assert (site.closed == {(1, 1)}) == flows

    def test_a_fault_meanwhile_is_told_as_one_and_power_waits_for_both(self, site: Site) -> None:
        charging(site)
        limit(site, profile((0, 0.0)))
        site.fault()
        lift(site)
        assert site.closed == set()
        limit(site, profile((0, 0.0)))
        site.clear()
        assert site.closed == set()
        lift(site)
        assert (site.closed, said(site)) == ({(1, 1)}, ("Updated", "ChargingRateChanged", "Charging"))

    def test_a_fault_that_goes_after_the_limit_has_is_not_told_as_a_rate(self, site: Site) -> None:
        charging(site)
        site.fault()
        limit(site, profile((0, 0.0)))
        lift(site)
        site.clear()
        assert said(site) == ("Updated", "ChargingStateChanged", "Charging")


class TestWhoIsLimited:
    def test_the_limit_of_one_evse_leaves_the_other_alone(self, site: Site) -> None:
        charging(site)
        charging(site, 2, 1, uid="04FFFFFF")
        limit(site, profile((0, 0.0)), evse=1)
        assert site.closed == {(2, 1)}

    def test_the_stations_maximum_counts_at_every_evse(self, site: Site) -> None:
        charging(site)
        charging(site, 2, 2, uid="04FFFFFF")
        limit(site, profile((0, 0.0), chargingProfilePurpose=STATION_MAX))
        assert site.closed == set()
        assert [event["evse"]["id"] for event in site.events if event["triggerReason"] == "ChargingRateChanged"] == [
            1,
            2,
        ]
        lift(site)
        assert site.closed == {(1, 1), (2, 2)}

    def test_no_profile_goes_beyond_the_stations_maximum(self, site: Site) -> None:
        transaction = charging(site)
        limit(site, profile((0, 0.0), chargingProfilePurpose=STATION_MAX))
        assert limit(site, of_transaction(transaction, (0, 16.0), id=2), evse=1) == "Accepted"
        assert site.closed == set()

    def test_a_profile_that_is_refused_changes_nothing_and_is_not_kept(self, site: Site) -> None:
        charging(site)
        assert limit(site, profile((0, 0.0)), evse=9) == "UnknownEvse"
        assert (site.closed, site.profiles) == ({(1, 1)}, Profiles())

    def test_a_charge_that_begins_under_a_limit_begins_without_power(self, site: Site) -> None:
        limit(site, profile((0, 0.0)))
        charging(site)
        assert (site.closed, site.told()) == (set(), [("Started", "Authorized", 0)])
        assert said(site) == ("Started", "Authorized", "SuspendedEVSE")
        lift(site)
        assert (site.closed, said(site)) == ({(1, 1)}, ("Updated", "ChargingRateChanged", "Charging"))

    @pytest.mark.parametrize(("limit_a", "flows"), [(2 * WIRING_A, {(1, 1), (2, 1)}), (2 * WIRING_A - 1, set())])
    def test_two_evses_never_draw_more_together_than_the_station_may(
        self, site: Site, limit_a: float, flows: set[tuple[int, int]]
    ) -> None:
        limit(site, profile((0, limit_a), chargingProfilePurpose=STATION_MAX))
        charging(site)
        assert site.closed == {(1, 1)}
        charging(site, evse=2, uid="04FFEEDD")
        assert site.closed == flows
        site.unplug(2)
        site.meter(2)
        assert site.closed == {(1, 1)}

    def test_without_a_control_pilot_a_limit_that_cannot_be_kept_is_no_power(self) -> None:
        site = a_site()
        charging(site)
        limit(site, profile((0, 16.0)))
        assert site.closed == set()

    def test_a_remote_start_is_accepted_all_the_same(self, site: Site) -> None:
        limit(site, profile((0, 0.0)))
        assert site.remote_start(7) == {"status": "Accepted"}
        site.plug()
        assert (site.closed, said(site)) == (set(), ("Started", "RemoteStart", "SuspendedEVSE"))
        lift(site)
        assert site.closed == {(1, 1)}

    def test_the_composite_schedule_tells_what_is_in_force(self, site: Site) -> None:
        limit(site, profile((0, 0.0), (60, 16.0)))
        reply = site.remote("GetCompositeSchedule", {"evseId": 1, "duration": 120})
        assert isinstance(reply, Reply)
        told = reply.payload["schedule"]["chargingSchedulePeriod"]
        assert [(period["startPeriod"], period["limit"]) for period in told] == [(0, 0.0), (60, WIRING_A)]

    def test_the_profiles_that_are_installed_are_reported_when_the_csms_asks(self, site: Site) -> None:
        limit(site, profile((0, 16.0)))
        reply = site.remote("GetChargingProfiles", {"requestId": 5, "chargingProfile": {}})
        assert isinstance(reply, Reply)
        assert (reply.payload, site.waiting()) == ({"status": "Accepted"}, ["ReportChargingProfiles"])


class TestTheProfileOfATransaction:
    def test_it_needs_its_transaction_at_that_evse(self, site: Site) -> None:
        assert limit(site, of_transaction("another", (0, 0.0)), evse=1) == "TxNotFound"
        transaction = charging(site)
        assert limit(site, of_transaction(transaction, (0, 0.0)), evse=2) == "TxNotFound"
        assert site.closed == {(1, 1)}
        assert limit(site, of_transaction(transaction, (0, 0.0)), evse=1) == "Accepted"
        assert site.closed == set()

    def test_it_overrules_the_default(self, site: Site) -> None:
        limit(site, profile((0, 0.0)))
        transaction = charging(site)
        limit(site, of_transaction(transaction, (0, 16.0), id=2), evse=1)
        assert site.closed == {(1, 1)}

    def test_it_ends_with_its_transaction_and_the_default_stays(self, site: Site) -> None:
        limit(site, profile((0, 16.0), id=2))
        limit(site, of_transaction(charging(site), (0, 0.0)), evse=1)
        site.pass_time(1)
        site.tap()
        assert len(site.profiles.installed) == 2
        site.meter()
        assert [one.profile.id for one in site.profiles.installed] == [2]
        site.tap()
        site.authorize()
        assert site.closed == {(1, 1)}

    def test_the_other_transactions_profile_stays(self, site: Site) -> None:
        charging(site)
        other = charging(site, 2, 1, uid="04FFFFFF")
        limit(site, of_transaction(other, (0, 0.0)), evse=2)
        site.tap()
        site.meter()
        assert [one.profile.transaction_id for one in site.profiles.installed] == [other]

    def test_a_relative_one_counts_from_the_start_of_the_charge(self, site: Site) -> None:
        transaction = charging(site)
        site.pass_time(50)
        limit(site, of_transaction(transaction, (0, 16.0), (60, 0.0), start=None), evse=1)
        assert site.closed == {(1, 1)}
        site.pass_time(10)
        assert site.closed == set()


class TestTime:
    """Nothing happens but that time passes; the machine says itself when it wants to be asked again."""

    @pytest.fixture
    def site(self) -> Site:
        """One that has hardly anything else to wake up for."""
        site = Site(settings=Settings(sample_s=80_000.0, heartbeat_s=80_000.0, max_current_a=WIRING_A))
        site.link(True)
        site.boot(interval=0)
        for number in (1, 2):
            site.meter(number)
        site.calls.clear()
        return site

    def test_the_machine_asks_for_a_tick_when_the_limit_changes(self, site: Site) -> None:
        charging(site)
        site.pass_time(0.25)
        limit(site, profile((0, 16.0), (60, 0.0), (90, 10.0)))
        assert machine.wake_mono(site.station) == pytest.approx(site.mono + 59.75)
        actions = sleep_until_it_wakes(site)
        assert (Open(1, 1) in actions, said(site)) == (True, ("Updated", "ChargingRateChanged", "SuspendedEVSE"))
        actions = sleep_until_it_wakes(site)
        assert (Close(1, 1) in actions, site.utc) == (True, START + timedelta(seconds=90))

    def test_a_window_that_recurs_opens_and_closes_every_day(self, site: Site) -> None:
        recurring = {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}
        limit(site, profile((0, 0.0), start=START + timedelta(hours=1), duration=3_600, **recurring))
        charging(site)
        seen = []
        while site.utc < START + timedelta(hours=26):
            actions = sleep_until_it_wakes(site)
            seen += [
                (type(action).__name__, (site.utc - START) / timedelta(hours=1))
                for action in actions
                if isinstance(action, Open | Close)
            ]
        assert seen == [("Open", 1.0), ("Close", 2.0), ("Open", 25.0), ("Close", 26.0)]

    def test_a_profile_is_in_force_only_while_it_is_valid(self, site: Site) -> None:
        until = (START + timedelta(seconds=30)).isoformat()
        charging(site)
        limit(site, profile((0, 0.0), validTo=until))
        assert site.closed == set()
        sleep_until_it_wakes(site)
        assert (site.closed, site.utc) == ({(1, 1)}, START + timedelta(seconds=30))

    def test_a_limit_that_has_changed_counts_also_before_a_tick(self, site: Site) -> None:
        charging(site)
        limit(site, profile((0, 16.0), (60, 0.0)))
        site.pass_time(60, tick=False)
        site.meter(2)
        assert site.closed == set()

    def test_a_clock_that_is_set_is_believed(self, site: Site) -> None:
        """A Pi learns the time from the network, and the monotonic clock does not jump with it."""
        charging(site)
        limit(site, profile((0, 16.0), (60, 0.0), (120, 16.0)))
        site.utc += timedelta(seconds=90)
        site.pass_time(0)
        assert (site.closed, machine.wake_mono(site.station)) == (set(), site.mono + 30)

    def test_without_a_transaction_no_limit_wakes_the_machine(self, site: Site) -> None:
        otherwise = machine.wake_mono(site.station)
        limit(site, profile((0, 16.0), (60, 0.0)))
        assert machine.wake_mono(site.station) == otherwise
        charging(site)
        assert machine.wake_mono(site.station) == site.mono + 60
        site.unplug()
        site.meter()
        assert machine.wake_mono(site.station) == otherwise


class TestPowerCut:
    def resumed(self, site: Site) -> None:
        site.power_cut()
        site.pass_time(30)
        site.link(True)
        site.boot()

    def test_a_limit_outlives_it(self, site: Site) -> None:
        charging(site)
        limit(site, profile((0, 0.0)))
        self.resumed(site)
        site.meter()
        assert (site.closed, said(site)[2]) == (set(), "SuspendedEVSE")
        lift(site)
        assert (site.closed, said(site)) == ({(1, 1)}, ("Updated", "ChargingRateChanged", "Charging"))

    def test_so_does_the_profile_of_a_transaction_that_goes_on(self, site: Site) -> None:
        limit(site, of_transaction(charging(site), (0, 0.0)), evse=1)
        self.resumed(site)
        site.meter()
        assert (site.closed, len(site.profiles.installed)) == (set(), 1)

    def test_that_of_a_transaction_that_it_ended_is_dropped(self, site: Site) -> None:
        limit(site, of_transaction(charging(site), (0, 0.0)), evse=1)
        site.plugs.clear()
        self.resumed(site)
        site.meter()
        assert site.profiles == Profiles()

    def test_that_of_a_transaction_that_nobody_knows_any_more_is_dropped_at_the_start(self, site: Site) -> None:
        limit(site, of_transaction(charging(site), (0, 0.0)), evse=1)
        limit(site, profile((0, 16.0), id=2))
        site.journal.clear()
        site.events.clear()
        site.power_cut()
        assert [one.profile.id for one in site.profiles.installed] == [2]

    def test_one_that_is_taken_back_stays_away(self, site: Site) -> None:
        charging(site)
        limit(site, profile((0, 0.0)))
        lift(site)
        self.resumed(site)
        site.meter()
        assert site.closed == {(1, 1)}

    def test_before_a_profile_is_on_disk_nobody_is_told_that_it_was_accepted(self, site: Site) -> None:
        charging(site)
        request = make_request(Version.V201, "SetChargingProfile", {"evseId": 0, "chargingProfile": profile((0, 0.0))})
        site.power_cut(CallReceived("m-1", "SetChargingProfile", request))
        assert (site.replies, site.profiles) == ([], Profiles())


def test_profiles_are_written_down_when_they_change_and_not_else(site: Site) -> None:
    def written(actions: list[Action]) -> int:
        return sum(isinstance(action, SaveKept) for action in actions)

    wanted = {"evseId": 0, "chargingProfile": profile((0, 16.0))}
    assert [written(site.call("SetChargingProfile", wanted)) for _ in range(2)] == [1, 0]
    assert written(site.pass_time(1)) == 0
    assert [written(site.call("ClearChargingProfile", {"chargingProfileId": 1})) for _ in range(2)] == [1, 0]
