"""What the CSMS asks of a station beside charging: availability, unlocking, messages now, vendors' own messages."""

from __future__ import annotations

from typing import Any

import pytest

from edge.station.ports import Refuse, Reply, Send
from hardware.ports import Light, PilotState
from tests.support.station_site import CARD, Site, a_site


@pytest.fixture
def site() -> Site:
    return a_site()


def charging(site: Site, evse: int = 1, connector: int = 1, uid: str = CARD) -> str:
    site.tap(uid)
    site.authorize()
    site.plug(evse, connector)
    transaction = site.evse(evse).transaction
    assert transaction is not None
    site.calls.clear()
    return transaction.id


def ask(site: Site, action: str, **payload: Any) -> dict[str, Any]:
    reply = site.remote(action, payload)
    assert isinstance(reply, Reply)
    return dict(reply.payload)


def change(site: Site, word: str, evse: int | None = None, connector: int | None = None) -> str:
    place = {} if evse is None else {"evse": {"id": evse, **({} if connector is None else {"connectorId": connector})}}
    return str(ask(site, "ChangeAvailability", operationalStatus=word, **place)["status"])


OUT, IN = "Inoperative", "Operative"
UNKNOWN = {"status": "Rejected", "statusInfo": {"reasonCode": "UnknownEvse"}}


class TestAvailability:
    def test_an_evse_goes_out_of_service_and_comes_back(self, site: Site) -> None:
        assert change(site, OUT, 2) == "Accepted"
        assert site.statuses() == [(2, 1, "Unavailable"), (2, 2, "Unavailable")]
        assert (site.lights[1], site.lights[2]) == (Light.AVAILABLE, Light.UNAVAILABLE)
        assert change(site, IN, 2) == "Accepted"
        assert site.statuses() == [(2, 1, "Available"), (2, 2, "Available")]

    def test_the_whole_station_too(self, site: Site) -> None:
        assert change(site, OUT) == "Accepted"
        assert site.statuses() == [(1, 1, "Unavailable"), (2, 1, "Unavailable"), (2, 2, "Unavailable")]
        site.tap()
        assert (site.lights[1], site.waiting()) == (Light.REFUSED, [])
        assert site.remote_start(1, 1) == {"status": "Rejected", "statusInfo": {"reasonCode": "Unavailable"}}

    def test_one_connector_leaves_the_other_to_be_used(self, site: Site) -> None:
        assert change(site, OUT, 2, 1) == "Accepted"
        assert (site.statuses(), site.lights[2]) == ([(2, 1, "Unavailable")], Light.AVAILABLE)
        site.plug(2, 1)
        site.tap()
        site.authorize()
        assert (site.closed, site.lights[2]) == (set(), Light.UNAVAILABLE)
        site.unplug(2, 1)
        site.plug(2, 2)
        assert site.closed == {(2, 2)}

    def test_what_is_asked_twice_is_accepted_twice(self, site: Site) -> None:
        assert [change(site, word, 1) for word in (OUT, OUT, IN, IN)] == ["Accepted"] * 4
        assert site.kept.inoperative == frozenset()

    def test_station_evse_and_connector_are_three_switches(self, site: Site) -> None:
        for place in ((), (2,), (2, 1)):
            change(site, OUT, *place)
        site.statuses()
        change(site, IN)
        assert site.statuses() == [(1, 1, "Available")]
        change(site, IN, 2)
        assert site.statuses() == [(2, 2, "Available")]
        change(site, IN, 2, 1)
        assert site.statuses() == [(2, 1, "Available")]

    @pytest.mark.parametrize("place", [(9,), (1, 2), (0,), (0, 1)])
    def test_a_place_that_is_not_there_is_refused(self, site: Site, place: tuple[int, ...]) -> None:
        assert change(site, OUT, *place) == "Rejected"
        assert site.kept.inoperative == frozenset()

    @pytest.mark.parametrize("place", [(), (1,), (1, 1)])
    def test_during_a_transaction_it_waits_for_the_end(self, site: Site, place: tuple[int, ...]) -> None:
        charging(site)
        assert change(site, OUT, *place) == "Scheduled"
        site.meter()
        site.pass_time(60)
        assert (site.closed, site.lights[1]) == ({(1, 1)}, Light.CHARGING)
        site.unplug()
        site.meter()
        assert (site.statuses()[-1], site.lights[1]) == ((1, 1, "Unavailable"), Light.UNAVAILABLE)

    def test_a_vehicle_that_stays_after_its_transaction_does_not_hold_it_up(self, site: Site) -> None:
        charging(site)
        change(site, OUT, 1)
        site.tap()
        site.meter()
        assert (site.statuses(), site.lights[1]) == ([(1, 1, "Unavailable")], Light.UNAVAILABLE)

    def test_it_can_be_called_off_before_the_end(self, site: Site) -> None:
        charging(site)
        change(site, OUT, 1)
        assert change(site, IN, 1) == "Accepted"
        site.unplug()
        site.meter()
        assert site.lights[1] is Light.AVAILABLE

    def test_another_connector_of_an_evse_in_use_is_not_scheduled(self, site: Site) -> None:
        charging(site, 2, 2)
        assert [change(site, OUT, 2, 1), change(site, OUT, 2, 2)] == ["Accepted", "Scheduled"]

    def test_what_is_scheduled_outlasts_a_power_cut(self, site: Site) -> None:
        charging(site)
        change(site, OUT, 1)
        site.power_cut()
        site.link(True)
        site.boot()
        site.meter()
        assert (site.closed, (1, 1, "Occupied") in site.statuses()) == ({(1, 1)}, True)
        site.unplug()
        site.meter()
        assert site.statuses() == [(1, 1, "Unavailable")]

    def test_out_of_service_outlasts_a_power_cut_and_a_reset(self, site: Site) -> None:
        change(site, OUT)
        ask(site, "Reset", type="Immediate")
        site.power_cut()
        site.link(True)
        site.boot()
        assert {word for _, _, word in site.statuses()} == {"Unavailable"}

    def test_who_was_let_in_before_gets_nothing_afterwards(self, site: Site) -> None:
        site.tap()
        site.authorize()
        change(site, OUT, 1)
        site.plug()
        assert (site.closed, site.events, site.lights[1]) == (set(), [], Light.UNAVAILABLE)

    def test_he_gets_it_when_it_is_back_in_time_or_at_another_evse(self, site: Site) -> None:
        site.tap()
        site.authorize()
        change(site, OUT, 1)
        site.plug()
        change(site, IN, 1)
        assert site.closed == {(1, 1)}
        site.tap("04B2")
        site.authorize()
        change(site, OUT)
        change(site, IN)
        site.plug(2, 2)
        assert site.closed == {(1, 1), (2, 2)}

    def test_his_right_lapses_as_any_other(self, site: Site) -> None:
        site.tap()
        site.authorize()
        change(site, OUT, 1)
        site.plug()
        site.pass_time(60)
        change(site, IN, 1)
        assert (site.closed, site.statuses()[-1]) == (set(), (1, 1, "Occupied"))

    def test_a_fault_goes_before_out_of_service(self, site: Site) -> None:
        change(site, OUT, 1)
        site.fault()
        site.clear()
        assert site.statuses() == [(1, 1, "Unavailable"), (1, 1, "Faulted"), (1, 1, "Unavailable")]


