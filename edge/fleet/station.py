"""One station of a fleet: the same core as on a Pi, with simulated hands, on a link that it shares."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from itertools import count

from edge.fleet.clock import VirtualClock
from edge.fleet.link import SharedLink
from edge.fleet.site import SimulatedSite
from edge.station import machine
from edge.station.core import Core
from edge.station.ports import CardRead, Event, LinkChanged, Metered, Outbox, PlugChanged, SocRead
from edge.station.state import Settings
from edge.station.tokens import AuthorizationSettings, IdToken, TokenMemory
from hardware.emulators.vehicle import Vehicle

#: One EVSE with one connector.
LAYOUT = ((1, (1,)),)
IDENTITY = {"vendorName": "Colonnina", "model": "Simulated"}


class FleetStation:
    """outbox, tokens: started. sent: how many frames. done: told after each event that happened here."""

    def __init__(
        self,
        id: str,
        settings: Settings,
        rules: AuthorizationSettings,
        clock: VirtualClock,
        outbox: Outbox,
        tokens: TokenMemory,
        link: SharedLink,
        layout: tuple[tuple[int, tuple[int, ...]], ...],
        done: Callable[[FleetStation], None],
    ) -> None:
        self.id = id
        self.outbox = outbox
        self.site = SimulatedSite(layout, clock.mono)
        self.sent = 0
        self._settings = settings
        self._rules = rules
        self._clock = clock
        self._tokens = tokens
        self._link = link
        self._layout = layout
        self._done = done
        self._reachable = True
        self._online = False
        self._soc: dict[int, int | None] = {}
        self.core = self._new_core()

    def start(self) -> None:
        """As after a power cut: everything but what was kept is new."""
        self.site.fall_back()
        self._soc.clear()
        self._online = False
        self.core = self._new_core()
        for evse, connectors in self._layout:
            for connector in connectors:
                self.core.take(PlugChanged(evse, connector, self.site.plugged(evse) == connector))
        self.core.restore()
        for evse, _ in self._layout:
            self._meter(evse)
        self.look_at_link()

    # -- what happens to it --

    def link(self, up: bool) -> None:
        """This station alone is cut off from the broker, or back."""
        self._reachable = up
        self.look_at_link()

    def plug(self, vehicle: Vehicle, evse: int = 1, connector: int = 1) -> None:
        self.site.plug(evse, connector, vehicle)
        self._take(PlugChanged(evse, connector, True))

    def unplug(self, evse: int = 1) -> None:
        connector = self.site.unplug(evse)
        if connector is not None:
            self._take(PlugChanged(evse, connector, False))

    def tap(self, uid: str) -> None:
        for evse, _ in self._layout:
            self._meter(evse)  # a meter is read often enough for a start to be told with what it shows then
        self._take(CardRead(IdToken(uid, "ISO14443")))

    def has_power(self, evse: int = 1) -> bool:
        """Whether power may flow there."""
        return self.site.closed(evse)

    # -- what the fleet calls --

    def wake(self) -> None:
        """`due_mono` was reached. A meter is read when a sample may be due, not every second as on a Pi."""
        charging = [evse.number for evse in self.core.station.evses if evse.transaction is not None]
        for evse in charging:
            self._meter(evse)
        if not charging:
            self.core.tick()
        self._settle()

    def due_mono(self) -> float | None:
        """When `wake` is wanted."""
        return self.core.wake_mono()

    @property
    def waits(self) -> bool:
        """Whether a call waits for its answer."""
        return self.core.waits

    def frame(self, data: bytes) -> None:
        """A frame came. While it is cut off none does."""
        if self._online:
            self.core.frame(data)
            self._settle()

    def look_at_link(self) -> None:
        """The shared link may have come up or been lost."""
        online = self._reachable and self._link.up
        if online == self._online:
            return
        self._online = online
        if self._link.up:
            self._link.say(self.id, online, self._clock.now().utc)
        self._take(LinkChanged(online))

    def send(self, frame: bytes) -> None:
        if self._online:
            self.sent += 1
            self._link.send(self.id, frame)

    # -- how it does it --

    def _new_core(self) -> Core:
        # Not the fleet's own: the id of a transaction must not come again when the fleet does.
        seed, numbers = secrets.token_hex(6), count()
        station = machine.initial(self._layout, seed, self._settings, IDENTITY, self._rules)
        # Numbers, not UUIDs: chance from the kernel costs more than all that the machine does with an event.
        return Core(
            station, self.site, self.outbox, self._tokens, self, self._clock.now, lambda: f"{seed}-{next(numbers)}"
        )

    def _take(self, event: Event) -> None:
        self.core.take(event)
        self._settle()

    def _settle(self) -> None:
        while self.site.wanted and not self.site.restarting:
            self._meter(self.site.wanted.pop())
        if self.site.restarting:
            self.start()
        self._done(self)

    def _meter(self, evse: int) -> None:
        soc = self.site.soc_pct(evse)
        reading = self.site.reading(evse)
        if soc != self._soc.get(evse):
            self._soc[evse] = soc
            self.core.take(SocRead(evse, soc))
        self.core.take(Metered(evse, reading, self._clock.mono()))
