"""A connector with a control pilot (IEC 61851-1, annex A): what is offered, and when the contactor is closed."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from edge.station.ports import Close, Offer, Open, Reply
from edge.station.state import Settings
from hardware.ports import Light, PilotState
from tests.support.station_site import CARD, START, Site, a_site

A, B, C, D, E, F = PilotState


def piloted(**more: Any) -> Site:
    return a_site(pilots={(1, 1): A}, **more)


@pytest.fixture
def site() -> Site:
    return piloted()


def charging(site: Site, evse: int = 1, connector: int = 1) -> str:
    """Somebody taps, is let in and plugs in there. The transaction's id."""
    site.tap()
    site.authorize()
    site.plug(evse, connector)
    transaction = site.evse(evse).transaction
    assert transaction is not None
    return transaction.id


def limit(site: Site, limit_a: float, id: int = 1, **more: Any) -> None:
    """A limit of the whole station, from now on."""
    schedule = {
        "id": 1,
        "chargingRateUnit": "A",
        "startSchedule": site.utc.isoformat(),
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
        **more,
    }
    profile = {
        "id": id,
        "stackLevel": 0,
        "chargingProfilePurpose": "ChargingStationMaxProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    reply = site.remote("SetChargingProfile", {"evseId": 0, "chargingProfile": profile})
    assert isinstance(reply, Reply)
    assert reply.payload == {"status": "Accepted"}


def state(site: Site) -> str:
    """OCPP's chargingState as it was told last."""
    return str(site.events[-1]["transactionInfo"]["chargingState"])


class TestACharge:
    def test_nothing_is_offered_to_a_vehicle_that_nobody_has_paid_for(self, site: Site) -> None:
        for said in (B, C):
            site.pilot(said)
            assert (site.offers, site.closed, site.lights[1]) == ({}, set(), Light.WAITING)
        assert site.statuses() == [(1, 1, "Occupied")]

    def test_the_contactor_waits_for_the_vehicle_to_ask(self, site: Site) -> None:
        site.tap()
        site.authorize()
        assert Offer(1, 1, 32.0) in site.pilot(B)
        assert (site.closed, site.told(), state(site)) == (set(), [("Started", "Authorized", 0)], "SuspendedEV")
        assert Close(1, 1) in site.pilot(C)
        assert (site.closed, state(site)) == ({(1, 1)}, "SuspendedEV")  # nothing is drawn yet
        site.meter()
        assert site.told()[-1] == ("Updated", "ChargingStateChanged", 1)
        assert (state(site), site.lights[1]) == ("Charging", Light.CHARGING)

    def test_a_vehicle_that_asked_before_it_was_offered_anything_gets_power_with_the_offer(self, site: Site) -> None:
        site.plug()
        site.tap()
        site.authorize()
        assert (site.offers, site.closed, state(site)) == ({(1, 1): 32.0}, {(1, 1)}, "Charging")

    def test_a_vehicle_that_pauses_and_comes_back_stays_in_its_transaction(self, site: Site) -> None:
        transaction = charging(site)
        for _ in range(2):
            site.pilot(B)
            assert (site.closed, site.offers) == (set(), {(1, 1): 32.0})
            assert (state(site), site.lights[1]) == ("SuspendedEV", Light.WAITING)
            site.pilot(C)
            site.meter()
            assert (state(site), site.closed) == ("Charging", {(1, 1)})
        assert {event["transactionInfo"]["transactionId"] for event in site.events} == {transaction}
        assert site.kept.counters.cycles == ((1, 1, 3),)

    def test_the_power_is_cut_as_soon_as_the_vehicle_no_longer_asks(self, site: Site) -> None:
        charging(site)
        assert Open(1, 1) in site.pilot(B)

    def test_an_end_takes_the_offer_back_and_cuts_at_once(self, site: Site) -> None:
        charging(site)
        actions = site.tap()
        assert {Offer(1, 1, None), Open(1, 1)} <= {act for act in actions if isinstance(act, Offer | Open)}
        site.meter()
        assert (site.offers, site.lights[1]) == ({(1, 1): None}, Light.FINISHING)
        site.pilot(B)
        site.pilot(C)
        assert (site.closed, site.lights[1]) == (set(), Light.FINISHING)

    def test_unplugging_ends_it(self, site: Site) -> None:
        charging(site)
        site.unplug()
        site.meter()
        assert site.told()[-1] == ("Ended", "EVDeparted", 1)
        assert (site.closed, site.offers, site.lights[1]) == (set(), {(1, 1): None}, Light.AVAILABLE)

    def test_a_power_cut_forgets_the_offer_and_it_is_made_anew(self, site: Site) -> None:
        charging(site)
        site.power_cut()
        assert (site.offers, site.closed) == ({}, set())
        site.meter()
        assert (site.offers, site.closed) == ({(1, 1): 32.0}, {(1, 1)})


class TestALimit:
    def test_what_is_offered_is_the_limit_in_force(self, site: Site) -> None:
        limit(site, 10)
        charging(site)
        assert (site.offers, site.closed) == ({(1, 1): 10.0}, {(1, 1)})

    def test_a_limit_that_falls_while_charging_is_offered_without_cutting(self, site: Site) -> None:
        charging(site)
        before = len(site.events)
        limit(site, 10)
        assert (site.offers, site.closed, site.kept.counters.cycles) == ({(1, 1): 10.0}, {(1, 1)}, ((1, 1, 1),))
        assert len(site.events) == before

    def test_below_six_amperes_there_is_nothing_to_offer_and_no_power(self, site: Site) -> None:
        charging(site)
        limit(site, 5.9)
        assert (site.offers, site.closed) == ({(1, 1): None}, set())
        assert (site.told()[-1][1], state(site)) == ("ChargingRateChanged", "SuspendedEVSE")
        limit(site, 6)
        assert (site.offers, site.closed) == ({(1, 1): 6.0}, {(1, 1)})
        assert (site.told()[-1][1], state(site)) == ("ChargingRateChanged", "Charging")

    def test_a_vehicle_that_left_c_when_the_offer_was_withdrawn_has_to_ask_again(self, site: Site) -> None:
        charging(site)
        limit(site, 0)
        site.pilot(B)
        limit(site, 16)
        assert (site.offers, site.closed, state(site)) == ({(1, 1): 16.0}, set(), "SuspendedEV")
        site.pilot(C)
        assert site.closed == {(1, 1)}

    def test_never_more_than_the_wiring_carries_nor_than_a_pilot_can_say(self) -> None:
        site = piloted(settings=Settings(max_current_a=25))
        limit(site, 40)
        charging(site)
        assert site.offers == {(1, 1): 25.0}
        site = piloted(settings=Settings(max_current_a=125))
        charging(site)
        assert site.offers == {(1, 1): 80.0}

    def test_two_vehicles_share_the_stations_limit(self) -> None:
        site = a_site(pilots={(1, 1): A, (2, 1): A})
        limit(site, 20)
        charging(site)
        assert site.offers == {(1, 1): 20.0}
        site.tap("04FFFFFF")
        site.authorize()
        site.plug(2, 1)
        assert site.offers == {(1, 1): 10.0, (2, 1): 10.0}
        site.unplug(2, 1)
        site.meter(2)
        assert site.offers == {(1, 1): 20.0, (2, 1): None}

    def test_a_lease_that_ran_out_leaves_the_safe_current(self) -> None:
        site = piloted(settings=Settings(safe_a=8))
        limit(site, 16, duration=60)
        charging(site)
        assert site.offers == {(1, 1): 16.0}
        site.pass_time(60)
        assert (site.offers, site.closed) == ({(1, 1): 8.0}, {(1, 1)})
        limit(site, 20, duration=60)
        assert site.offers == {(1, 1): 20.0}

    def test_without_a_safe_current_an_expired_limit_is_as_if_it_had_never_been(self, site: Site) -> None:
        limit(site, 16, duration=60)
        charging(site)
        site.pass_time(60)
        assert site.offers == {(1, 1): 32.0}

    def test_a_safe_current_below_six_amperes_is_no_power_until_a_new_limit_comes(self) -> None:
        site = piloted(settings=Settings(safe_a=0))
        limit(site, 16, duration=60)
        charging(site)
        site.pass_time(60)
        assert (site.offers, site.closed) == ({(1, 1): None}, set())
        limit(site, 16, duration=60)
        assert (site.offers, site.closed) == ({(1, 1): 16.0}, {(1, 1)})

    def test_a_profile_that_came_with_a_remote_start_is_the_transactions_own(self, site: Site) -> None:
        assert start_with_profile(site, 10)["status"] == "Accepted"
        assert site.profiles.installed == ()
        site.plug()
        assert site.offers == {(1, 1): 10.0}
        transaction = site.evse().transaction
        assert transaction is not None
        assert [one.profile.transaction_id for one in site.profiles.installed] == [transaction.id]
        site.unplug()
        site.meter()
        assert site.profiles.installed == ()
        charging(site)
        assert site.offers == {(1, 1): 32.0}

    @pytest.mark.parametrize("wrong", [{"chargingProfilePurpose": "TxDefaultProfile"}, {"transactionId": "another"}])
    def test_a_remote_start_with_a_profile_that_is_no_transactions_is_refused(
        self, site: Site, wrong: dict[str, Any]
    ) -> None:
        answer = start_with_profile(site, 10, **wrong)
        assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": "InvalidProfile"}}
        site.plug()
        assert (site.closed, site.events) == (set(), [])


def start_with_profile(site: Site, limit_a: float, **more: Any) -> dict[str, Any]:
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}]}
    profile = {
        "id": 3,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
        **more,
    }
    wanted = {"remoteStartId": 1, "idToken": {"idToken": CARD, "type": "ISO14443"}, "evseId": 1}
    reply = site.remote("RequestStartTransaction", {**wanted, "chargingProfile": profile})
    assert isinstance(reply, Reply)
    return dict(reply.payload)