class TestUnlocking:
    def test_there_is_no_lock_here(self, site: Site) -> None:
        site.plug()
        answer = ask(site, "UnlockConnector", evseId=1, connectorId=1)
        assert (answer["status"], answer["statusInfo"]["reasonCode"]) == ("UnlockFailed", "UnsupportedRequest")

    def test_a_transaction_goes_on(self, site: Site) -> None:
        charging(site)
        assert ask(site, "UnlockConnector", evseId=1, connectorId=1) == {"status": "OngoingAuthorizedTransaction"}
        assert site.closed == {(1, 1)}

    @pytest.mark.parametrize(("evse", "connector"), [(9, 1), (1, 2), (0, 0)])
    def test_what_is_not_there_is_unknown(self, site: Site, evse: int, connector: int) -> None:
        assert ask(site, "UnlockConnector", evseId=evse, connectorId=connector) == {"status": "UnknownConnector"}


def test_no_vendors_messages_are_known(site: Site) -> None:
    assert ask(site, "DataTransfer", vendorId="com.example", data={"any": 1}) == {"status": "UnknownVendorId"}


def test_an_action_that_is_not_known_is_refused_by_name(site: Site) -> None:
    reply = site.remote("CostUpdated", {"totalCost": 1.0, "transactionId": "t"})
    assert isinstance(reply, Refuse)
    assert reply.code == "NotSupported"


