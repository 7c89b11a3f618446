"""What people do at a station, and what the station's core does about it."""

from __future__ import annotations

from datetime import timedelta

import pytest

from edge.station import machine
from edge.station.ports import Close, Open, Refuse, Send
from edge.station.settle import may_flow
from edge.station.state import Settings
from edge.station.tokens import AuthorizationSettings
from hardware.ports import Light
from tests.support.station_site import CARD, START, Site, a_site


@pytest.fixture
def site() -> Site:
    return a_site()


def charging(site: Site, evse: int = 1, connector: int = 1, uid: str = CARD) -> str:
    """Somebody taps, is let in and plugs in there. The transaction's id."""
    site.tap(uid)
    site.authorize()
    site.plug(evse, connector)
    transaction = site.evse(evse).transaction
    assert transaction is not None
    assert (evse, connector) in site.closed
    return transaction.id


class TestACharge:
    def test_tap_authorize_plug_close_started_updated_ended(self, site: Site) -> None:
        site.tap()
        assert site.calls == [Send("Authorize", {"idToken": {"idToken": CARD, "type": "ISO14443"}})]
        assert site.lights[1] is Light.WAITING
        site.authorize()
        assert (site.closed, site.events) == (set(), [])
        site.plug()
        assert (site.closed, site.lights[1]) == ({(1, 1)}, Light.CHARGING)
        site.pass_time(5)
        site.meter(wh=10)
        site.pass_time(5)
        site.unplug()
        assert (site.closed, site.meters_wanted) == (set(), [1])
        site.meter()
        assert site.told() == [
            ("Started", "Authorized", 0),
            ("Updated", "MeterValuePeriodic", 1),
            ("Ended", "EVDeparted", 2),
        ]
        assert site.lights[1] is Light.AVAILABLE
        assert site.journal == {}

    def test_started_says_who_where_and_what_the_meter_showed(self, site: Site) -> None:
        site.soc(41.26)
        transaction = charging(site)
        sampled = {"context": "Transaction.Begin"}
        assert site.events == [
            {
                "eventType": "Started",
                "timestamp": "2026-11-23T12:00:00Z",
                "triggerReason": "Authorized",
                "seqNo": 0,
                "transactionInfo": {"transactionId": transaction, "chargingState": "Charging"},
                "evse": {"id": 1, "connectorId": 1},
                "idToken": {"idToken": CARD, "type": "ISO14443"},
                "meterValue": [
                    {
                        "timestamp": "2026-11-23T12:00:00Z",
                        "sampledValue": [
                            {
                                "measurand": "Energy.Active.Import.Register",
                                "value": 1000.0,
                                "unitOfMeasure": {"unit": "Wh"},
                                **sampled,
                            },
                            {
                                "measurand": "Power.Active.Import",
                                "value": 0.0,
                                "unitOfMeasure": {"unit": "W"},
                                **sampled,
                            },
                            {"measurand": "Current.Import", "value": 0.0, "unitOfMeasure": {"unit": "A"}, **sampled},
                            {"measurand": "Voltage", "value": 230.0, "unitOfMeasure": {"unit": "V"}, **sampled},
                        ],
                    }
                ],
            }
        ]

    def test_the_vehicles_state_of_charge_is_told_and_forgotten_with_the_vehicle(self, site: Site) -> None:
        charging(site)
        site.soc(41.26)
        site.pass_time(10)
        *_, soc = site.events[-1]["meterValue"][0]["sampledValue"]
        assert (soc["measurand"], soc["value"], soc["location"]) == ("SoC", 41.3, "EV")
        site.unplug()
        site.meter()
        charging(site)
        assert len(site.events[-1]["meterValue"][0]["sampledValue"]) == 4

    def test_plugged_in_first(self, site: Site) -> None:
        site.plug()
        assert (site.lights[1], site.statuses()) == (Light.WAITING, [(1, 1, "Occupied")])
        site.tap()
        site.authorize()
        assert (site.closed, site.told()) == ({(1, 1)}, [("Started", "Authorized", 0)])

    def test_a_card_is_for_the_evse_where_a_vehicle_waits(self, site: Site) -> None:
        site.plug(2, 1)
        site.tap()
        site.authorize()
        assert site.closed == {(2, 1)}

    def test_a_card_that_was_meant_for_another_evse_follows_the_plug(self, site: Site) -> None:
        site.tap()
        site.authorize()
        site.plug(2, 2)
        assert (site.closed, site.evse(1).authorization) == ({(2, 2)}, None)

    def test_a_remote_start_does_not_follow_the_plug(self, site: Site) -> None:
        assert site.remote_start(1, evse=1) == {"status": "Accepted"}
        site.plug(2, 1)
        assert site.closed == set()

    def test_nothing_flows_before_the_meter_has_been_read(self) -> None:
        site = Site()
        site.link(True)
        site.boot()
        site.tap()
        site.authorize()
        site.plug()
        assert (site.closed, site.events) == (set(), [])
        site.meter()
        assert (site.closed, len(site.events)) == ({(1, 1)}, 1)

    def test_a_sample_is_told_every_ten_seconds_as_the_meter_goes(self, site: Site) -> None:
        charging(site)
        for _ in range(30):
            site.pass_time(1)
            site.meter(wh=2)
        assert [value["sampledValue"][0]["value"] for event in site.events for value in event["meterValue"]] == [
            1000.0,
            1018.0,
            1038.0,
            1058.0,
        ]

    def test_transaction_ids_are_unique_over_restarts(self, site: Site) -> None:
        ids = set()
        for _ in range(3):
            ids.add(charging(site))
            site.tap()
            site.meter()
            site.unplug()
            site.power_cut()
            site.link(True)
            site.boot()
            site.meter()
        assert len(ids) == 3


