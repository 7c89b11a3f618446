"""Reset (OCPP 2.0.1, B11 and B12): when the station leaves, what happens until then, and what it says afterwards."""

from __future__ import annotations

from typing import Any

import pytest

from edge.station.ports import Reply, Restart, Send
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
    return transaction.id


def reset(site: Site, kind: str, **more: Any) -> dict[str, Any]:
    reply = site.remote("Reset", {"type": kind, **more})
    assert isinstance(reply, Reply)
    return dict(reply.payload)


def boot_reason(site: Site) -> str:
    """What the station says at its next start."""
    site.power_cut()
    site.link(True)
    (boot,) = [call for call in site.calls if call.action == "BootNotification"]
    site.boot()
    return str(boot.payload["reason"])


class TestOfAStationThatNobodyUses:
    @pytest.mark.parametrize(("kind", "reason"), [("Immediate", "RemoteReset"), ("OnIdle", "ScheduledReset")])
    def test_it_answers_and_leaves_at_once_and_says_why_when_it_is_back(
        self, site: Site, kind: str, reason: str
    ) -> None:
        actions = site.call("Reset", {"type": kind})
        order = [type(action) for action in actions if isinstance(action, Reply | Restart)]
        assert (order, site.replies[-1]) == ([Reply, Restart], Reply("call", "Reset", {"status": "Accepted"}))
        assert (site.left, boot_reason(site)) == ([reason], reason)

    def test_the_reason_is_said_until_the_csms_has_accepted_the_station_and_not_after(self, site: Site) -> None:
        reset(site, "OnIdle")
        site.power_cut()
        site.link(True)
        site.boot("Pending", interval=5)
        site.power_cut()
        assert boot_reason(site) == "ScheduledReset"
        assert boot_reason(site) == "PowerUp"

    def test_it_leaves_once(self, site: Site) -> None:
        reset(site, "OnIdle")
        site.pass_time(60)
        site.tap()
        assert site.left == ["ScheduledReset"]

    def test_a_vehicle_that_waits_without_a_transaction_does_not_hold_it_up(self, site: Site) -> None:
        site.plug()
        assert reset(site, "OnIdle") == {"status": "Accepted"}
        assert site.left == ["ScheduledReset"]

    def test_nor_does_somebody_who_was_let_in_and_has_not_plugged_in(self, site: Site) -> None:
        site.tap()
        site.authorize()
        assert reset(site, "OnIdle") == {"status": "Accepted"}
        assert site.left == ["ScheduledReset"]

    def test_one_evse_alone_cannot_be_reset(self, site: Site) -> None:
        assert reset(site, "Immediate", evseId=1)["status"] == "Rejected"
        assert (site.left, site.station.leaving) == ([], None)

    def test_offline_settings_and_all_it_can_be_asked_before_the_csms_has_accepted_it(self) -> None:
        site = Site()
        site.link(True)
        site.boot("Pending", interval=60)
        assert reset(site, "Immediate") == {"status": "Accepted"}
        assert site.left == ["RemoteReset"]


