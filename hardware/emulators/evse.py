"""The electrical world of one EVSE: mains, contactors, a meter, at most one vehicle. Pure: `advance` brings time."""

from __future__ import annotations

from dataclasses import dataclass, field

import msgspec

from hardware.emulators.pilot import PilotCircuit
from hardware.emulators.sdm120 import MeterState
from hardware.emulators.vehicle import Vehicle

MAINS_V = 230.0
MAINS_HZ = 50.0


@dataclass(frozen=True, slots=True)
class ConnectorBench:
    """contactor, feedback, plug: names in wiring/pins.toml. max_current_a: what it lets through, A.

    pilot: the name of the pin that drives the control pilot's stage; None, and vehicles draw without being asked to.
    pilot_adc: I2C address and input, 0 to 3, of the ADS1115 that sees this pilot.
    """

    contactor: str
    feedback: str
    plug: str
    max_current_a: float = 32.0
    pilot: str | None = None
    pilot_adc: tuple[int, int] = (0x48, 0)

    @classmethod
    def numbered(cls, number: int, max_current_a: float = 32.0) -> ConnectorBench:
        """The one with the pins `contactor_<number>` and so on."""
        return cls(f"contactor_{number}", f"contactor_{number}_feedback", f"plug_{number}", max_current_a)


@dataclass(frozen=True, slots=True)
class EvseBench:
    """One EVSE of a bench. light: the LED's name in wiring/pins.toml up to its colour, or None.

    register_wh: the meter's import register when the bench has no saved state, Wh.
    """

    connectors: tuple[ConnectorBench, ...] = (ConnectorBench.numbered(1),)
    light: str | None = "led_1"
    register_wh: float = 0.0


class SavedEvse(msgspec.Struct):
    """What of an EVSE survives the bench's death. connector: where the vehicle is plugged, from 1."""

    register_wh: float
    connector: int | None = None
    vehicle: Vehicle | None = None


@dataclass(slots=True)
class Contacts:
    """The main contacts of one contactor. commanded_at: of the last command, s on the monotonic clock."""

    commanded: bool = False
    commanded_at: float = 0.0
    closed: bool = False
    welded: bool = False

    def settle(self) -> None:
        """The armature has moved; welded contacts stay where they are."""
        self.closed = self.commanded or (self.closed and self.welded)


@dataclass(slots=True)
class EvseWorld:
    """How things are. Connectors count from 1."""

    spec: EvseBench
    saved: SavedEvse
    contacts: list[Contacts] = field(default_factory=list)
    pilots: list[PilotCircuit | None] = field(default_factory=list)
    current_a: float = 0.0

    def __post_init__(self) -> None:
        self.contacts = [Contacts() for _ in self.spec.connectors]
        self.pilots = [None if connector.pilot is None else PilotCircuit() for connector in self.spec.connectors]

    def advance(self, dt_s: float) -> None:
        """Let this time pass, s: the vehicle draws, the register counts."""
        self.current_a = 0.0
        if self.saved.vehicle is None or self.saved.connector is None:
            return
        limit_a = self.spec.connectors[self.saved.connector - 1].max_current_a
        pilot = self.pilots[self.saved.connector - 1]
        if pilot is not None:
            limit_a = min(limit_a, pilot.drawable_a(self.saved.vehicle))
        closed = self.contacts[self.saved.connector - 1].closed
        self.current_a = self.saved.vehicle.step(dt_s, MAINS_V, limit_a, closed)
        self.saved.register_wh += MAINS_V * self.current_a * dt_s / 3600

    def at(self, connector: int) -> Vehicle | None:
        """The vehicle that is plugged in there."""
        return self.saved.vehicle if self.saved.connector == connector else None

    @property
    def power_w(self) -> float:
        return MAINS_V * self.current_a

    @property
    def soc_pct(self) -> float | None:
        """Of the plugged vehicle."""
        return None if self.saved.vehicle is None else self.saved.vehicle.soc_pct

    def meter(self) -> MeterState:
        return MeterState(MAINS_V, self.current_a, self.power_w, MAINS_HZ, self.saved.register_wh)