class TestTheEnd:
    def test_a_second_tap_ends_it_and_its_power_at_once(self, site: Site) -> None:
        charging(site)
        site.pass_time(1)
        site.tap()
        assert (site.closed, site.told()[-1]) == (set(), ("Started", "Authorized", 0))
        site.meter()
        ended = site.events[-1]
        assert site.told()[-1] == ("Ended", "StopAuthorized", 1)
        assert (ended["transactionInfo"]["stoppedReason"], ended["transactionInfo"]["chargingState"]) == (
            "Local",
            "EVConnected",
        )
        assert ended["idToken"] == {"idToken": CARD, "type": "ISO14443"}
        assert site.lights[1] is Light.FINISHING

    def test_another_card_does_not_end_it(self, site: Site) -> None:
        charging(site)
        site.tap("04FFFFFF")
        assert site.closed == {(1, 1)}

    def test_unplugging_ends_it(self, site: Site) -> None:
        charging(site)
        site.unplug()
        site.meter()
        info = site.events[-1]["transactionInfo"]
        assert (info["stoppedReason"], info["chargingState"]) == ("EVDisconnected", "Idle")
        assert site.lights[1] is Light.AVAILABLE

    def test_a_remote_stop_ends_it(self, site: Site) -> None:
        transaction = charging(site)
        site.pass_time(1)
        assert site.remote_stop(transaction) == {"status": "Accepted"}
        assert site.closed == set()
        assert site.remote_stop(transaction) == {"status": "Accepted"}  # again: the answer was lost
        site.meter()
        assert site.told()[-1] == ("Ended", "RemoteStop", 1)
        assert site.remote_stop(transaction)["status"] == "Rejected"

    def test_a_transaction_that_is_not_here_cannot_be_stopped(self, site: Site) -> None:
        charging(site)
        rejected = {"status": "Rejected", "statusInfo": {"reasonCode": "TxNotFound"}}
        assert site.remote_stop("another") == rejected
        assert site.closed == {(1, 1)}

    def test_ended_waits_for_a_reading_that_was_asked_for_with_the_contactor_open(self, site: Site) -> None:
        charging(site)
        site.pass_time(1)
        site.tap()
        site.pass_time(0.2)
        site.meter(asked_s_ago=0.3)
        assert site.told()[-1][0] == "Started"
        site.meter(asked_s_ago=0.1)
        assert site.told()[-1][0] == "Ended"

    def test_but_not_longer_than_three_seconds(self, site: Site) -> None:
        charging(site)
        site.pass_time(1)
        site.tap()
        site.pass_time(2.9)
        assert site.told()[-1][0] == "Started"
        assert machine.wake_mono(site.station) == pytest.approx(site.mono + 0.1)
        site.pass_time(0.1)
        ended = site.events[-1]
        assert (ended["eventType"], ended["timestamp"]) == ("Ended", "2026-11-23T12:00:01Z")

    def test_nor_for_a_meter_that_is_silent(self, site: Site) -> None:
        charging(site)
        site.tap()
        site.fault()
        assert site.told()[-1][0] == "Ended"

    def test_a_plug_that_is_put_back_at_once_does_not_go_on(self, site: Site) -> None:
        charging(site)
        site.unplug()
        site.plug()
        assert site.closed == set()
        site.meter()
        assert [kind for kind, _, _ in site.told()] == ["Started", "Ended"]
        assert site.closed == set()

    def test_after_the_end_the_same_vehicle_may_start_anew(self, site: Site) -> None:
        charging(site)
        site.tap()
        site.meter()
        site.tap()
        site.authorize()
        assert (site.closed, [kind for kind, _, _ in site.told()]) == ({(1, 1)}, ["Started", "Ended", "Started"])