class TestAPilotThatSaysWhatItShouldNot:
    @pytest.mark.parametrize(("said", "fault"), [(None, "PilotLost"), (E, "PilotFault"), (F, "PilotFault")])
    def test_power_is_cut_and_the_plug_believed_as_it_was(
        self, site: Site, said: PilotState | None, fault: str
    ) -> None:
        transaction = charging(site)
        site.pilot(said)
        assert (site.closed, site.offers, site.evse().plugged) == (set(), {(1, 1): None}, 1)
        assert (site.evse().faults, site.lights[1]) == ({fault}, Light.FAULTED)
        assert (site.told()[-1][1], state(site)) == ("AbnormalCondition", "SuspendedEVSE")
        site.pilot(C)
        assert (site.closed, site.offers, state(site)) == ({(1, 1)}, {(1, 1): 32.0}, "Charging")
        assert site.told(transaction) == site.told()

    def test_a_vehicle_that_left_meanwhile_has_left(self, site: Site) -> None:
        charging(site)
        site.pilot(None)
        site.pilot(A)
        site.meter()
        assert site.told()[-1][:2] == ("Ended", "EVDeparted")
        assert (site.closed, site.evse().faults, site.lights[1]) == (set(), frozenset(), Light.AVAILABLE)

    def test_one_fault_follows_the_other(self, site: Site) -> None:
        charging(site)
        site.pilot(None)
        site.pilot(F)
        assert site.evse().faults == {"PilotFault"}
        site.pilot(B)
        assert (site.evse().faults, site.offers, state(site)) == (frozenset(), {(1, 1): 32.0}, "SuspendedEV")

    def test_a_card_still_ends_it(self, site: Site) -> None:
        charging(site)
        site.pilot(None)
        site.tap()
        assert site.told()[-1][:2] == ("Ended", "StopAuthorized")
        site.pilot(C)
        assert (site.closed, site.lights[1]) == (set(), Light.FINISHING)

    def test_a_power_cut_does_not_make_it_an_empty_place(self, site: Site) -> None:
        """The transaction waits for the pilot's word, as it would have without the cut."""
        charging(site)
        site.pilot(None)
        site.power_cut()
        site.meter()
        assert (site.closed, site.evse().plugged, len(site.journal)) == (set(), 1, 1)
        site.pilot(C)
        assert (site.closed, state(site)) == ({(1, 1)}, "Charging")

    def test_after_a_power_cut_it_may_say_that_the_vehicle_has_gone(self, site: Site) -> None:
        charging(site)
        site.pilot(None)
        site.power_cut()
        site.meter()
        site.pilot(A)
        site.meter()
        assert (site.told()[-1][0], site.closed, site.journal) == ("Ended", set(), {})

    def test_a_place_that_nobody_uses_is_out_of_order_too(self, site: Site) -> None:
        site.pilot(None)
        assert site.statuses() == [(1, 1, "Faulted")]
        site.tap()
        site.authorize()
        assert site.evse(2).authorization is not None
        site.pilot(A)
        assert site.statuses() == [(1, 1, "Available")]


