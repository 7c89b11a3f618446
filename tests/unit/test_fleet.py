"""The fleet's parts: time that is passed in, a simulated site, drivers by chance; and stations without a broker."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from click.testing import CliRunner

from edge.fleet.clock import VirtualClock
from edge.fleet.drivers import Drivers, Habits
from edge.fleet.fleet import Fleet
from edge.fleet.main import cli
from edge.fleet.memory import MemoryOutbox, MemoryTokens
from edge.fleet.site import SimulatedSite
from edge.fleet.station import FleetStation
from edge.station.state import Settings
from edge.station.tokens import AuthorizationSettings
from hardware.emulators.vehicle import Vehicle
from protocol.mqtt import Broker

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
CARD = "04A1B2C3D4E5F6"
LAYOUT = ((1, (1, 2)),)
#: Offline, everybody may charge.
OPEN = AuthorizationSettings(offline_tx_for_unknown_id_enabled=True)


def test_the_clock_stands_still_until_it_is_told_and_never_goes_back() -> None:
    clock = VirtualClock(NOON)
    clock.reach(3_600)
    clock.reach(10)
    assert (clock.now().utc, clock.now().mono) == (NOON + timedelta(hours=1), 3_600)


class TestTheSite:
    @pytest.fixture
    def clock(self) -> VirtualClock:
        return VirtualClock(NOON)

    @pytest.fixture
    def site(self, clock: VirtualClock) -> SimulatedSite:
        return SimulatedSite(LAYOUT, clock.mono, register_wh=500)

    def test_the_register_counts_while_a_contactor_is_closed_and_its_vehicle_draws(
        self, clock: VirtualClock, site: SimulatedSite
    ) -> None:
        site.plug(1, 1, Vehicle(max_current_a=10))
        clock.reach(3_600)
        assert site.reading(1).energy_wh == 500
        site.switch(1, 1, on=True)
        clock.reach(7_200)
        assert (site.reading(1).energy_wh, site.closed(1)) == (2_800, True)
        site.switch(1, 1, on=False)
        clock.reach(10_800)
        assert (site.reading(1).energy_wh, site.reading(1).power_w, site.closed(1)) == (2_800, 0.0, False)

    def test_the_other_connectors_contactor_gives_it_nothing(self, clock: VirtualClock, site: SimulatedSite) -> None:
        site.plug(1, 2, Vehicle())
        site.switch(1, 1, on=True)
        clock.reach(3_600)
        assert site.reading(1).energy_wh == 500

    def test_only_one_vehicle_is_at_an_evse(self, site: SimulatedSite) -> None:
        site.plug(1, 2, Vehicle(soc_pct=40.9))
        with pytest.raises(ValueError, match="a vehicle is plugged in at EVSE 1 already"):
            site.plug(1, 1, Vehicle())
        assert (site.plugged(1), site.soc_pct(1)) == (2, 40)
        assert (site.unplug(1), site.unplug(1), site.soc_pct(1)) == (2, None, None)

    def test_contactors_that_nobody_drives_open(self, site: SimulatedSite) -> None:
        site.switch(1, 1, on=True)
        site.fall_back()
        assert site.closed(1) is False


class Diary:
    """A place that writes down what its drivers do. power: whether there is any."""

    def __init__(self, power: bool) -> None:
        self.power = power
        self.deeds: list[str] = []

    def plug(self, vehicle: Vehicle, evse: int = 1, connector: int = 1) -> None:
        self.deeds.append("plug")

    def unplug(self, evse: int = 1) -> None:
        self.deeds.append("unplug")

    def tap(self, uid: str) -> None:
        self.deeds.append(f"tap {uid}")

    def has_power(self, evse: int = 1) -> bool:
        return self.power


class TestDrivers:
    def test_they_plug_in_tap_charge_tap_and_leave_one_after_the_other(self) -> None:
        place = Diary(power=True)
        drivers = Drivers(place, 1, ["A"], Habits(), random.Random(1))
        for _ in range(13):
            drivers.act()
        assert place.deeds == ["plug", "tap A", "tap A", "unplug"] * 2 + ["plug", "tap A"]

    def test_who_gets_no_power_loses_patience_and_leaves(self) -> None:
        place = Diary(power=False)
        drivers = Drivers(place, 1, ["A"], Habits(patience=7), random.Random(1))
        waits = [drivers.act() for _ in range(4)]
        assert (place.deeds, waits[2]) == (["plug", "tap A", "unplug"], 7)

    def test_the_same_chance_makes_the_same_drivers(self) -> None:
        def life(seed: int) -> list[float]:
            drivers = Drivers(Diary(power=True), 1, ["A", "B"], Habits(), random.Random(seed))
            return [drivers.act() for _ in range(20)]

        assert life(1) == life(1) != life(2)


class TestStationsWithoutABroker:
    """Nobody listens at the port: the stations work offline. With a speed, time does not wait for the broker."""

    @pytest.fixture
    def outboxes(self) -> dict[str, MemoryOutbox]:
        return {id: MemoryOutbox() for id in ("a", "b")}

    @pytest.fixture
    def fleet(self, outboxes: dict[str, MemoryOutbox]) -> Iterator[Fleet]:
        made = Fleet(
            list(outboxes),
            Broker(port=1),
            VirtualClock(NOON),
            speed=1e6,
            settings=Settings(sample_s=60),
            rules=OPEN,
            memory=lambda id: (outboxes[id], MemoryTokens()),
        )
        made.start()
        yield made
        made.stop()

    @pytest.fixture
    def station(self, fleet: Fleet) -> FleetStation:
        return fleet.station("a")

    def test_an_hour_of_charging_is_sixty_samples_and_the_other_station_knows_nothing_of_it(
        self, fleet: Fleet, station: FleetStation, outboxes: dict[str, MemoryOutbox]
    ) -> None:
        station.plug(Vehicle())
        station.tap(CARD)
        assert station.has_power()
        fleet.pass_time(3_600)
        station.tap(CARD)
        assert (station.has_power(), station.site.reading(1).energy_wh) == (False, 1_000 + 7_360)
        assert (outboxes["a"].count(), outboxes["b"].count()) == (62, 0)

    def test_after_a_restart_a_transaction_goes_on_where_it_was(
        self, fleet: Fleet, station: FleetStation, outboxes: dict[str, MemoryOutbox]
    ) -> None:
        station.plug(Vehicle())
        station.tap(CARD)
        before = station.core.station.evses[0].transaction
        station.start()
        after = station.core.station.evses[0].transaction
        assert before is not None
        assert after is not None
        assert (after.id, station.has_power()) == (before.id, True)

    def test_what_is_to_happen_later_happens_then(self, fleet: Fleet) -> None:
        seen: list[float] = []
        fleet.after(5, lambda: seen.append(1))
        fleet.after(90, lambda: seen.append(2))
        fleet.pass_time(60)
        assert seen == [1]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--speed", "fast"], "'fast' is neither a number nor max"),
        (["--speed", "0"], "0 is not between 0 and 10000"),
        (["--prefix", "not an id "], "is not a station id"),
        (["--stations", "200", "--data", "there"], "at most 150 stations have their outboxes on disk"),
    ],
)
def test_the_command_says_what_is_wrong(words: list[str], said: str) -> None:
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 2
    assert said in result.output