class TestRefusals:
    @pytest.mark.parametrize("status", ["Invalid", "Unknown", "Blocked", "Expired", "NoCredit"])
    def test_a_card_that_is_refused_shows_red_for_a_moment_and_starts_nothing(self, site: Site, status: str) -> None:
        site.plug()
        site.tap()
        site.authorize(status)
        assert (site.lights[1], site.closed, site.events) == (Light.REFUSED, set(), [])
        site.pass_time(2.9)
        assert site.lights[1] is Light.REFUSED
        site.pass_time(0.1)
        assert site.lights[1] is Light.WAITING

    def test_an_error_from_the_csms_is_a_refusal(self, site: Site) -> None:
        site.tap()
        site.answer("Authorize", None)
        assert (site.lights[1], site.station.asking) == (Light.REFUSED, None)

    def test_a_csms_that_does_not_answer_refuses_after_ten_seconds(self, site: Site) -> None:
        site.tap()
        site.pass_time(9.9)
        assert site.lights[1] is Light.WAITING
        site.pass_time(0.1)
        assert site.lights[1] is Light.REFUSED
        site.authorize()  # its answer comes after all
        assert site.evse().authorization is None

    def test_time_passes_also_while_events_never_cease(self, site: Site) -> None:
        """A busy station never has a moment of silence for a tick."""
        site.tap()
        site.pass_time(10, tick=False)
        site.meter(2)
        assert (site.station.asking, site.lights[1]) == (None, Light.REFUSED)
        site.pass_time(3, tick=False)
        site.meter(2)
        assert site.lights[1] is Light.AVAILABLE

    def test_offline_a_tap_is_refused_and_nobody_is_asked(self, site: Site) -> None:
        site.link(False)
        site.tap()
        assert (site.lights[1], site.waiting()) == (Light.REFUSED, [])

    def test_a_link_that_is_lost_while_somebody_waits_refuses(self, site: Site) -> None:
        site.tap()
        site.link(False)
        assert (site.lights[1], site.station.asking) == (Light.REFUSED, None)

    def test_one_driver_at_a_time(self, site: Site) -> None:
        site.tap()
        site.tap("04FFFFFF")
        assert site.waiting() == ["Authorize"]

    def test_where_all_is_taken_or_out_of_order_a_card_is_refused(self, site: Site) -> None:
        charging(site)
        site.fault(evse=2)
        site.tap("04FFFFFF")  # it might be of a group that may stop the charge: only the CSMS knows
        site.authorize()
        assert (site.lights[1], site.closed) == (Light.REFUSED, {(1, 1)})


