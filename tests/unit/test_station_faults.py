"""Faults that a power cut does not heal, what is counted for the maintainer, and what the CSMS is told of both."""

from __future__ import annotations

import pytest

from edge.station.kept import Counters
from edge.station.ports import Close, SaveKept
from hardware.ports import Light, PilotState
from tests.support.station_site import CARD, Site, a_site


@pytest.fixture
def site() -> Site:
    return a_site()


def charging(site: Site, evse: int = 1, connector: int = 1, uid: str = CARD) -> None:
    site.tap(uid)
    site.authorize()
    site.plug(evse, connector)
    assert site.evse(evse).transaction is not None


def draw(site: Site, amperes: float, seconds: int, evse: int = 1) -> None:
    for _ in range(seconds):
        site.pass_time(1)
        site.meter(evse, power_w=amperes * 230)


def back(site: Site) -> None:
    """The power is back."""
    site.power_cut()
    site.link(True)
    site.boot()
    for number, _ in site.layout:
        site.meter(number)


def problems(site: Site) -> list[tuple[str, bool]]:
    """(what, whether it is over) of each problem that was told."""
    told = [event for notice in site.notices for event in notice["eventData"]]
    return [(event["variable"]["instance"], event["cleared"]) for event in told]


class TestOverCurrent:
    def test_without_a_pilot_it_is_what_the_wiring_carries_that_counts(self, site: Site) -> None:
        charging(site)
        draw(site, 35, 30)
        assert site.closed == {(1, 1)}
        draw(site, 40, 11)
        assert (site.closed, site.evse().faults, site.lights[1]) == (set(), {"OverCurrent"}, Light.FAULTED)
        assert site.told()[-1][:2] == ("Updated", "AbnormalCondition")

    def test_the_transaction_waits_and_a_card_ends_it(self, site: Site) -> None:
        charging(site)
        draw(site, 40, 11)
        assert len(site.journal) == 1
        site.tap()
        assert (site.journal, site.told()[-1][:2]) == ({}, ("Ended", "StopAuthorized"))
        assert site.evse().faults == {"OverCurrent"}  # as long as the vehicle is there
        site.unplug()
        assert (site.evse().faults, site.lights[1]) == (frozenset(), Light.AVAILABLE)

    def test_others_are_not_concerned(self, site: Site) -> None:
        charging(site)
        charging(site, 2, 1, "04B2")
        draw(site, 40, 11)
        assert site.closed == {(2, 1)}

    def test_another_plug_at_the_same_evse_does_not_clear_it(self, site: Site) -> None:
        charging(site, 2, 1)
        draw(site, 40, 11, evse=2)
        site.plug(2, 2)
        site.unplug(2, 2)
        assert site.evse(2).faults == {"OverCurrent"}

    def test_it_outlasts_a_power_cut_while_the_vehicle_is_there(self, site: Site) -> None:
        charging(site)
        draw(site, 40, 11)
        back(site)
        assert (site.closed, site.evse().faults, site.kept.faults) == (
            set(),
            {"OverCurrent"},
            frozenset({(1, "OverCurrent")}),
        )
        assert problems(site) == [("OverCurrent", False)]
        site.unplug()
        assert (site.evse().faults, site.kept.faults) == (frozenset(), frozenset())
        assert problems(site) == [("OverCurrent", False), ("OverCurrent", True)]

    def test_a_vehicle_that_left_during_the_power_cut_took_it_along_and_the_csms_is_told(self, site: Site) -> None:
        charging(site)
        draw(site, 40, 11)
        site.plugs.clear()
        back(site)
        assert (site.evse().faults, site.kept.faults) == (frozenset(), frozenset())
        assert problems(site) == [("OverCurrent", False), ("OverCurrent", True)]

    def test_a_pilot_that_is_lost_as_well_does_not_heal_it(self) -> None:
        site = a_site(pilots={(1, 1): PilotState.A})
        charging(site)
        draw(site, 40, 11)
        site.pilot(None)
        back(site)
        site.pilot(PilotState.C)
        assert (site.closed, site.evse().faults) == (set(), {"OverCurrent"})


class TestWeldedContacts:
    def test_they_outlast_a_power_cut_and_are_told_once(self, site: Site) -> None:
        site.fault("ContactorWelded")
        back(site)
        assert (site.evse().faults, site.lights[1]) == ({"ContactorWelded"}, Light.FAULTED)
        assert (1, 1, "Faulted") in site.statuses()
        assert (problems(site), site.kept.counters.trips) == ([("ContactorWelded", False)], (("ContactorWelded", 1),))

    def test_they_are_forgotten_once_they_have_been_seen_open(self, site: Site) -> None:
        site.fault("ContactorWelded")
        back(site)
        site.clear("ContactorWelded")
        back(site)
        assert (site.evse().faults, site.kept.faults) == (frozenset(), frozenset())
        assert problems(site) == [("ContactorWelded", False), ("ContactorWelded", True)]

    def test_unplugging_does_not_heal_them(self, site: Site) -> None:
        site.plug()
        site.fault("ContactorWelded")
        site.unplug()
        back(site)
        assert site.evse().faults == {"ContactorWelded"}

    def test_an_evse_that_is_configured_no_more_does_no_harm(self, site: Site) -> None:
        site.fault("ContactorWelded", 2)
        site.layout = ((1, (1,)),)
        back(site)
        charging(site)
        assert (site.closed, site.kept.faults) == ({(1, 1)}, frozenset())


class TestFaultsThatAreMeasured:
    def test_a_silent_meter_that_answers_after_a_power_cut_is_told_as_over(self, site: Site) -> None:
        site.fault("MeterSilent")
        back(site)
        assert problems(site) == [("MeterSilent", False), ("MeterSilent", True)]
        assert (site.evse().faults, site.kept.faults) == (frozenset(), frozenset())


class TestCounters:
    def test_every_closing_of_a_contactor_is_counted_and_kept(self, site: Site) -> None:
        charging(site)
        site.fault()
        site.clear()
        charging(site, 2, 2, "04B2")
        assert site.kept.counters.cycles == ((1, 1, 2), (2, 2, 1))
        back(site)
        assert site.kept.counters.cycles == ((1, 1, 3), (2, 2, 2))

    def test_it_is_on_disk_before_the_contactor_closes(self, site: Site) -> None:
        site.tap()
        site.authorize()
        actions = site.plug()
        (kept,) = [action.kept for action in actions if isinstance(action, SaveKept)]
        assert (kept.counters.cycles, Close(1, 1) in actions) == (((1, 1, 1),), True)

    def test_faults_are_counted_when_they_come(self, site: Site) -> None:
        for _ in range(2):
            site.fault("MeterSilent")
            site.fault("MeterSilent")  # again: it is the same
            site.clear("MeterSilent")
        site.fault("OverTemperature", 2)
        assert site.kept.counters.trips == (("MeterSilent", 2), ("OverTemperature", 1))
        back(site)
        assert site.kept.counters == Counters((), (("MeterSilent", 2), ("OverTemperature", 1)))


class TestTheBootReason:
    def test_a_start_that_nobody_ordered_is_power_up(self) -> None:
        site = Site()
        site.link(True)
        assert site.calls[0].payload["reason"] == "PowerUp"

    def test_it_is_said_again_at_every_attempt(self, site: Site) -> None:
        site.remote("Reset", {"type": "Immediate"})
        site.power_cut()
        site.link(True)
        site.answer("BootNotification", None)
        site.pass_time(2)
        assert [call.payload["reason"] for call in site.calls] == ["RemoteReset"]