class TestTriggers:
    def trigger(self, site: Site, message: str, **evse: int) -> str:
        place = {"evse": evse} if evse else {}
        return str(ask(site, "TriggerMessage", requestedMessage=message, **place)["status"])

    def test_a_heartbeat_now(self, site: Site) -> None:
        assert self.trigger(site, "Heartbeat") == "Accepted"
        assert site.waiting() == ["Heartbeat"]

    def test_the_answer_goes_before_what_was_asked_for(self, site: Site) -> None:
        actions = site.call("TriggerMessage", {"requestedMessage": "MeterValues", "evse": {"id": 1}})
        assert [type(action) for action in actions] == [Reply, Send]

    def test_meter_values_of_one_evse_or_of_all(self, site: Site) -> None:
        assert self.trigger(site, "MeterValues", id=2) == "Accepted"
        assert self.trigger(site, "MeterValues") == "Accepted"
        assert [call.payload["evseId"] for call in site.calls] == [2, 1, 2]
        sampled = site.calls[0].payload["meterValue"][0]["sampledValue"]
        assert {value["context"] for value in sampled} == {"Trigger"}

    def test_no_meter_values_where_the_meter_is_silent(self, site: Site) -> None:
        site.fault("MeterSilent", 2)
        site.calls.clear()
        assert self.trigger(site, "MeterValues", id=2) == "Rejected"
        assert self.trigger(site, "MeterValues") == "Accepted"
        assert [call.payload["evseId"] for call in site.calls] == [1]

    def test_the_status_of_a_connector_though_it_was_told(self, site: Site) -> None:
        assert self.trigger(site, "StatusNotification", id=2, connectorId=2) == "Accepted"
        assert site.statuses() == [(2, 2, "Available")]

    @pytest.mark.parametrize("place", [{}, {"id": 2}, {"id": 2, "connectorId": 9}, {"id": 0, "connectorId": 1}])
    def test_a_status_is_that_of_one_connector(self, site: Site, place: dict[str, int]) -> None:
        assert self.trigger(site, "StatusNotification", **place) == "Rejected"
        assert site.calls == []

    def test_how_the_transaction_goes(self, site: Site) -> None:
        charging(site)
        site.pass_time(3)
        site.meter(wh=5)
        assert self.trigger(site, "TransactionEvent", id=1) == "Accepted"
        told = site.events[-1]
        assert (told["eventType"], told["triggerReason"], told["transactionInfo"]["chargingState"]) == (
            "Updated",
            "Trigger",
            "Charging",
        )
        energy = told["meterValue"][0]["sampledValue"][0]
        assert (energy["value"], energy["context"]) == (1005.0, "Trigger")

    def test_of_all_transactions(self, site: Site) -> None:
        charging(site)
        charging(site, 2, 2, "04B2")
        assert self.trigger(site, "TransactionEvent") == "Accepted"
        assert [event["evse"]["id"] for event in site.events if event["triggerReason"] == "Trigger"] == [1, 2]

    def test_there_is_nothing_to_tell_of_no_transaction(self, site: Site) -> None:
        assert self.trigger(site, "TransactionEvent") == "Rejected"
        charging(site)
        site.tap()
        assert self.trigger(site, "TransactionEvent", id=1) == "Rejected"

    def test_a_boot_notification_only_while_it_has_not_been_accepted(self) -> None:
        site = Site()
        site.link(True)
        site.boot("Pending", interval=3_600)
        assert self.trigger(site, "Heartbeat") == "Rejected"
        assert self.trigger(site, "BootNotification") == "Accepted"
        assert site.waiting() == ["BootNotification"]
        site.boot()
        assert self.trigger(site, "BootNotification") == "Rejected"

    def test_of_an_evse_that_is_not_there(self, site: Site) -> None:
        assert ask(site, "TriggerMessage", requestedMessage="MeterValues", evse={"id": 9}) == UNKNOWN

    def test_what_this_station_never_says(self, site: Site) -> None:
        assert self.trigger(site, "SignCombinedCertificate") == "NotImplemented"

    def test_of_a_vehicle_with_a_pilot_that_pauses(self) -> None:
        site = a_site(pilots={(1, 1): PilotState.A})
        charging(site)
        site.pilot(PilotState.B)
        self.trigger(site, "TransactionEvent", id=1)
        assert site.events[-1]["transactionInfo"]["chargingState"] == "SuspendedEV"