class TestAuthorization:
    def test_it_lapses_when_nobody_plugs_in(self, site: Site) -> None:
        site.tap()
        site.authorize()
        site.pass_time(59.9)
        assert site.evse().authorization is not None
        site.pass_time(0.1)
        assert (site.evse().authorization, site.lights[1]) == (None, Light.AVAILABLE)
        site.plug()
        assert site.closed == set()

    def test_a_plug_that_comes_too_late_starts_nothing_even_before_a_tick(self, site: Site) -> None:
        site.tap()
        site.authorize()
        site.pass_time(60, tick=False)
        site.plug()
        assert site.closed == set()

    def test_the_same_card_again_takes_it_back(self, site: Site) -> None:
        site.tap()
        site.authorize()
        site.tap()
        site.plug()
        assert (site.closed, site.waiting()[:1]) == (set(), ["StatusNotification"])

    def test_a_late_answer_for_a_driver_who_has_gone_is_nobodys(self, site: Site) -> None:
        site.tap()
        site.pass_time(10)
        site.tap("04FFFFFF")
        site.authorize()  # of the first
        assert (site.evse().authorization, site.station.asking is not None) == (None, True)


class TestRemoteStart:
    def test_it_waits_for_the_plug_and_is_told_with_its_id(self, site: Site) -> None:
        assert site.remote_start(7) == {"status": "Accepted"}
        site.plug()
        assert (site.closed, site.told()) == ({(1, 1)}, [("Started", "RemoteStart", 0)])
        assert site.events[0]["transactionInfo"]["remoteStartId"] == 7
        assert site.events[0]["idToken"] == {"idToken": "D7", "type": "Central"}

    @pytest.mark.parametrize("evse", [1, None])
    def test_asked_again_it_is_accepted_once(self, site: Site, evse: int | None) -> None:
        assert site.remote_start(7, evse) == {"status": "Accepted"}
        assert site.remote_start(7, evse) == {"status": "Accepted"}
        assert [part.number for part in site.station.evses if part.authorization is not None] == [1]
        site.plug()
        transaction = site.evse().transaction
        assert transaction is not None
        assert site.remote_start(7, evse) == {"status": "Accepted", "transactionId": transaction.id}
        assert [part.number for part in site.station.evses if part.authorization is not None] == []
        assert len(site.events) == 1

    @pytest.mark.parametrize(("evse", "reason"), [(9, "UnknownEvse"), (10**30, "UnknownEvse"), (2, "Faulted")])
    def test_where_it_cannot_be_it_is_rejected(self, site: Site, evse: int, reason: str) -> None:
        site.fault(evse=2)
        assert site.remote_start(7, evse) == {"status": "Rejected", "statusInfo": {"reasonCode": reason}}

    def test_where_somebody_is_before_it_is_rejected(self, site: Site) -> None:
        charging(site)
        assert site.remote_start(7, 1)["statusInfo"] == {"reasonCode": "TxInProgress"}
        site.remote_start(8, 2)
        assert site.remote_start(9, 2)["statusInfo"] == {"reasonCode": "Occupied"}

    def test_a_call_that_is_not_supported_is_refused(self, site: Site) -> None:
        reply = site.remote("ClearDisplayMessage", {"id": 1})
        assert reply == Refuse("call-0", "NotSupported", "ClearDisplayMessage is not supported here")


