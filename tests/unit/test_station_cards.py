"""Cards at a station: groups, master passes, lists that count when the CSMS cannot be asked, and its later word."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from edge.station.token_orders import ClearTokenCache, RememberToken, TellListVersion, UpdateLocalList
from edge.station.tokens import AuthorizationSettings, Cached, IdToken, Known, ListEntry, ListUpdate, TokenInfo
from hardware.ports import Light
from tests.support.station_site import CARD, START, Site, a_site

OTHER = "04FFEEDD"
ACCEPTED = TokenInfo("Accepted")


@pytest.fixture
def site() -> Site:
    return a_site()


def charging(site: Site, evse: int = 1, group: str | None = None) -> dict[str, Any]:
    """Somebody taps, is let in online and plugs in there. The Started event."""
    site.tap()
    site.authorize(group=group)
    site.plug(evse)
    assert (evse, 1) in site.closed
    return site.events[-1]


class TestOffline:
    def test_a_card_of_the_list_charges_and_its_events_say_offline(self, site: Site) -> None:
        site.known[CARD] = Known(listed=ACCEPTED)
        site.link(False)
        site.tap()
        site.plug()
        assert site.closed == {(1, 1)}
        assert (site.events[0]["eventType"], site.events[0]["offline"]) == ("Started", True)
        assert site.calls == []

    def test_a_card_that_the_csms_accepted_lately_charges(self, site: Site) -> None:
        site.known[CARD] = Known(cached=Cached(ACCEPTED, START - timedelta(days=1)))
        site.link(False)
        site.tap()
        site.plug()
        assert site.closed == {(1, 1)}

    @pytest.mark.parametrize(
        "known",
        [
            Known(),
            Known(listed=TokenInfo("Blocked")),
            Known(cached=Cached(ACCEPTED, START - timedelta(days=31))),
            Known(listed=TokenInfo("Blocked"), cached=Cached(ACCEPTED, START)),
        ],
    )
    def test_a_card_that_is_unknown_blocked_or_long_unseen_is_refused(self, site: Site, known: Known) -> None:
        site.known[CARD] = known
        site.link(False)
        site.tap()
        site.plug()
        assert (site.closed, site.lights[1]) == (set(), Light.REFUSED)

    def test_whom_nobody_knows_charges_where_that_is_wanted(self) -> None:
        site = a_site(rules=AuthorizationSettings(offline_tx_for_unknown_id_enabled=True))
        site.link(False)
        site.tap()
        site.plug()
        assert site.closed == {(1, 1)}

    def test_a_link_that_is_lost_while_the_csms_is_asked_leaves_the_list_to_decide(self, site: Site) -> None:
        site.known[CARD] = Known(listed=ACCEPTED)
        site.plug()
        site.tap()
        assert site.closed == set()
        site.link(False)
        assert site.closed == {(1, 1)}

    def test_so_does_a_csms_that_does_not_answer(self, site: Site) -> None:
        site.known[CARD] = Known(listed=ACCEPTED)
        site.plug()
        site.tap()
        site.pass_time(10)
        assert site.closed == {(1, 1)}


class TestOnline:
    def test_the_csms_is_asked_though_the_card_is_known(self, site: Site) -> None:
        site.known[CARD] = Known(listed=ACCEPTED)
        site.tap()
        assert [call.action for call in site.calls] == ["Authorize"]

    def test_it_is_not_where_local_pre_authorize_says_so(self) -> None:
        site = a_site(rules=AuthorizationSettings(local_pre_authorize=True))
        site.known[CARD] = Known(listed=ACCEPTED)
        site.plug()
        site.tap()
        assert site.closed == {(1, 1)}
        assert [call.action for call in site.calls] == ["StatusNotification"]

    def test_an_answer_that_comes_too_late_is_remembered_all_the_same(self, site: Site) -> None:
        site.tap()
        site.pass_time(10)
        site.authorize()
        assert site.remembered == [RememberToken(IdToken(CARD, "ISO14443"), ACCEPTED)]
        assert site.lights[1] is Light.REFUSED

    def test_what_the_csms_says_of_a_card_is_remembered(self, site: Site) -> None:
        site.tap()
        site.authorize("Blocked", group="family")
        assert site.remembered == [RememberToken(IdToken(CARD, "ISO14443"), TokenInfo("Blocked", "family"))]


class TestGroups:
    def test_a_card_of_the_same_group_stops_the_charge(self, site: Site) -> None:
        charging(site, group="family")
        site.tap(OTHER)
        site.authorize(group="family")
        site.meter()
        assert (site.closed, site.events[-1]["transactionInfo"]["stoppedReason"]) == (set(), "Local")

    def test_its_ended_says_which_card_that_was(self, site: Site) -> None:
        charging(site, group="family")
        site.tap(OTHER)
        site.authorize(group="family")
        site.meter()
        assert site.events[-1]["idToken"] == {"idToken": OTHER, "type": "ISO14443"}

    def test_two_cars_of_one_family_charge_side_by_side(self, site: Site) -> None:
        charging(site, group="family")
        site.plug(2)
        site.tap(OTHER)
        site.authorize(group="family")
        assert site.closed == {(1, 1), (2, 1)}

    def test_a_group_that_is_told_later_counts_from_then_on(self, site: Site) -> None:
        started = charging(site)
        site.transaction_answered(started, "Accepted", group="family")
        site.tap(OTHER)
        site.authorize(group="family")
        assert site.closed == set()

    def test_a_blocked_card_of_the_group_does_not(self, site: Site) -> None:
        charging(site, group="family")
        site.tap(OTHER)
        site.authorize("Blocked", group="family")
        assert site.closed == {(1, 1)}

    def test_the_group_survives_a_power_cut(self, site: Site) -> None:
        charging(site, group="family")
        site.power_cut()
        site.link(True)
        site.boot()
        site.meter()
        assert site.closed == {(1, 1)}
        site.tap(OTHER)
        site.authorize(group="family")
        assert site.closed == set()

    def test_a_master_pass_stops_all_and_starts_nothing(self) -> None:
        site = a_site(rules=AuthorizationSettings(master_pass_group_id="police"))
        for evse in (1, 2):
            site.tap(f"04A1B2C{evse}")
            site.authorize()
            site.plug(evse)
        assert site.closed == {(1, 1), (2, 1)}
        site.tap(OTHER)
        site.authorize(group="police")
        assert site.closed == set()
        for evse in (1, 2):
            site.meter(evse)
        assert [event["transactionInfo"]["stoppedReason"] for event in site.events[-2:]] == ["MasterPass"] * 2
        site.tap(OTHER)
        site.authorize(group="police")
        assert (site.closed, site.lights[1]) == (set(), Light.REFUSED)


class TestTheCsmssLaterWord:
    def test_a_transaction_whose_card_is_not_accepted_is_ended(self, site: Site) -> None:
        started = charging(site)
        site.transaction_answered(started, "Blocked")
        assert site.closed == set()
        site.meter()
        assert site.events[-1]["transactionInfo"]["stoppedReason"] == "DeAuthorized"
        assert site.events[-1]["triggerReason"] == "Deauthorized"

    def test_one_whose_card_is_goes_on(self, site: Site) -> None:
        site.transaction_answered(charging(site), "Accepted")
        assert site.closed == {(1, 1)}

    def test_or_it_goes_on_with_no_more_than_so_much_energy(self) -> None:
        rules = AuthorizationSettings(stop_tx_on_invalid_id=False, max_energy_on_invalid_id_wh=100)
        site = a_site(rules=rules)
        site.transaction_answered(charging(site), "Blocked")
        assert site.closed == {(1, 1)}
        site.meter(wh=99)
        assert site.closed == {(1, 1)}
        site.meter(wh=1)
        assert (site.closed, site.events[-1]["transactionInfo"]["chargingState"]) == (set(), "SuspendedEVSE")
        assert site.events[-1]["triggerReason"] == "Deauthorized"
        site.unplug()
        site.meter()
        assert site.events[-1]["eventType"] == "Ended"

    def test_a_later_acceptance_lifts_the_bound(self) -> None:
        site = a_site(rules=AuthorizationSettings(stop_tx_on_invalid_id=False))
        started = charging(site)
        site.transaction_answered(started, "Blocked")
        assert site.closed == set()
        site.transaction_answered(started, "Accepted")
        assert site.closed == {(1, 1)}

    def test_a_word_on_a_transaction_that_is_over_changes_nothing(self, site: Site) -> None:
        started = charging(site)
        site.unplug()
        site.meter()
        site.plug()
        site.transaction_answered(started, "Blocked")
        assert site.events[-1]["eventType"] == "Ended"


class TestLists:
    def test_the_calls_about_them_become_orders_to_the_token_memory(self, site: Site) -> None:
        entry = {"idToken": {"idToken": CARD, "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}}
        update = {"versionNumber": 3, "updateType": "Full", "localAuthorizationList": [entry]}
        for action, payload in (("SendLocalList", update), ("GetLocalListVersion", {}), ("ClearCache", {})):
            site.call(action, payload)
        assert site.orders == [
            UpdateLocalList("call", "SendLocalList", ListUpdate(3, True, (ListEntry(CARD, "ISO14443", ACCEPTED),))),
            TellListVersion("call", "GetLocalListVersion"),
            ClearTokenCache("call", "ClearCache"),
        ]

    def test_a_card_that_is_good_for_some_evses_only_is_let_in_there(self, site: Site) -> None:
        site.known[CARD] = Known(listed=TokenInfo("Accepted", evses=(2,)))
        site.link(False)
        site.plug(1)
        site.tap()
        assert site.closed == set()
        site.plug(2)
        assert site.closed == {(2, 1)}
