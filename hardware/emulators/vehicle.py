"""An electric vehicle's on-board charger and battery, as a pure model: same steps, same result."""

from __future__ import annotations

import msgspec

MIN_CURRENT_A = 6.0  # IEC 61851-1: less can not be offered, and no vehicle takes it


class Vehicle(msgspec.Struct, forbid_unknown_fields=True):
    """battery_wh: usable capacity, Wh. soc_pct: state of charge, 0 to 100 %. max_current_a: of its charger, A.

    target_soc_pct: where the driver told it to stop, %. taper_from_pct: above it the current falls towards
    cutoff_current_a at full. efficiency: of mains to battery, 0 to 1.
    """

    battery_wh: float = 60_000.0
    soc_pct: float = 20.0
    max_current_a: float = 32.0
    target_soc_pct: float = 100.0
    taper_from_pct: float = 80.0
    cutoff_current_a: float = 1.0
    efficiency: float = 0.9

    @property
    def wants_energy(self) -> bool:
        """Whether its driver's target is not reached yet."""
        return self.soc_pct < self.target_soc_pct

    def step(self, dt_s: float, voltage_v: float, offered_a: float, contactor_closed: bool) -> float:
        """Live through this time, s. The mean current drawn meanwhile, A."""
        missing_wh = self.battery_wh * (self.target_soc_pct - self.soc_pct) / 100
        current_a = self._wanted_a(offered_a) if contactor_closed and self.wants_energy else 0.0
        gained_wh = voltage_v * current_a * dt_s / 3600 * self.efficiency
        if gained_wh >= missing_wh and gained_wh > 0:
            self.soc_pct = self.target_soc_pct
            return current_a * missing_wh / gained_wh
        self.soc_pct += 100 * gained_wh / self.battery_wh
        return current_a

    def _wanted_a(self, offered_a: float) -> float:
        if offered_a < MIN_CURRENT_A:
            return 0.0
        left = (100 - self.soc_pct) / (100 - self.taper_from_pct) if self.soc_pct > self.taper_from_pct else 1.0
        return min(offered_a, max(self.cutoff_current_a, self.max_current_a * left))
