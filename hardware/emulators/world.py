"""What happens around one station as time passes: its EVSEs, told by the pins and telling the meters; and its memory.

Runs in one thread, the emulators' loop. The registers and the plugged vehicles are saved before a meter shows them, so
that a register never goes back, whatever dies when.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from hardware.emulators.evse import ConnectorBench, EvseBench, EvseWorld, SavedEvse
from hardware.emulators.pins import PinsBench
from hardware.emulators.sdm120 import MeterState
from hardware.emulators.vehicle import Vehicle

ARMATURE_S = 0.02  # a contactor's armature needs about this long
HIGH = 0.5  # an output above it counts as on
COLOURS = ("red", "green", "blue")


class World:
    """later: calls something in the same thread after so many seconds. state: the file that remembers."""

    def __init__(
        self,
        evses: Sequence[EvseBench],
        state: Path,
        pins: PinsBench,
        later: Callable[[float, Callable[[], None]], object],
    ) -> None:
        self._specs = evses
        self._state = state
        self._pins = pins
        self._later = later
        self._evses: list[EvseWorld] = []
        self._shown: list[MeterState] = []
        self._written = b""
        self._lived_to = 0.0

    def begin(self) -> None:
        """Go on from the saved state. Raises OSError, or ValueError for a file that is none."""
        try:
            self._written = self._state.read_bytes()
            saved = msgspec.json.decode(self._written, type=list[SavedEvse])
        except FileNotFoundError:
            saved = [SavedEvse(spec.register_wh) for spec in self._specs]
        self._evses = [EvseWorld(*both) for both in zip(self._specs, saved, strict=True)]
        for evse in self._evses:
            for number, connector in enumerate(evse.spec.connectors, start=1):
                self._pins.drive(connector.feedback, evse.contacts[number - 1].closed)
                self._show_plug(connector, evse.saved.connector == number)
        self._lived_to = monotonic()
        self.advance()

    def advance(self) -> None:
        """Live to now, save, and only then show."""
        now = monotonic()
        for evse in self._evses:
            evse.advance(now - self._lived_to)
        self._lived_to = now
        self._save()
        self._shown = [evse.meter() for evse in self._evses]
        self._show_pilots()

    def meter(self, evse: int) -> MeterState:
        """What this EVSE's meter shows."""
        return self._shown[evse - 1]

    def vehicle(self, evse: int) -> Vehicle | None:
        return self._evse(evse).saved.vehicle

    def outputs_changed(self) -> None:
        """The station drives its outputs anew. Pilots follow at once, contactors' contacts a little later."""
        for evse in self._evses:
            for contacts, connector in zip(evse.contacts, evse.spec.connectors, strict=True):
                commanded = self._pins.output(connector.contactor) > HIGH
                if commanded != contacts.commanded:
                    contacts.commanded = commanded
                    contacts.commanded_at = monotonic()
                    self._later(ARMATURE_S, self._settle)
        self._offer()  # last, since a full disk stops it

    def plug(self, evse: int, connector: int, vehicle: Vehicle) -> None:
        world = self._evse(evse)
        spec = self._connector(world, connector)
        if world.saved.vehicle is not None:
            raise ValueError(f"a vehicle is plugged in at EVSE {evse} already")
        self.advance()
        world.saved.connector, world.saved.vehicle = connector, vehicle
        self.advance()
        self._show_plug(spec, True)

    def unplug(self, evse: int) -> None:
        world = self._evse(evse)
        if world.saved.connector is None:
            return
        spec = self._connector(world, world.saved.connector)
        self.advance()
        world.saved.connector, world.saved.vehicle = None, None
        self.advance()
        self._show_plug(spec, False)

    def weld(self, evse: int, connector: int, welded: bool) -> None:
        world = self._evse(evse)
        self._connector(world, connector)
        world.contacts[connector - 1].welded = welded
        self._settle()

    def snapshot(self) -> list[dict[str, Any]]:
        """Each EVSE, ready for JSON."""
        return [self._evse_snapshot(number, evse) for number, evse in enumerate(self._evses, start=1)]

    def _evse_snapshot(self, number: int, evse: EvseWorld) -> dict[str, Any]:
        shown = self._shown[number - 1]
        light = evse.spec.light
        return {
            "evse": number,
            "plugged_connector": evse.saved.connector,
            "connectors": [
                {
                    "connector": place,
                    "commanded": contacts.commanded,
                    "commanded_at": contacts.commanded_at,
                    "closed": contacts.closed,
                    "welded": contacts.welded,
                    "pilot": None
                    if pilot is None
                    else {"offered_a": round(pilot.offered_a(), 2), "high_v": round(pilot.high_v(evse.at(place)), 2)},
                }
                for place, (contacts, pilot) in enumerate(zip(evse.contacts, evse.pilots, strict=True), start=1)
            ],
            "power_w": shown.power_w,
            "current_a": shown.current_a,
            "voltage_v": shown.voltage_v,
            "register_wh": shown.energy_wh,
            "soc_pct": evse.soc_pct,
            "vehicle": None if evse.saved.vehicle is None else msgspec.to_builtins(evse.saved.vehicle),
            "light": None
            if light is None
            else {colour: round(self._pins.output(f"{light}_{colour}"), 3) for colour in COLOURS},
        }

    def _offer(self) -> None:
        offers = [
            (pilot, self._pins.output(connector.pilot))
            for evse in self._evses
            for pilot, connector in zip(evse.pilots, evse.spec.connectors, strict=True)
            if pilot is not None and connector.pilot is not None
        ]
        if all(pilot.low_share == level for pilot, level in offers):
            return
        self.advance()
        for pilot, level in offers:
            pilot.low_share = level
        self.advance()

    def _show_pilots(self) -> None:
        for evse in self._evses:
            for number, (pilot, connector) in enumerate(zip(evse.pilots, evse.spec.connectors, strict=True), start=1):
                if pilot is not None:
                    self._pins.drive_analog(*connector.pilot_adc, pilot.adc_v(evse.at(number)))

    def _settle(self) -> None:
        self.advance()
        for evse in self._evses:
            for contacts, connector in zip(evse.contacts, evse.spec.connectors, strict=True):
                contacts.settle()
                # A mirror contact to ground: open, hence high, while the main contacts are closed.
                self._pins.drive(connector.feedback, contacts.closed)
        self.advance()

    def _show_plug(self, connector: ConnectorBench, plugged: bool) -> None:
        self._pins.drive(connector.plug, not plugged)  # the switch pulls to ground

    def _save(self) -> None:
        """Whole or not at all; nothing when nothing changed. No fsync: it guards against a kill, not a power cut."""
        state = msgspec.json.encode([evse.saved for evse in self._evses])
        if state == self._written:
            return
        draft = self._state.with_suffix(".new")
        draft.write_bytes(state)
        draft.replace(self._state)
        self._written = state

    def _evse(self, number: int) -> EvseWorld:
        if not 1 <= number <= len(self._evses):
            raise ValueError(f"there is no EVSE {number}")
        return self._evses[number - 1]

    @staticmethod
    def _connector(evse: EvseWorld, number: int) -> ConnectorBench:
        if not 1 <= number <= len(evse.spec.connectors):
            raise ValueError(f"there is no connector {number}")
        return evse.spec.connectors[number - 1]
