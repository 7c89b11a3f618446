"""Reservations at a station (OCPP 2.0.1, block H): who may charge meanwhile, and how each of them ends."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from edge.station.ports import Reply
from hardware.ports import Light, PilotState
from tests.support.station_site import CARD, Site, a_site

OTHER = "04FFFFFF"
IN_AN_HOUR_S = 3_600.0


@pytest.fixture
def site() -> Site:
    """Two EVSEs: 1 with one connector, 2 with two."""
    return a_site()


def reserve(
    site: Site, evse: int | None = 1, *, id: int = 1, uid: str = CARD, seconds: float = IN_AN_HOUR_S, **more: Any
) -> dict[str, Any]:
    until = (site.utc + timedelta(seconds=seconds)).isoformat()
    wanted = {"id": id, "expiryDateTime": until, "idToken": {"idToken": uid, "type": "ISO14443"}, **more}
    reply = site.remote("ReserveNow", wanted if evse is None else {**wanted, "evseId": evse})
    assert isinstance(reply, Reply)
    return dict(reply.payload)


def start(site: Site, evse: int | None, uid: str = CARD, **more: Any) -> dict[str, Any]:
    wanted = {"remoteStartId": 7, "idToken": {"idToken": uid, "type": "ISO14443"}, **more}
    reply = site.remote("RequestStartTransaction", wanted if evse is None else {**wanted, "evseId": evse})
    assert isinstance(reply, Reply)
    return dict(reply.payload)


def cancel(site: Site, id: int = 1) -> dict[str, Any]:
    reply = site.remote("CancelReservation", {"reservationId": id})
    assert isinstance(reply, Reply)
    return dict(reply.payload)


def ids(site: Site) -> list[int]:
    return [held.id for held in site.kept.reservations]


ACCEPTED, OCCUPIED = {"status": "Accepted"}, {"status": "Occupied"}


class TestOfOneEvse:
    def test_it_is_told_shown_and_kept(self, site: Site) -> None:
        assert reserve(site) == ACCEPTED
        assert (site.statuses(), site.lights[1], ids(site)) == ([(1, 1, "Reserved")], Light.RESERVED, [1])

    def test_all_connectors_of_the_evse_are_reserved(self, site: Site) -> None:
        reserve(site, 2)
        assert site.statuses() == [(2, 1, "Reserved"), (2, 2, "Reserved")]

    def test_the_holder_uses_it_up(self, site: Site) -> None:
        reserve(site, 2)
        site.tap()
        site.authorize()
        assert site.evse(2).authorization is not None  # rather than the first that is free
        site.plug(2, 1)
        assert (site.closed, site.events[0]["reservationId"], ids(site)) == ({(2, 1)}, 1, [])
        assert (site.reservations, "reservationId" in site.events[-1]) == ([], True)

    def test_the_holder_does_not_start_the_car_of_somebody_else(self, site: Site) -> None:
        reserve(site, 2)
        site.plug(1, 1)
        site.tap()
        site.authorize()
        assert (site.closed, site.evse(2).authorization is not None) == (set(), True)

    def test_the_holder_may_plug_in_first(self, site: Site) -> None:
        reserve(site)
        site.plug()
        assert (site.statuses()[-1], site.closed) == ((1, 1, "Occupied"), set())
        site.tap()
        site.authorize()
        assert (site.closed, ids(site)) == ({(1, 1)}, [])

    def test_another_card_is_let_in_at_another_evse(self, site: Site) -> None:
        reserve(site)
        site.tap(OTHER)
        site.authorize()
        assert [evse.authorization is not None for evse in site.station.evses] == [False, True]

    def test_another_card_does_not_charge_here_whatever_it_does(self, site: Site) -> None:
        reserve(site)
        site.plug()
        site.tap(OTHER)
        site.authorize()
        assert (site.closed, site.evse(1).authorization) == (set(), None)
        site.unplug()
        site.plug()  # its authorization does not follow the plug here
        assert (site.closed, ids(site)) == (set(), [1])

    def test_another_card_is_refused_where_all_else_is_in_use(self, site: Site) -> None:
        reserve(site)
        site.plug(2, 1)
        site.tap("04B2")
        site.authorize()
        site.tap(OTHER)
        site.authorize()
        assert (site.lights[1], site.evse(1).authorization) == (Light.REFUSED, None)

    def test_a_card_of_the_group_may(self, site: Site) -> None:
        reserve(site, groupIdToken={"idToken": "family", "type": "Central"})
        site.plug()
        site.tap(OTHER)
        site.authorize(group="family")
        assert (site.closed, ids(site), site.events[0]["reservationId"]) == ({(1, 1)}, [], 1)

    def test_a_card_of_another_group_may_not(self, site: Site) -> None:
        reserve(site, groupIdToken={"idToken": "family", "type": "Central"})
        site.plug()
        site.tap(OTHER)
        site.authorize(group="strangers")
        assert (site.closed, ids(site)) == (set(), [1])

    def test_a_holder_who_charges_elsewhere_keeps_it(self, site: Site) -> None:
        reserve(site)
        site.tap()
        site.authorize()
        site.plug(2, 1)
        assert (site.closed, ids(site)) == ({(2, 1)}, [1])

    def test_a_remote_start_of_the_holder_uses_it(self, site: Site) -> None:
        reserve(site)
        assert start(site, 1) == ACCEPTED
        site.plug()
        assert (site.events[0]["reservationId"], ids(site)) == (1, [])

    def test_a_remote_start_without_an_evse_finds_it(self, site: Site) -> None:
        reserve(site, 2)
        assert start(site, None) == ACCEPTED
        assert site.evse(2).authorization is not None

    def test_a_remote_start_of_the_group_uses_it(self, site: Site) -> None:
        reserve(site, groupIdToken={"idToken": "family", "type": "Central"})
        assert start(site, 1, OTHER, groupIdToken={"idToken": "family", "type": "Central"}) == ACCEPTED
        site.plug()
        assert ids(site) == []

    def test_a_remote_start_of_another_is_refused(self, site: Site) -> None:
        reserve(site)
        assert start(site, 1, OTHER) == {"status": "Rejected", "statusInfo": {"reasonCode": "Reserved"}}


class TestOfAnyEvse:
    def test_while_more_are_free_than_reserved_all_are_for_everybody(self, site: Site) -> None:
        assert reserve(site, None) == ACCEPTED
        assert site.statuses() == []
        site.tap(OTHER)
        site.authorize()
        site.plug()
        assert site.closed == {(1, 1)}

    def test_the_last_that_is_free_is_kept(self, site: Site) -> None:
        reserve(site, None)
        site.plug(2, 2)
        assert site.statuses() == [(1, 1, "Reserved"), (2, 1, "Unavailable"), (2, 2, "Occupied")]
        site.unplug(2, 2)
        assert site.statuses() == [(1, 1, "Available"), (2, 1, "Available"), (2, 2, "Available")]

    def test_nobody_gets_the_last_one_by_plugging_in_first(self, site: Site) -> None:
        reserve(site, None)
        site.tap("04B2")
        site.authorize()
        site.plug(2, 1)
        site.plug(1, 1)
        site.tap(OTHER)
        site.authorize()
        assert (site.closed, site.lights[2]) == ({(2, 1)}, Light.REFUSED)
        assert start(site, 1, OTHER) == {"status": "Rejected", "statusInfo": {"reasonCode": "Reserved"}}
        site.pass_time(5)
        site.tap()
        site.authorize()
        assert (site.closed, ids(site)) == ({(1, 1), (2, 1)}, [])

    def test_who_is_authorized_before_it_keeps_the_right(self, site: Site) -> None:
        site.tap(OTHER)
        site.authorize()
        reserve(site, None)
        assert site.statuses() == [(2, 1, "Reserved"), (2, 2, "Reserved")]
        site.plug()
        assert (site.closed, ids(site)) == ({(1, 1)}, [1])

    def test_he_may_still_choose_among_those_that_are_left(self, site: Site) -> None:
        site.tap(OTHER)
        site.authorize()
        reserve(site, None)
        site.calls.clear()
        site.plug(2, 1)
        assert (site.closed, ids(site)) == ({(2, 1)}, [1])
        assert site.statuses() == [(1, 1, "Reserved"), (2, 1, "Occupied"), (2, 2, "Unavailable")]

    def test_the_holder_takes_whichever_he_likes(self, site: Site) -> None:
        reserve(site, None)
        site.tap()
        site.authorize()
        site.plug(2, 2)
        assert (site.closed, site.events[0]["reservationId"], ids(site)) == ({(2, 2)}, 1, [])

    def test_the_reservation_by_name_is_used_before_the_one_of_any(self, site: Site) -> None:
        reserve(site, None, id=1)
        assert reserve(site, 2, id=2) == ACCEPTED
        site.tap()
        site.authorize()
        site.plug(2, 1)
        assert (site.events[0]["reservationId"], ids(site)) == (2, [1])

    def test_no_more_are_promised_than_there_are(self, site: Site) -> None:
        assert [reserve(site, None, id=number, uid=f"04{number}") for number in (1, 2, 3)] == [
            ACCEPTED,
            ACCEPTED,
            OCCUPIED,
        ]
        assert reserve(site, 1, id=4) == OCCUPIED
        assert site.statuses() == [(1, 1, "Reserved"), (2, 1, "Reserved"), (2, 2, "Reserved")]

    def test_nor_to_the_same_card(self, site: Site) -> None:
        assert [reserve(site, None, id=number) for number in (1, 2, 3)] == [ACCEPTED, ACCEPTED, OCCUPIED]

    def test_one_of_a_type_keeps_the_last_of_its_type(self) -> None:
        site = a_site()
        types = ((1, 1, "cType2"), (2, 1, "cCCS2"), (2, 2, "cType2"))
        site.station = replace(site.station, types=types)
        assert reserve(site, None, connectorType="cCCS2") == ACCEPTED
        assert site.statuses() == [(2, 1, "Reserved"), (2, 2, "Reserved")]
        assert reserve(site, None, id=2, connectorType="cCCS2") == OCCUPIED
        assert reserve(site, None, id=2, connectorType="cG105") == {
            "status": "Rejected",
            "statusInfo": {"reasonCode": "UnknownConnectorType"},
        }
        assert reserve(site, None, id=2, connectorType="cType2") == ACCEPTED
        assert site.statuses() == [(1, 1, "Reserved")]


class TestTheAnswer:
    def test_the_same_id_again_replaces_it(self, site: Site) -> None:
        reserve(site, 1, id=1)
        assert reserve(site, 2, id=1, uid=OTHER) == ACCEPTED
        assert [(held.id, held.evse, held.id_token.id_token) for held in site.kept.reservations] == [(1, 2, OTHER)]
        assert site.reservations == []

    def test_the_same_id_again_for_the_same_place_only_changes_it(self, site: Site) -> None:
        reserve(site, seconds=10)
        assert reserve(site, seconds=100) == ACCEPTED
        site.pass_time(20)
        assert (ids(site), site.reservations) == ([1], [])

    def test_one_that_cannot_be_had_leaves_the_old_one(self, site: Site) -> None:
        reserve(site, 1, id=1)
        site.plug(2, 1)
        assert reserve(site, 2, id=1) == OCCUPIED
        assert [(held.id, held.evse) for held in site.kept.reservations] == [(1, 1)]

    def test_a_place_that_is_reserved_is_not_promised_again_to_anybody(self, site: Site) -> None:
        reserve(site, 1, id=1)
        assert [reserve(site, 1, id=2, uid=uid) for uid in (OTHER, CARD)] == [OCCUPIED, OCCUPIED]

    def test_a_place_with_a_vehicle_is_occupied(self, site: Site) -> None:
        site.plug()
        assert reserve(site) == OCCUPIED
        site.tap()
        site.authorize()
        assert reserve(site) == OCCUPIED

    def test_a_place_for_which_somebody_has_tapped_is_occupied(self, site: Site) -> None:
        site.tap(OTHER)
        site.authorize()
        assert reserve(site) == OCCUPIED

    def test_a_place_that_is_out_of_order_or_of_service_says_so(self, site: Site) -> None:
        site.fault()
        assert reserve(site) == {"status": "Faulted"}
        site.remote("ChangeAvailability", {"operationalStatus": "Inoperative", "evse": {"id": 2}})
        assert reserve(site, 2) == {"status": "Unavailable"}

    @pytest.mark.parametrize(
        ("evse", "seconds", "more", "reason"),
        [
            (9, 60, {}, "UnknownEvse"),
            (1, 0, {}, "InvalidValue"),
            (1, -60, {}, "InvalidValue"),
            (1, 60, {"connectorType": "cG105"}, "UnknownConnectorType"),
        ],
    )
    def test_nonsense_is_refused(
        self, site: Site, evse: int, seconds: float, more: dict[str, Any], reason: str
    ) -> None:
        answer = reserve(site, evse, seconds=seconds, **more)
        assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": reason}}
        assert ids(site) == []


class TestTheEnd:
    def test_it_expires_and_the_csms_is_told(self, site: Site) -> None:
        reserve(site, seconds=60)
        site.calls.clear()
        site.pass_time(59.9)
        assert (ids(site), site.reservations) == ([1], [])
        site.pass_time(0.1)
        assert (ids(site), site.reservations) == ([], [(1, "Expired")])
        assert (site.statuses(), site.lights[1]) == ([(1, 1, "Available")], Light.AVAILABLE)

    def test_it_expires_offline_too_and_that_is_told_later(self, site: Site) -> None:
        reserve(site, seconds=60)
        site.link(False)
        site.pass_time(60)
        assert site.reservations == [(1, "Expired")]

    def test_it_expires_while_the_holder_has_yet_to_plug_in(self, site: Site) -> None:
        reserve(site, seconds=30)
        site.tap()
        site.authorize()
        site.pass_time(40)
        assert site.reservations == [(1, "Expired")]
        site.plug()
        assert (site.closed, "reservationId" in site.events[0]) == ({(1, 1)}, False)

    def test_cancelling_frees_the_place_without_further_word(self, site: Site) -> None:
        reserve(site)
        site.calls.clear()
        assert cancel(site) == ACCEPTED
        assert (site.statuses(), site.reservations) == ([(1, 1, "Available")], [])
        assert cancel(site) == {"status": "Rejected"}

    def test_cancelling_one_that_was_used_or_never_made_is_refused(self, site: Site) -> None:
        reserve(site)
        site.tap()
        site.authorize()
        site.plug()
        assert [cancel(site), cancel(site, 2)] == [{"status": "Rejected"}] * 2

    def test_a_fault_of_its_evse_removes_it(self, site: Site) -> None:
        reserve(site, 1, id=1)
        reserve(site, 2, id=2)
        site.fault("MeterSilent", 1)
        assert (ids(site), site.reservations) == ([2], [(1, "Removed")])

    def test_a_pilot_that_is_lost_removes_it(self) -> None:
        site = a_site(pilots={(1, 1): PilotState.A})
        reserve(site)
        site.pilot(None)
        assert site.reservations == [(1, "Removed")]

    def test_taking_its_evse_out_of_service_removes_it(self, site: Site) -> None:
        reserve(site, 2)
        out = {"operationalStatus": "Inoperative", "evse": {"id": 2, "connectorId": 1}}
        site.remote("ChangeAvailability", out)
        assert ids(site) == [1]  # another connector is left
        site.plug(2, 1)  # by somebody who has not seen that it is out of service
        assert ids(site) == [1]
        site.remote("ChangeAvailability", {"operationalStatus": "Inoperative"})
        assert (ids(site), site.reservations) == ([], [(1, "Removed")])

    def test_one_of_any_evse_stays_though_all_are_out_of_order(self, site: Site) -> None:
        reserve(site, None)
        site.fault("MeterSilent", 1)
        site.fault("MeterSilent", 2)
        assert (ids(site), site.reservations) == ([1], [])


class TestPowerCutsAndRestarts:
    def test_it_outlasts_a_power_cut(self, site: Site) -> None:
        reserve(site)
        site.power_cut()
        site.link(True)
        site.boot()
        assert (ids(site), (1, 1, "Reserved") in site.statuses()) == ([1], True)

    def test_one_that_expired_without_power_is_told_as_expired_and_once(self, site: Site) -> None:
        reserve(site, seconds=60)
        site.mono += 100
        site.utc += timedelta(seconds=100)
        site.power_cut()
        assert (ids(site), site.reservations) == ([], [(1, "Expired")])
        site.power_cut()
        assert site.reservations == [(1, "Expired")]

    def test_it_outlasts_a_reset(self, site: Site) -> None:
        reserve(site)
        site.remote("Reset", {"type": "Immediate"})
        assert (site.left, ids(site), site.reservations) == (["RemoteReset"], [1], [])

    def test_one_that_was_used_does_not_come_back(self, site: Site) -> None:
        reserve(site)
        site.tap()
        site.authorize()
        site.plug()
        site.power_cut()
        assert (ids(site), len(site.journal)) == ([], 1)