class TestFaults:
    def test_why_an_evse_is_out_of_service_is_told_once_when_it_comes_and_once_when_it_goes(self, site: Site) -> None:
        site.fault()
        site.pass_time(1)
        site.clear()
        told = [notice["eventData"][0] for notice in site.notices]
        assert [(data["variable"]["instance"], data["cleared"], data["eventId"]) for data in told] == [
            ("MeterSilent", False, 0),
            ("MeterSilent", True, 1),
        ]
        assert told[0]["component"] == {"name": "EVSE", "evse": {"id": 1}}

    @pytest.mark.parametrize(
        ("fault", "reason"), [("EmergencyStop", "EmergencyStop"), ("ResidualCurrent", "GroundFault")]
    )
    def test_after_some_power_does_not_come_back_by_itself(self, site: Site, fault: str, reason: str) -> None:
        charging(site)
        site.fault(fault)
        assert (site.closed, site.events[-1]["transactionInfo"]["stoppedReason"]) == (set(), reason)
        site.clear(fault)
        site.meter()
        assert (site.closed, site.journal) == (set(), {})

    def test_nor_does_it_start_for_who_was_let_in_before(self, site: Site) -> None:
        site.tap()
        site.authorize()
        site.fault("EmergencyStop")
        site.clear("EmergencyStop")
        site.plug()
        assert site.closed == set()

    def test_a_fault_opens_first_of_all_and_keeps_the_transaction(self, site: Site) -> None:
        charging(site)
        actions = site.fault()
        assert actions[0] == Open(1, 1)
        assert site.told()[-1] == ("Updated", "AbnormalCondition", 1)
        assert "meterValue" not in site.events[-1]  # a silent meter is not quoted
        assert site.events[-1]["transactionInfo"]["chargingState"] == "SuspendedEVSE"
        assert (site.lights[1], site.statuses()[-1]) == (Light.FAULTED, (1, 1, "Faulted"))

    def test_when_it_is_cleared_the_transaction_goes_on(self, site: Site) -> None:
        transaction = charging(site)
        site.fault()
        site.fault("ContactorWelded")
        site.clear()
        assert site.closed == set()
        actions = site.clear("ContactorWelded")
        assert Close(1, 1) in actions
        assert site.told(transaction)[-1] == ("Updated", "ChargingStateChanged", 2)

    def test_a_fault_at_one_evse_leaves_the_other_alone(self, site: Site) -> None:
        charging(site, 2, 1)
        site.fault(evse=1)
        assert site.closed == {(2, 1)}

    def test_nothing_starts_at_a_faulted_evse_until_it_is_well(self, site: Site) -> None:
        site.remote_start(7, 1)
        site.fault()
        site.plug()
        assert (site.closed, site.events) == (set(), [])
        site.clear()
        assert site.closed == {(1, 1)}

    def test_may_flow_is_the_only_rule(self, site: Site) -> None:
        assert not may_flow(site.evse())
        charging(site)
        assert may_flow(site.evse())
        site.fault()
        assert not may_flow(site.evse())


class TestTwoConnectors:
    def test_only_the_first_that_was_plugged_in_is_used(self, site: Site) -> None:
        site.plug(2, 2)
        site.plug(2, 1)
        assert site.statuses() == [(2, 1, "Unavailable"), (2, 2, "Occupied")]
        site.tap()
        site.authorize()
        assert site.closed == {(2, 2)}

    def test_when_the_first_goes_the_transaction_ends_and_the_other_is_not_given_its_power(self, site: Site) -> None:
        charging(site, 2, 2)
        site.plug(2, 1)
        site.unplug(2, 2)
        assert site.closed == set()
        site.meter(2)
        assert site.told()[-1] == ("Ended", "EVDeparted", 1)
        assert (site.closed, site.evse(2).plugged, site.lights[2]) == (set(), 1, Light.WAITING)

    def test_the_other_one_alone_leaves_the_transaction_alone(self, site: Site) -> None:
        charging(site, 2, 2)
        site.plug(2, 1)
        site.unplug(2, 1)
        assert site.closed == {(2, 2)}


class TestPause:
    def test_a_vehicle_that_draws_next_to_nothing_for_a_while_has_paused(self, site: Site) -> None:
        charging(site)
        site.meter(power_w=7_000)
        site.pass_time(1)
        site.meter(power_w=10)
        site.pass_time(5)
        site.meter(power_w=10)
        assert site.evse().transaction.charging_state == "Charging"  # type: ignore[union-attr]
        site.pass_time(10)
        site.meter(power_w=49)
        assert (site.events[-1]["triggerReason"], site.events[-1]["transactionInfo"]["chargingState"]) == (
            "ChargingStateChanged",
            "SuspendedEV",
        )
        assert (site.closed, site.lights[1]) == ({(1, 1)}, Light.WAITING)
        site.meter(power_w=50)
        assert (site.events[-1]["transactionInfo"]["chargingState"], site.lights[1]) == ("Charging", Light.CHARGING)

    def test_a_dip_is_no_pause(self, site: Site) -> None:
        charging(site)
        for power_w in (7_000, 10, 7_000, 10):
            site.pass_time(10)
            site.meter(power_w=power_w)
        assert {event["transactionInfo"]["chargingState"] for event in site.events} == {"Charging"}


