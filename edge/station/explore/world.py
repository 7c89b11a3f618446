"""A station with one connector, the vehicle before it, and the time, none of them real."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import msgspec

from edge.station import machine
from edge.station.ports import (
    Action,
    Answered,
    CallReceived,
    Event,
    LinkChanged,
    Metered,
    PilotChanged,
    PlugChanged,
    Restored,
    Send,
)
from edge.station.state import Evse, Now, Settings, Station
from edge.station.states import State, connector_state
from hardware.ports import PilotState, Reading
from protocol.messages import Version, make_request, make_response

START = Now(datetime(2026, 1, 1, 12, tzinfo=UTC), 0.0)
DAY_S = 86_400.0
#: Nothing but what is tried changes anything: no samples, and a right to charge that lasts.
SETTINGS = Settings(sample_s=DAY_S, heartbeat_s=DAY_S, connection_timeout_s=3_600.0, suspended_s=15.0)
VOLTAGE_V = 230.0

#: Whether a vehicle is there, and whether it wants power.
Vehicle = Literal["none", "pauses", "asks"]
_PILOT = {"none": PilotState.A, "pauses": PilotState.B, "asks": PilotState.C}


class World(msgspec.Struct, frozen=True):
    """wh: the meter's register. piloted: the connector has a control pilot, else a plug switch.

    silent: the meter does not answer. lost: nor does the pilot.
    """

    station: Station
    now: Now
    piloted: bool
    wh: int = 1_000
    vehicle: Vehicle = "none"
    silent: bool = False
    lost: bool = False

    @property
    def evse(self) -> Evse:
        return self.station.evses[0]

    @property
    def state(self) -> State:
        return connector_state(self.station, self.evse, 1)


class Visit:
    """What happens from one world to the next. actions: all that the machine wanted meanwhile."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.actions: list[Action] = []

    def step(self, event: Event) -> None:
        station, actions = machine.step(self.world.station, event, self.world.now)
        self.world = msgspec.structs.replace(self.world, station=station)
        self.actions += actions

    def change(self, **facts: Any) -> None:
        """Of the world, that the machine does not know."""
        self.world = msgspec.structs.replace(self.world, **facts)

    def pass_time(self, seconds: float, current_a: float | None = None) -> None:
        """And the meter is read. current_a: what the vehicle draws if it can; None: what it likes."""
        now, evse = self.world.now, self.world.evse
        now = Now(now.utc + timedelta(seconds=seconds), now.mono + seconds)
        draws = evse.closed is not None and self.world.vehicle == "asks"
        amperes = (10.0 if current_a is None else current_a) if draws else 0.0
        self.change(now=now, wh=self.world.wh + (1 if draws else 0))
        if not self.world.silent:
            reading = Reading(self.world.wh, amperes * VOLTAGE_V, amperes, VOLTAGE_V)
            self.step(Metered(1, reading, now.mono))

    def call(self, action: str, payload: Mapping[str, Any]) -> None:
        """The CSMS calls."""
        self.step(CallReceived("call", action, make_request(Version.V201, action, payload)))

    def answer(self, action: str, payload: Mapping[str, Any]) -> None:
        """The CSMS answers, if it was called."""
        sent = [send for send in self.actions if isinstance(send, Send) and send.action == action]
        if sent:
            self.step(Answered(action, sent[-1].payload, make_response(Version.V201, action, payload)))

    def park(self, vehicle: Vehicle) -> None:
        """This is how it is with the vehicle from now on."""
        self.change(vehicle=vehicle, lost=False)
        self.step(self._sensed())

    def start(self) -> None:
        """The station starts from what was written down, comes online and is accepted."""
        kept, transaction = self.world.station.kept, self.world.evse.transaction
        self.change(station=_new(self.world.piloted))
        self.step(self._sensed())
        self.step(Restored(kept, () if transaction is None else ((1, transaction),)))
        self.step(LinkChanged(True))
        booted = {"currentTime": self.world.now.utc.isoformat(), "interval": int(DAY_S), "status": "Accepted"}
        self.answer("BootNotification", booted)

    def _sensed(self) -> Event:
        if not self.world.piloted:
            return PlugChanged(1, 1, self.world.vehicle != "none")
        return PilotChanged(1, 1, None if self.world.lost else _PILOT[self.world.vehicle])


def first(piloted: bool) -> World:
    """A station that is online, accepted and metered, with nobody before it."""
    visit = Visit(World(_new(piloted), START, piloted))
    visit.start()
    visit.pass_time(1)
    return visit.world


def _new(piloted: bool) -> Station:
    return machine.initial(
        [(1, [1])],
        "seed",
        SETTINGS,
        {"vendorName": "Colonnina", "model": "Pi 4"},
        piloted=[(1, 1)] if piloted else [],
    )
