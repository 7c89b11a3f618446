"""The numbers of the control pilot, IEC 61851-1 (2017) annex A: duty cycle, current, and states by voltage. Pure."""

from __future__ import annotations

from hardware.ports import PilotState

MIN_A, MAX_A = 6.0, 80.0
KNEE_A = 51.0

NOMINAL_V = {
    PilotState.A: 12.0,
    PilotState.B: 9.0,
    PilotState.C: 6.0,
    PilotState.D: 3.0,
    PilotState.E: 0.0,
    PilotState.F: -12.0,
}
NEAR_V = 1.5  # half way to the next level
KEEP_V = 2.0  # where the window of the next state begins


def duty_pct(limit_a: float) -> float:
    """The duty cycle that offers this current, 6 to 80 A: 10 to 96 % of the period at +12 V (table A.7).

    Between 51 and 52.5 A it lies below 85 %, so that a vehicle reads up to 1.5 A less; it never reads more than is
    meant.
    Raises ValueError for a current that no duty cycle says.
    """
    if not MIN_A <= limit_a <= MAX_A:
        raise ValueError(f"a control pilot can offer {MIN_A:g} to {MAX_A:g} A, not {limit_a:g} A")
    return limit_a / 0.6 if limit_a <= KNEE_A else limit_a / 2.5 + 64


def limit_a(duty_pct: float) -> float:
    """The current that a vehicle may draw at this duty cycle, 0 to 100 %, A (table A.8).

    0 where it may draw none: below 8 % and above 97 %, which takes in the steady +12 V. That includes 3 to 7 %, where
    the limit is told by digital communication (ISO 15118), which this station does not have.
    """
    if not 8 <= duty_pct <= 97:
        return 0.0
    if duty_pct < 10:
        return MIN_A
    if duty_pct <= 85:
        return duty_pct * 0.6
    return min((duty_pct - 64) * 2.5, MAX_A)


def state_of(high_v: float, before: PilotState | None = None) -> PilotState:
    """The state that the pilot's high level tells, V (table A.4). before: the state until now, for hysteresis.

    A state has a window of 1 V about its nominal level, and between two windows lies 1 V of neither. There the state
    stays as it was when it was one of the two, and is the nearer one otherwise. What is no level at all is E.
    """
    if before is not None and abs(high_v - NOMINAL_V[before]) < KEEP_V:
        return before
    nearest = min(NOMINAL_V, key=lambda state: abs(high_v - NOMINAL_V[state]))
    return nearest if abs(high_v - NOMINAL_V[nearest]) <= NEAR_V else PilotState.E
