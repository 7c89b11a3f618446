"""A station with a control pilot, from the ADC's registers to the contactor's pin: real loop, real drivers, a bench."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hardware.emulators.vehicle import Vehicle
from tests.support import wait_for
from tests.support.real_station import RealStation, a_station


def contacts(station: RealStation) -> dict[str, Any]:
    found: dict[str, Any] = station.seen()["connectors"][0]
    return found


def limit(station: RealStation, limit_a: float) -> None:
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}]}
    profile = {
        "id": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Relative",
        "chargingSchedule": [schedule],
    }
    station.csms.call("SetChargingProfile", {"evseId": 1, "chargingProfile": profile})


def test_a_vehicle_draws_what_the_pilot_offers_and_a_limit_lowers_that(tmp_path: Path) -> None:
    with a_station(tmp_path, piloted=True) as station:
        assert contacts(station)["pilot"] == {"offered_a": 0.0, "high_v": 12.0}
        station.charge(Vehicle(max_current_a=32.0))
        wait_for(lambda: contacts(station)["closed"], 10)
        wait_for(lambda: round(station.seen()["current_a"]) == 32, 5)
        limit(station, 10.0)
        wait_for(lambda: round(station.seen()["current_a"]) == 10, 5)
        assert (contacts(station)["closed"], contacts(station)["pilot"]["offered_a"]) == (True, 10.0)
        limit(station, 5.9)
        wait_for(lambda: not contacts(station)["commanded"] and contacts(station)["pilot"]["offered_a"] == 0.0, 5)
        limit(station, 16.0)
        wait_for(lambda: round(station.seen()["current_a"]) == 16, 5)
        station.bench.unplug(1)
        wait_for(lambda: ("Ended", "EVDeparted", "Idle") in station.csms.events(), 10)
        assert not contacts(station)["commanded"]
        assert station.evse.faults == frozenset()


def test_a_vehicle_that_is_full_opens_the_contactor_by_its_pilot(tmp_path: Path) -> None:
    with a_station(tmp_path, piloted=True) as station:
        station.charge(Vehicle(battery_wh=1_000.0, soc_pct=79.9, target_soc_pct=80.0))
        wait_for(lambda: contacts(station)["closed"], 10)
        wait_for(lambda: not contacts(station)["commanded"], 10)
        wait_for(lambda: station.csms.events()[-1][2] == "SuspendedEV", 10)
        assert contacts(station)["pilot"]["offered_a"] == 32.0


def test_a_pilot_whose_converter_is_lost_cuts_power_until_it_is_back(tmp_path: Path) -> None:
    with a_station(tmp_path, piloted=True) as station:
        station.charge()
        wait_for(lambda: contacts(station)["closed"], 10)
        station.bench.set_converter_powered(0x48, False)
        wait_for(lambda: station.evse.faults == {"PilotLost"}, 5)
        wait_for(lambda: not contacts(station)["commanded"] and contacts(station)["pilot"]["offered_a"] == 0.0, 5)
        station.bench.set_converter_powered(0x48, True)
        wait_for(lambda: contacts(station)["closed"], 10)
        assert [event[0] for event in station.csms.events()].count("Started") == 1


def test_a_reset_ends_the_transaction_and_then_the_loop(tmp_path: Path) -> None:
    with a_station(tmp_path, piloted=True) as station:
        station.charge()
        wait_for(lambda: contacts(station)["closed"], 10)
        station.csms.call("Reset", {"type": "Immediate"})
        wait_for(lambda: not station.running, 10)
        assert not contacts(station)["commanded"]
