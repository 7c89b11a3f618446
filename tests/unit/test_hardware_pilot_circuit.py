"""The emulated pilot: resistors and a diode give the levels of table A.4, and a duty cycle is a limit."""

from __future__ import annotations

import pytest

from hardware.emulators.evse import ConnectorBench, EvseBench, EvseWorld, SavedEvse
from hardware.emulators.pilot import PilotCircuit
from hardware.emulators.vehicle import Vehicle
from hardware.pilot.duty import duty_pct, state_of
from hardware.ports import PilotState

FULL = Vehicle(soc_pct=80, target_soc_pct=80)
HUNGRY = Vehicle(soc_pct=20)


def offering(limit_a: float) -> PilotCircuit:
    return PilotCircuit(low_share=1 - duty_pct(limit_a) / 100)


@pytest.mark.parametrize(
    ("circuit", "vehicle", "high_v", "state"),
    [
        (PilotCircuit(), None, 12, PilotState.A),
        (offering(16), None, 12, PilotState.A),
        (PilotCircuit(), HUNGRY, 9, PilotState.B),
        (offering(16), HUNGRY, 6, PilotState.C),
        (offering(16), FULL, 9, PilotState.B),
        (PilotCircuit(low_share=0.95), HUNGRY, 9, PilotState.B),  # 5 %: digital communication, which it has not
        (PilotCircuit(low_share=1), HUNGRY, -12, PilotState.F),
    ],
)
def test_the_level_follows_the_vehicle(
    circuit: PilotCircuit, vehicle: Vehicle | None, high_v: float, state: PilotState
) -> None:
    assert circuit.high_v(vehicle) == pytest.approx(high_v, abs=0.05)
    assert circuit.adc_v(vehicle) == pytest.approx(1.65 + high_v / 10, abs=0.005)
    assert state_of(circuit.high_v(vehicle)) is state


def test_a_vehicle_draws_what_is_offered_in_state_c_and_nothing_in_any_other() -> None:
    assert offering(16).drawable_a(HUNGRY) == pytest.approx(16)
    assert offering(16).drawable_a(FULL) == 0
    assert PilotCircuit().drawable_a(HUNGRY) == 0


@pytest.mark.parametrize(("offered_a", "drawn_a"), [(None, 0), (6, 6), (10, 10), (32, 20)])
def test_an_evse_with_a_pilot_supplies_the_least_of_offer_cable_and_vehicle(
    offered_a: float | None, drawn_a: float
) -> None:
    connector = ConnectorBench("contactor_1", "contactor_1_feedback", "plug_1", max_current_a=20, pilot="pilot_1")
    world = EvseWorld(EvseBench((connector,)), SavedEvse(0, 1, Vehicle(soc_pct=20, max_current_a=32)))
    world.contacts[0].closed = True
    world.pilots[0] = PilotCircuit() if offered_a is None else offering(offered_a)
    world.advance(1)
    assert world.current_a == pytest.approx(drawn_a)
