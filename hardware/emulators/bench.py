"""The world around one station, in one object: card reader, pins, meters, vehicles, on serial ports in a folder.

A station process with the real drivers can not tell it from hardware. When the bench's process dies, all devices are
gone at once; the meters' registers and the plugged vehicles come back from `state.json` (see world.py).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import msgspec

from hardware.emulators.elm327 import Elm327Dongle
from hardware.emulators.evse import ConnectorBench, EvseBench
from hardware.emulators.loop import EmulatorLoop
from hardware.emulators.pins import PinsBench
from hardware.emulators.pn532 import Pn532Chip
from hardware.emulators.pty import Pty
from hardware.emulators.sdm120 import Sdm120Slave
from hardware.emulators.vehicle import Vehicle
from hardware.emulators.world import World
from wiring.pins import PinMap

__all__ = ["ConnectorBench", "EvseBench", "StationBench"]

TICK_S = 0.2
# Normally-closed contacts to ground, by their pins' names.
SAFETY_CONTACTS = ("emergency_stop", "rcd_trip")


class StationBench:
    """Serial ports folder/nfc and folder/pins, and per EVSE folder/meter-<n> and folder/vehicle-<n> (an ELM327).

    speed: divides the capacity of a plugged vehicle's battery, so that a charge takes minutes while power, energy and
    time stay true. loop: to share one thread among benches. Methods may be called from any thread between `start` and
    `stop`; EVSEs and connectors count from 1, and one that there is not raises ValueError.
    """

    def __init__(
        self,
        folder: Path,
        evses: Sequence[EvseBench] = (EvseBench(),),
        speed: float = 1.0,
        *,
        pins: PinMap,
        loop: EmulatorLoop | None = None,
    ) -> None:
        self.folder = folder
        self._speed = speed
        self._loop = loop or EmulatorLoop()
        self._timer: asyncio.TimerHandle | None = None
        self._taps = 0
        self._dead_converters: set[int] = set()

        nfc, wire = self._port("nfc"), self._port("pins")
        self._chip = Pn532Chip(nfc.write)
        self._pins = PinsBench(pins, wire.write, self._outputs_changed)
        self._trips = dict.fromkeys((name for name in SAFETY_CONTACTS if name in pins), False)
        self._world = World(evses, folder / "state.json", self._pins, self._later)
        nfc.on_data, wire.on_data, wire.on_hang_up = self._chip.feed, self._pins.feed, self._pins.hang_up
        self._ptys = [nfc, wire]
        self._meters: list[Sdm120Slave] = []
        for evse in range(1, len(evses) + 1):
            self._add_meter(evse)
            self._add_dongle(evse)

    def start(self) -> None:
        """Go on from the saved state and bring the devices to life.

        Raises OSError, or ValueError when state.json is not of a bench like this.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._loop.start()
        try:
            self._loop.run(self._begin)
            for pty in self._ptys:
                pty.start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Everything is gone at once, as when the process dies."""
        self._loop.run(self._end)
        for pty in self._ptys:
            pty.stop()
        self._loop.stop()

    def tap(self, uid: str, hold_s: float = 0.6) -> float:
        """Hold a card to the reader for this long. When it came, s on the monotonic clock. ValueError for a bad UID."""
        return self._loop.run(partial(self._tap, uid, hold_s))

    def plug(self, evse: int, connector: int, vehicle: Vehicle) -> None:
        """Plug a copy of this vehicle in. Raises ValueError when the EVSE has one already."""
        copy = msgspec.structs.replace(vehicle, battery_wh=vehicle.battery_wh / self._speed)
        self._loop.run(partial(self._world.plug, evse, connector, copy))

    def unplug(self, evse: int) -> None:
        """Take the vehicle away, if there is one."""
        self._loop.run(partial(self._world.unplug, evse))

    def vehicle(self, evse: int) -> Vehicle | None:
        """The plugged vehicle as it is now, its battery divided by `speed`."""
        vehicle = self._loop.run(partial(self._world.vehicle, evse))
        return None if vehicle is None else msgspec.structs.replace(vehicle)

    def set_meter_silent(self, evse: int, silent: bool) -> None:
        """The meter stops answering, or answers again. It goes on counting."""
        if not 1 <= evse <= len(self._meters):
            raise ValueError(f"there is no EVSE {evse}")
        self._meters[evse - 1].silent = silent

    def set_reader_powered(self, powered: bool) -> None:
        """The card reader dies, or comes back."""
        self._chip.powered = powered

    def set_converter_powered(self, address: int, powered: bool) -> None:
        """The ADS1115 at this I2C address, which sees the control pilots, dies, or comes back."""
        self._loop.run(partial(self._power_converter, address, powered))

    def weld(self, evse: int, connector: int, welded: bool) -> None:
        """Contacts that are closed, or close from now on, do not open any more; or do again."""
        self._loop.run(partial(self._world.weld, evse, connector, welded))

    def trip(self, name: str, tripped: bool) -> None:
        """Open a safety contact, emergency_stop or rcd_trip, or close it again. ValueError for one there is not.

        Only the contact: no power is cut, so that it shows whether the station does.
        """
        self._loop.run(partial(self._trip, name, tripped))

    def snapshot(self) -> dict[str, Any]:
        """How everything is, ready for JSON.

        card: UID or None. station_connected: whether the pins' wire is up. tripped: by safety contact.
        converters_dead: I2C addresses of ADS1115s without power. evses: each with
        plugged_connector, connectors (commanded, commanded_at in s on the monotonic clock, closed, welded, pilot: None
        or its offered_a and high_v), power_w, current_a, voltage_v, register_wh, soc_pct, vehicle, light (levels of
        red, green, blue, 0 to 1), meter_silent.
        """
        return self._loop.run(self._snapshot)

    def _add_meter(self, evse: int) -> None:
        port = self._port(f"meter-{evse}")
        meter = Sdm120Slave(partial(self._world.meter, evse), port.write)
        port.on_data = meter.feed
        self._ptys.append(port)
        self._meters.append(meter)

    def _add_dongle(self, evse: int) -> None:
        port = self._port(f"vehicle-{evse}")
        port.on_data = Elm327Dongle(partial(self._soc_pct, evse), port.write).feed
        self._ptys.append(port)

    def _port(self, name: str) -> Pty:
        return Pty(self.folder / name, self._loop)

    # What follows runs in the loop's thread.

    def _begin(self) -> None:
        for name, tripped in self._trips.items():
            self._pins.drive(name, tripped)  # open contact, high level
        self._world.begin()
        self._tick()

    def _end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _tick(self) -> None:
        # First, so that a full disk stops the meters, and not the bench.
        self._timer = self._loop.loop.call_later(TICK_S, self._tick)
        self._world.advance()

    def _later(self, delay_s: float, call: Callable[[], None]) -> object:
        return self._loop.loop.call_later(delay_s, call)

    def _outputs_changed(self) -> None:
        self._world.outputs_changed()

    def _soc_pct(self, evse: int) -> float | None:
        vehicle = self._world.vehicle(evse)
        return None if vehicle is None else vehicle.soc_pct

    def _tap(self, uid: str, hold_s: float) -> float:
        self._taps += 1
        at = monotonic()
        self._chip.card = uid
        self._later(hold_s, partial(self._take_card, self._taps))
        return at

    def _take_card(self, tap: int) -> None:
        if tap == self._taps:  # else another card has been held to the reader meanwhile
            self._chip.card = None

    def _power_converter(self, address: int, powered: bool) -> None:
        (self._dead_converters.discard if powered else self._dead_converters.add)(address)
        self._pins.power_converter(address, powered)

    def _trip(self, name: str, tripped: bool) -> None:
        if name not in self._trips:
            raise ValueError(f"there is no safety contact {name}")
        self._trips[name] = tripped
        self._pins.drive(name, tripped)

    def _snapshot(self) -> dict[str, Any]:
        evses = self._world.snapshot()
        for evse, meter in zip(evses, self._meters, strict=True):
            evse["meter_silent"] = meter.silent
        return {
            "card": self._chip.card,
            "station_connected": self._pins.connected,
            "tripped": dict(self._trips),
            "converters_dead": sorted(self._dead_converters),
            "evses": evses,
        }
