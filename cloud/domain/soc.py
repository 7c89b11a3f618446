"""State of charge where the vehicle does not tell it: reckoned from what its driver typed and the energy since."""

from __future__ import annotations

#: Where a state of charge comes from.
MEASURED, ESTIMATED = "measured", "estimated"
#: How much of what the meter counts arrives in the battery; the rest warms the charger and the cables.
EFFICIENCY = 0.9


def estimate(typed_pct: float, energy_wh: int, battery_kwh: float) -> float:
    """The state of charge in %. energy_wh: since it was typed. battery_kwh: how much the battery holds, above 0."""
    reached = typed_pct + 100 * max(0, energy_wh) * EFFICIENCY / (1000 * battery_kwh)
    return min(100.0, round(reached, 1))
