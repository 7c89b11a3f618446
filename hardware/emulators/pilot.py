"""A control pilot's circuit: the station's stage, the vehicle's diode and resistors, and what the ADC sees of it. Pure.

IEC 61851-1 (2017) annex A: the station's +-12 V come through 1 kOhm (table A.2); the vehicle has a diode and 2.74 kOhm
to earth, and 1.3 kOhm beside it when it is ready to charge (table A.3).
"""

from __future__ import annotations

from dataclasses import dataclass

from hardware.emulators.vehicle import Vehicle
from hardware.pilot.duty import limit_a

SUPPLY_V = 12.0
STATION_OHM = 1000.0
DIODE_V = 0.7
CONNECTED_OHM = 2740.0
READY_OHM = 1300.0
# The divider before the ADC, as in wiring/README.md.
DIVIDER = 0.1
OFFSET_V = 1.65


@dataclass(slots=True)
class PilotCircuit:
    """low_share: part of the period that the stage gives -12 V, 0 to 1, which is the level of its input."""

    low_share: float = 0.0

    def offered_a(self) -> float:
        """What a vehicle takes the duty cycle for, A; 0 when none is offered."""
        return limit_a(100 * (1 - self.low_share))

    def drawable_a(self, vehicle: Vehicle) -> float:
        """The current that this vehicle may draw, A: the offered one in state C, none in any other."""
        return self.offered_a() if self._ready(vehicle) else 0.0

    def high_v(self, vehicle: Vehicle | None) -> float:
        """The pilot's high level with this vehicle plugged in, V."""
        if self.low_share >= 1:
            return -SUPPLY_V
        if vehicle is None:
            return SUPPLY_V
        ohm = CONNECTED_OHM
        if self._ready(vehicle):
            ohm = CONNECTED_OHM * READY_OHM / (CONNECTED_OHM + READY_OHM)
        return DIODE_V + (SUPPLY_V - DIODE_V) * ohm / (ohm + STATION_OHM)

    def adc_v(self, vehicle: Vehicle | None) -> float:
        """The same after peak-hold and divider, at the ADC's input, V."""
        return OFFSET_V + DIVIDER * self.high_v(vehicle)

    def _ready(self, vehicle: Vehicle) -> bool:
        # At once: a vehicle may take its time (table A.6), and most need a second or two.
        return vehicle.wants_energy and self.offered_a() > 0