class TestVentilation:
    def test_a_vehicle_that_needs_it_gets_no_power_where_there_is_none(self, site: Site) -> None:
        site.tap()
        site.authorize()
        site.pilot(B)
        site.pilot(D)
        assert (site.closed, site.evse().faults) == (set(), {"VentilationRequired"})
        site.pilot(C)
        assert (site.closed, site.evse().faults) == ({(1, 1)}, frozenset())
        site.pilot(D)
        assert (site.closed, site.evse().plugged, state(site)) == (set(), 1, "SuspendedEVSE")

    def test_it_gets_it_where_there_is(self) -> None:
        site = piloted(settings=Settings(ventilated=True))
        site.tap()
        site.authorize()
        site.pilot(D)
        assert (site.closed, site.evse().faults) == ({(1, 1)}, frozenset())
        site.pilot(C)
        site.pilot(D)
        assert site.kept.counters.cycles == ((1, 1, 1),)


class TestTwoConnectors:
    @pytest.fixture
    def site(self) -> Site:
        return a_site(pilots={(2, 1): A})

    def test_the_one_with_a_switch_needs_no_word_of_the_vehicle(self, site: Site) -> None:
        charging(site, 2, 2)
        assert (site.closed, site.offers) == ({(2, 2)}, {})

    def test_the_one_with_a_switch_is_all_or_nothing(self, site: Site) -> None:
        charging(site, 2, 2)
        limit(site, 16)
        assert site.closed == set()
        limit(site, 32)
        assert site.closed == {(2, 2)}

    def test_a_vehicle_at_the_other_one_waits_until_the_first_has_gone(self, site: Site) -> None:
        charging(site, 2, 2)
        site.pilot(C, 2, 1)
        assert (site.closed, site.offers) == ({(2, 2)}, {})
        site.unplug(2, 2)
        site.meter(2)
        assert (site.closed, site.evse(2).plugged) == (set(), 1)
        site.tap()
        site.authorize()
        assert (site.closed, site.offers) == ({(2, 1)}, {(2, 1): 32.0})

    def test_a_pilot_that_is_lost_takes_the_whole_evse_with_it(self, site: Site) -> None:
        charging(site, 2, 2)
        site.pilot(None, 2, 1)
        assert site.closed == set()
        site.pilot(A, 2, 1)
        assert site.closed == {(2, 2)}


