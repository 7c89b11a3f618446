"""What stands around a simulated station: contactors, meters and vehicles, the bench's own models without its wires."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hardware.emulators.evse import ConnectorBench, EvseBench, EvseWorld, SavedEvse
from hardware.emulators.vehicle import Vehicle
from hardware.ports import Light, Reading


class SimulatedSite:
    """The hands of one core. layout: (EVSE number, its connectors' numbers from 1). mono: the time, monotonic, s.

    Its connectors have no control pilot. wanted: EVSEs whose meter the core wants read, restarting: whether it wants to
    start anew; whoever feeds the core sees to both.
    """

    def __init__(
        self, layout: Iterable[tuple[int, Iterable[int]]], mono: Callable[[], float], register_wh: float = 1_000.0
    ) -> None:
        self._mono = mono
        self._evses = {
            number: EvseWorld(
                EvseBench(tuple(ConnectorBench.numbered(place) for place in connectors)), SavedEvse(register_wh)
            )
            for number, connectors in layout
        }
        self._lived_to = dict.fromkeys(self._evses, mono())
        self.lights: dict[int, Light] = {}
        self.wanted: list[int] = []
        self.restarting = False

    def plug(self, evse: int, connector: int, vehicle: Vehicle) -> None:
        """Raises ValueError when the EVSE has a vehicle already."""
        world = self._live(evse)
        if world.saved.vehicle is not None:
            raise ValueError(f"a vehicle is plugged in at EVSE {evse} already")
        world.saved.connector, world.saved.vehicle = connector, vehicle

    def unplug(self, evse: int) -> int | None:
        """Answers the connector that the vehicle was at; None when there was no vehicle."""
        world = self._live(evse)
        connector, world.saved.connector, world.saved.vehicle = world.saved.connector, None, None
        return connector

    def plugged(self, evse: int) -> int | None:
        """The connector that a vehicle is at."""
        return self._evses[evse].saved.connector

    def closed(self, evse: int) -> bool:
        """Whether any of its contactors is closed."""
        return any(contacts.closed for contacts in self._evses[evse].contacts)

    def fall_back(self) -> None:
        """Nobody drives the contactors any more: they open."""
        for evse in self._evses:
            for contacts in self._live(evse).contacts:
                contacts.commanded = contacts.closed = False
        self.wanted.clear()
        self.restarting = False

    def reading(self, evse: int) -> Reading:
        """What its meter shows now; power and current are the means since the last time."""
        meter = self._live(evse).meter()
        return Reading(int(meter.energy_wh), meter.power_w, meter.current_a, meter.voltage_v, meter.frequency_hz)

    def soc_pct(self, evse: int) -> int | None:
        """The vehicle's state of charge in whole %, or None without a vehicle."""
        soc_pct = self._evses[evse].soc_pct
        return None if soc_pct is None else int(soc_pct)

    # -- the core's hands --

    def switch(self, evse: int, connector: int, *, on: bool) -> None:
        contacts = self._live(evse).contacts[connector - 1]
        contacts.commanded = contacts.closed = on

    def offer(self, evse: int, connector: int, limit_a: float | None) -> None:
        raise AssertionError("a connector without a pilot offers nothing")

    def show(self, evse: int, light: Light) -> None:
        self.lights[evse] = light

    def read_meter(self, evse: int) -> None:
        self.wanted.append(evse)

    def restart(self, reason: str) -> None:
        self.restarting = True

    def _live(self, evse: int) -> EvseWorld:
        """The EVSE as it is now: the vehicle has drawn what it could, and the meter has counted it."""
        world, now = self._evses[evse], self._mono()
        world.advance(now - self._lived_to[evse])
        self._lived_to[evse] = now
        return world