class TestPowerCut:
    def resumed(self, site: Site) -> None:
        site.power_cut()
        site.pass_time(30)
        site.link(True)
        site.boot()

    def test_the_transaction_goes_on_where_it_was_once_the_meter_is_read(self, site: Site) -> None:
        transaction = charging(site)
        site.pass_time(10)
        self.resumed(site)
        assert site.closed == set()
        site.meter()
        assert site.closed == {(1, 1)}
        assert site.told(transaction) == [
            ("Started", "Authorized", 0),
            ("Updated", "MeterValuePeriodic", 1),
            ("Updated", "ChargingStateChanged", 2),
        ]

    def test_with_the_vehicle_gone_it_ends_once(self, site: Site) -> None:
        transaction = charging(site)
        site.plugs.clear()
        self.resumed(site)
        site.meter()
        site.meter()
        assert site.told(transaction)[1:] == [("Ended", "AbnormalCondition", 1)]
        assert site.events[-1]["transactionInfo"]["stoppedReason"] == "PowerLoss"
        assert site.journal == {}
        self.resumed(site)
        assert len(site.events) == 2

    def test_a_charge_that_was_told_to_end_is_not_taken_up_again(self, site: Site) -> None:
        """The driver has stopped it and unplugs no more: power must not flow again because the mains blinked."""
        transaction = charging(site)
        site.pass_time(1)
        site.tap()
        self.resumed(site)
        site.meter()
        assert site.closed == set()
        assert site.told(transaction)[1:] == [("Ended", "StopAuthorized", 1)]
        info = site.events[-1]["transactionInfo"]
        assert (info["stoppedReason"], site.events[-1]["timestamp"]) == ("Local", "2026-11-23T12:00:01Z")

    def test_it_ends_also_when_the_meter_does_not_come_back(self, site: Site) -> None:
        charging(site)
        site.plugs.clear()
        site.power_cut()
        site.pass_time(3)
        assert site.told()[-1][0] == "Ended"
        assert "meterValue" not in site.events[-1]
        assert site.events[-1]["offline"] is True

    def test_waiting_for_the_meter_after_a_restart_the_loop_does_not_spin(self, site: Site) -> None:
        charging(site)
        site.power_cut()
        site.pass_time(60)
        assert machine.wake_mono(site.station) is None

    def test_a_clock_that_is_behind_after_it_does_not_hide_the_energy(self, site: Site) -> None:
        """A Pi has no clock of its own: it starts where it was, or earlier, until the network tells it the time."""
        charging(site)
        site.pass_time(3600)
        site.meter(wh=7_000)
        site.utc = START - timedelta(hours=1)
        self.resumed(site)
        site.meter()
        site.pass_time(10)
        site.meter(wh=20)
        site.tap()
        site.meter()
        values = [event["meterValue"][0]["sampledValue"][0]["value"] for event in site.events]
        assert values[-1] == 8_020.0
        assert site.told()[-1][0] == "Ended"

    def test_what_was_authorized_and_not_begun_is_forgotten(self, site: Site) -> None:
        site.tap()
        site.authorize()
        self.resumed(site)
        site.meter()
        site.plug()
        assert site.closed == set()


class TestLink:
    def test_offline_a_charge_goes_on_and_says_so(self, site: Site) -> None:
        charging(site)
        site.link(False)
        site.pass_time(10)
        site.meter(wh=20)
        assert ("offline" in site.events[0], site.events[-1]["offline"]) == (False, True)
        assert site.closed == {(1, 1)}

    def test_after_a_short_time_offline_only_the_statuses_that_changed_are_told(self, site: Site) -> None:
        site.plug()
        site.statuses()
        site.link(False)
        site.unplug()
        assert site.statuses() == []
        site.pass_time(59)
        site.link(True)
        assert site.statuses() == [(1, 1, "Available")]

    def test_a_status_whose_answer_was_lost_with_the_link_is_told_again(self, site: Site) -> None:
        site.plug()
        site.link(False)
        site.link(True)
        assert site.statuses() == [(1, 1, "Occupied")]

    def test_after_a_long_time_offline_all_statuses_are_told_again(self, site: Site) -> None:
        site.plug()
        site.statuses()
        site.link(False)
        site.unplug()
        assert site.statuses() == []
        site.pass_time(60)
        site.link(True)
        assert site.statuses() == [(1, 1, "Available"), (2, 1, "Available"), (2, 2, "Available")]
        site.pass_time(1)
        assert site.statuses() == []

    def test_a_status_is_told_once_for_each_change(self, site: Site) -> None:
        for _ in range(2):
            site.plug()
        site.unplug()
        assert site.statuses() == [(1, 1, "Occupied"), (1, 1, "Available")]

    def test_the_light_says_that_the_station_cannot_be_used(self) -> None:
        site = a_site(rules=AuthorizationSettings(local_authorize_offline=False))
        site.link(False)
        assert site.lights[1] is Light.UNAVAILABLE
        site.link(True)
        assert site.lights[1] is Light.AVAILABLE

    def test_the_light_stays_green_where_known_cards_are_let_in_offline(self, site: Site) -> None:
        site.link(False)
        assert site.lights[1] is Light.AVAILABLE