class TestDrawingTooMuch:
    WATTS_PER_A = 230

    def draw(self, site: Site, amperes: float, seconds: int) -> None:
        for _ in range(seconds):
            site.pass_time(1)
            site.meter(power_w=amperes * self.WATTS_PER_A if site.closed else 0)

    def test_who_draws_more_than_was_offered_is_cut_off_until_he_unplugs(self, site: Site) -> None:
        limit(site, 10)
        charging(site)
        self.draw(site, 16, 10)
        assert site.closed == {(1, 1)}
        self.draw(site, 16, 1)
        assert (site.closed, site.offers, site.evse().faults) == (set(), {(1, 1): None}, {"OverCurrent"})
        site.pilot(B)
        site.pilot(C)
        self.draw(site, 0, 60)
        assert site.closed == set()
        site.unplug()
        assert site.evse().faults == frozenset()
        self.draw(site, 0, 1)
        charging(site)
        assert site.closed == {(1, 1)}

    def test_a_tenth_more_is_within_what_meters_err(self, site: Site) -> None:
        limit(site, 10)
        charging(site)
        self.draw(site, 11.4, 60)
        assert site.closed == {(1, 1)}

    def test_a_short_peak_is_forgiven(self, site: Site) -> None:
        charging(site)
        for _ in range(5):
            self.draw(site, 40, 9)
            self.draw(site, 30, 1)
        assert site.closed == {(1, 1)}

    def test_after_a_lower_offer_the_vehicle_has_time_to_follow(self, site: Site) -> None:
        charging(site)
        self.draw(site, 32, 30)
        limit(site, 10)
        self.draw(site, 32, 5)
        self.draw(site, 10, 30)
        assert site.closed == {(1, 1)}

    def test_who_does_not_follow_a_lower_offer_is_cut_off(self, site: Site) -> None:
        charging(site)
        self.draw(site, 32, 30)
        limit(site, 10)
        self.draw(site, 32, 14)
        assert site.closed == {(1, 1)}
        self.draw(site, 32, 2)
        assert (site.closed, site.evse().faults) == (set(), {"OverCurrent"})

    def test_offers_that_change_all_the_time_save_nobody_who_ignores_them(self, site: Site) -> None:
        charging(site)
        for limit_a in (10, 12, 10, 12, 10, 12):
            limit(site, limit_a)
            self.draw(site, 32, 3)
        assert (site.closed, site.evse().faults) == (set(), {"OverCurrent"})

    def test_how_long_can_be_set(self) -> None:
        site = piloted(settings=Settings(over_current_s=3))
        charging(site)
        self.draw(site, 40, 3)
        assert site.closed == {(1, 1)}
        self.draw(site, 40, 1)
        assert site.closed == set()


def test_statuses_are_told_anew_after_a_long_time_offline_and_what_changed_after_a_short_one(site: Site) -> None:
    site.link(False)
    site.pass_time(59)
    site.link(True)
    assert site.statuses() == []
    site.link(False)
    site.pass_time(30)
    site.pilot(B)
    site.link(True)
    assert site.statuses() == [(1, 1, "Occupied")]
    site.link(False)
    site.pass_time(60)
    site.link(True)
    assert site.statuses() == [(1, 1, "Occupied"), (2, 1, "Available"), (2, 2, "Available")]
    assert site.utc == START + timedelta(seconds=149)