class TestOnIdle:
    def test_it_waits_until_nobody_charges(self, site: Site) -> None:
        charging(site)
        charging(site, 2, 1, "04B2")
        assert reset(site, "OnIdle") == {"status": "Scheduled"}
        site.pass_time(100)
        assert (site.left, site.closed) == ([], {(1, 1), (2, 1)})
        site.unplug(1, 1)
        site.meter(1)
        assert site.left == []
        site.unplug(2, 1)
        actions = site.meter(2)
        ended = next(act for act in actions if isinstance(act, Send) and act.action == "TransactionEvent")
        assert actions.index(ended) < actions.index(Restart("ScheduledReset"))
        assert (site.left, site.told()[-1][:2]) == (["ScheduledReset"], ("Ended", "EVDeparted"))

    def test_meanwhile_nobody_begins_to_charge(self, site: Site) -> None:
        charging(site)
        site.calls.clear()
        reset(site, "OnIdle")
        assert site.statuses() == [(2, 1, "Unavailable"), (2, 2, "Unavailable")]
        assert (site.lights[1], site.lights[2]) == (Light.CHARGING, Light.UNAVAILABLE)
        site.plug(2, 1)
        assert site.remote_start(3, 2) == {"status": "Rejected", "statusInfo": {"reasonCode": "Unavailable"}}
        site.tap("04B2")
        site.authorize()
        assert (site.lights[2], site.closed) == (Light.REFUSED, {(1, 1)})

    def test_who_was_let_in_before_does_not_begin_either(self, site: Site) -> None:
        charging(site)
        site.tap("04B2")
        site.authorize()
        reset(site, "OnIdle")
        site.plug(2, 1)
        assert site.closed == {(1, 1)}

    def test_immediately_after_all(self, site: Site) -> None:
        charging(site)
        reset(site, "OnIdle")
        assert reset(site, "Immediate") == {"status": "Accepted"}
        site.meter()
        assert site.left == ["RemoteReset"]

    def test_a_power_cut_meanwhile_is_the_restart(self, site: Site) -> None:
        transaction = charging(site)
        reset(site, "OnIdle")
        assert boot_reason(site) == "PowerUp"
        site.meter()
        assert (site.closed, site.station.leaving, site.left) == ({(1, 1)}, None, [])
        assert {event["transactionInfo"]["transactionId"] for event in site.events} == {transaction}

    def test_a_vehicle_that_draws_nothing_holds_it_up_too(self) -> None:
        site = a_site(pilots={(1, 1): PilotState.A})
        charging(site)
        site.pilot(PilotState.B)
        assert reset(site, "OnIdle") == {"status": "Scheduled"}
        site.pilot(PilotState.C)
        assert (site.closed, site.left) == ({(1, 1)}, [])


class TestImmediate:
    def test_it_ends_what_goes_on_and_leaves_when_that_is_written_down(self, site: Site) -> None:
        charging(site)
        charging(site, 2, 1, "04B2")
        site.pass_time(1)
        assert reset(site, "Immediate") == {"status": "Accepted"}
        assert (site.closed, site.left) == (set(), [])
        site.meter(1)
        assert site.left == []
        site.meter(2)
        ended = [event for event in site.events if event["eventType"] == "Ended"]
        assert [event["triggerReason"] for event in ended] == ["ResetCommand"] * 2
        assert [event["transactionInfo"]["stoppedReason"] for event in ended] == ["ImmediateReset"] * 2
        assert (site.left, site.journal) == (["RemoteReset"], {})

    def test_a_meter_that_says_nothing_holds_it_up_for_three_seconds(self, site: Site) -> None:
        charging(site)
        site.pass_time(1)
        reset(site, "Immediate")
        site.pass_time(2.9)
        assert site.left == []
        site.pass_time(0.1)
        assert (site.left, site.told()[-1][:2]) == (["RemoteReset"], ("Ended", "ResetCommand"))

    def test_a_meter_that_is_known_to_be_silent_not_at_all(self, site: Site) -> None:
        charging(site)
        site.fault()
        reset(site, "Immediate")
        assert site.left == ["RemoteReset"]

    def test_a_transaction_that_is_ending_already_keeps_its_reason(self, site: Site) -> None:
        charging(site)
        site.tap()
        reset(site, "Immediate")
        site.meter()
        assert site.events[-1]["transactionInfo"]["stoppedReason"] == "Local"
        assert site.left == ["RemoteReset"]

    def test_a_power_cut_before_it_has_left_ends_the_transaction_all_the_same(self, site: Site) -> None:
        charging(site)
        reset(site, "Immediate")
        site.power_cut()
        site.meter()
        assert (site.closed, site.journal) == (set(), {})
        assert site.events[-1]["transactionInfo"]["stoppedReason"] == "ImmediateReset"