class TestBoot:
    def test_it_asks_to_boot_as_soon_as_it_has_a_link_and_says_nothing_else_before(self) -> None:
        site = Site()
        site.pass_time(60)
        assert site.waiting() == []
        site.link(True)
        assert [(call.action, call.payload) for call in site.calls] == [
            ("BootNotification", {"reason": "PowerUp", "chargingStation": {"vendorName": "Colonnina", "model": "Pi 4"}})
        ]
        site.plug()
        site.pass_time(600)
        assert site.waiting() == ["BootNotification"]
        site.boot()
        assert site.statuses() == [(1, 1, "Occupied"), (2, 1, "Available"), (2, 2, "Available")]

    @pytest.mark.parametrize("status", ["Pending", "Rejected"])
    @pytest.mark.parametrize(("interval", "after_s"), [(30, 30.0), (0, 2.0), (-5, 2.0), (10**400, 86_400.0)])
    def test_when_it_may_not_it_asks_again_after_the_interval(self, status: str, interval: int, after_s: float) -> None:
        site = Site()
        site.link(True)
        site.boot(status, interval)
        site.pass_time(after_s - 0.1)
        assert (site.waiting(), site.station.booted) == ([], False)
        site.pass_time(0.1)
        assert site.waiting() == ["BootNotification"]
        site.boot()
        assert site.station.booted

    def test_without_an_answer_it_asks_again(self) -> None:
        site = Site()
        site.link(True)
        site.answer("BootNotification", None)
        site.pass_time(2)
        assert site.waiting() == ["BootNotification"]

    def test_a_link_that_was_lost_meanwhile_asks_at_once(self) -> None:
        site = Site()
        site.link(True)
        site.link(False)
        site.pass_time(60)
        assert site.waiting() == []
        site.link(True)
        assert site.waiting() == ["BootNotification"]

    def test_before_it_has_booted_a_card_is_refused(self) -> None:
        site = Site()
        site.link(True)
        site.tap()
        assert (site.waiting(), site.lights[1]) == (["BootNotification"], Light.REFUSED)

    @pytest.mark.parametrize(
        ("interval", "every_s"), [(60, 60.0), (300, 300.0), (0, 45.0), (-5, 45.0), (10**400, 86_400.0)]
    )
    def test_heartbeats_come_at_the_csms_interval_or_where_it_has_none_at_our_own(
        self, interval: int, every_s: float
    ) -> None:
        site = Site(settings=Settings(heartbeat_s=45.0))
        site.link(True)
        site.boot(interval=interval)
        site.statuses()
        site.pass_time(every_s - 0.1)
        assert site.waiting() == []
        for count in (1, 2, 3):
            site.pass_time(0.1 if count == 1 else every_s)
            assert site.waiting() == ["Heartbeat"] * count

    def test_offline_there_are_no_heartbeats_and_none_are_made_up_for(self, site: Site) -> None:
        site.link(False)
        site.pass_time(600)
        site.link(True)
        site.statuses()
        assert site.waiting() == []
        site.pass_time(60)
        assert site.waiting() == ["Heartbeat"]


def test_a_station_with_nothing_to_do_wants_no_tick_but_for_its_heartbeat(site: Site) -> None:
    assert machine.wake_mono(site.station) == site.mono + 60
    assert machine.wake_mono(Site().station) is None
