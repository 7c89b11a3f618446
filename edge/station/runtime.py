"""The station at work: one loop, which feeds the core with what its devices and the link put into a queue."""

from __future__ import annotations

import queue
import threading
import time
import uuid
from collections.abc import Callable
from datetime import datetime

import structlog

from edge.config import Devices
from edge.station.core import Core, Transport
from edge.station.job_orders import Jobs
from edge.station.polling import Poller, Taps
from edge.station.ports import (
    CardRead,
    Event,
    FaultCleared,
    FaultRaised,
    LinkChanged,
    Metered,
    Outbox,
    PilotChanged,
    PlugChanged,
    SocRead,
)
from edge.station.state import Now, Station
from edge.station.tokens import IdToken, TokenMemory
from edge.watchdog import Watchdog
from hardware.ports import ControlPilot, Device, DeviceError, Light, PilotState

log = structlog.get_logger(__name__)

METER_PERIOD_S = 1.0
METER_PATIENCE_S = 2.0
VEHICLE_PERIOD_S = 2.0
PILOT_PERIOD_S = 0.25
#: A reader answers at once while a card rests on it; it need not be asked again sooner than this, s.
RESTING_S = 0.05
THERMOMETER_PERIOD_S = 5.0
THERMOMETER_PATIENCE_S = 10.0
#: What was too hot is good again when it is so much cooler, degrees.
COOLED_BY_C = 10.0
#: The loop never sleeps shorter than this for a deadline, nor longer than that, s.
SHORTEST_S, LONGEST_S = 0.02, 1.0

#: A contactor's armature and its feedback contact have followed a command by then, s.
ARMATURE_S = 0.5

METER_SILENT = "MeterSilent"
OVER_TEMPERATURE = "OverTemperature"
THERMOMETER_SILENT = "ThermometerSilent"
CONTACTOR_WELDED = "ContactorWelded"


class Runtime:
    """One station at work.

    station: as `machine.initial` made it. transport: carries our frames; frames and link changes of its come in by
    `frame_arrived` and `link_changed`. clock: the time, on both clocks. jobs: does what takes long, and says how
    it goes by `report`. watchdog: is told that the loop goes round. told_time: hears the CSMS's time, as in `Core`.
    """

    def __init__(
        self,
        station: Station,
        devices: Devices,
        outbox: Outbox,
        tokens: TokenMemory,
        transport: Transport,
        clock: Callable[[], Now],
        jobs: Jobs | None = None,
        watchdog: Watchdog | None = None,
        told_time: Callable[[datetime, float], None] | None = None,
    ) -> None:
        self.core = Core(station, self, outbox, tokens, transport, clock, lambda: str(uuid.uuid4()), jobs, told_time)
        self._watchdog = watchdog or Watchdog()
        self._devices = devices
        self._clock = clock
        self._events: queue.Queue[Event | _FrameArrived] = queue.Queue()
        self._taps = Taps()
        self._meters: dict[int, Poller] = {}
        self._pollers: list[Poller] = []
        self._opened_mono: dict[int, float] = {}
        self._leaving = threading.Event()

    def run(self, stopping: threading.Event) -> None:
        """Work until `stopping` is set or the core wants to start anew; then open every contactor.

        Raises DeviceError when a pin cannot be had.
        """
        try:
            self._take_up()
            self._watchdog.ready()
            while not (stopping.is_set() or self._leaving.is_set()):
                self._watchdog.beat(self._clock().mono)
                try:
                    event = self._events.get(timeout=self._patience())
                except queue.Empty:
                    self.core.tick()
                    continue
                if isinstance(event, _FrameArrived):
                    self.core.frame(event.frame)
                    event.ack()
                else:
                    self.core.take(event)
        finally:
            self._watchdog.stopping()
            self._let_go()

    def link_changed(self, up: bool) -> None:
        """The link came up or was lost. From any thread."""
        self._events.put(LinkChanged(up))

    def report(self, event: Event) -> None:
        """Something happened that no device of ours says, such as the progress of a job. From any thread."""
        self._events.put(event)

    def frame_arrived(self, frame: bytes, ack: Callable[[], None]) -> None:
        """A frame came from the CSMS; ack is called when it has been dealt with. From any thread."""
        self._events.put(_FrameArrived(frame, ack))

    # -- the loop --

    def _patience(self) -> float:
        """How long the loop may wait for an event."""
        mono, due = self._clock().mono, self.core.wake_mono()
        return LONGEST_S if due is None else min(LONGEST_S, max(SHORTEST_S, due - mono))

    # -- the hands --

    def switch(self, evse: int, connector: int, *, on: bool) -> None:
        contactor = self._devices.evses[evse].connectors[connector].contactor
        (contactor.close if on else contactor.open)()
        if not on:
            self._opened_mono[evse] = self._clock().mono
        log.info("contactor", evse=evse, connector=connector, closed=on)

    def show(self, evse: int, light: Light) -> None:
        indicator = self._devices.evses[evse].indicator
        if indicator is not None:
            indicator.show(light)

    def offer(self, evse: int, connector: int, limit_a: float | None) -> None:
        pilot = self._devices.evses[evse].connectors[connector].pilot
        assert pilot is not None, "only connectors with a pilot are offered anything"
        try:
            pilot.offer(limit_a)
        except DeviceError as error:
            log.error("the pilot cannot be set", evse=evse, connector=connector, why=str(error))
            self._events.put(PilotChanged(evse, connector, None))

    def read_meter(self, evse: int) -> None:
        self._meters[evse].hurry()

    def restart(self, reason: str) -> None:
        log.info("the station starts anew", reason=reason)
        self._leaving.set()

    # -- the devices --

    def _take_up(self) -> None:
        """Start what is on pins, tell the machine what is plugged in and what the journal holds, start the rest."""
        for evse in self._devices.evses.values():
            if evse.indicator is not None:
                evse.indicator.start()
            for connector in evse.connectors.values():
                connector.contactor.start()
                if connector.plug is not None:
                    connector.plug.start()
        for reason, sensor in self._devices.trips:
            sensor.start()
            sensor.on_change(self._trip_listener(reason))
            if sensor.tripped:
                self._tell_all(FaultRaised, reason)
        for number, evse in self._devices.evses.items():
            for place, connector in evse.connectors.items():
                if connector.plug is not None:
                    connector.plug.on_change(self._plug_listener(number, place))
                    self.core.take(PlugChanged(number, place, connector.plug.plugged))
                if connector.pilot is not None:
                    self._take_up_pilot(number, place, connector.pilot)
        self.core.restore()
        for number in self._devices.evses:
            self._start_pollers(number)
        if self._devices.thermometer is not None:
            self._poll(
                "thermometer",
                self._devices.thermometer,
                self._read_thermometer,
                period_s=THERMOMETER_PERIOD_S,
                patience_s=THERMOMETER_PATIENCE_S,
                lost=lambda: self._tell_all(FaultRaised, THERMOMETER_SILENT),
                found=lambda: self._tell_all(FaultCleared, THERMOMETER_SILENT),
            )
        reader = self._devices.reader
        if reader is not None:
            self._poll("card reader", reader, self._read_card, period_s=0)

    def _take_up_pilot(self, number: int, place: int, pilot: ControlPilot) -> None:
        """Its state counts before the journal does. One that cannot be had is taken up again and again."""
        up = False
        try:
            pilot.start()
            self.core.take(PilotChanged(number, place, pilot.state))
            up = True
        except DeviceError as error:
            log.error("no control pilot", evse=number, connector=place, why=str(error))
            self.core.take(PilotChanged(number, place, None))
        tell = self._pilot_listener(number, place)
        pilot.on_change(tell)
        self._poll(
            f"pilot {number}.{place}",
            pilot,
            lambda: self._look_at_pilot(number, place, pilot),
            period_s=PILOT_PERIOD_S,
            lost=lambda: tell(None),
            up=up,
        )

    def _look_at_pilot(self, number: int, place: int, pilot: ControlPilot) -> None:
        """Beside `on_change`: a bus that hangs says nothing, and nor does a pilot that was lost and is back."""
        state = pilot.state  # raises DeviceError
        evse = self.core.station.evse(number)
        if evse is not None and any(connector == place for connector, _ in evse.pilot_problems):
            self._events.put(PilotChanged(number, place, state))

    def _start_pollers(self, number: int) -> None:
        evse = self._devices.evses[number]
        self._meters[number] = self._poll(
            f"meter {number}",
            evse.meter,
            lambda: self._read_meter(number),
            period_s=METER_PERIOD_S,
            patience_s=METER_PATIENCE_S,
            lost=lambda: self._events.put(FaultRaised(number, METER_SILENT)),
            found=lambda: self._events.put(FaultCleared(number, METER_SILENT)),
        )
        vehicle = evse.vehicle
        if vehicle is not None:
            self._poll(
                f"vehicle {number}",
                vehicle,
                lambda: self._events.put(SocRead(number, vehicle.soc_pct())),
                period_s=VEHICLE_PERIOD_S,
                lost=lambda: self._events.put(SocRead(number, None)),
            )

    def _poll(
        self,
        name: str,
        device: Device,
        poll: Callable[[], None],
        *,
        period_s: float,
        patience_s: float = 0.0,
        lost: Callable[[], None] = lambda: None,
        found: Callable[[], None] = lambda: None,
        up: bool = False,
    ) -> Poller:
        poller = Poller(name, device, poll, period_s=period_s, patience_s=patience_s, lost=lost, found=found, up=up)
        self._pollers.append(poller)
        poller.start()
        return poller

    def _let_go(self) -> None:
        for evse in self._devices.evses.values():
            for connector in evse.connectors.values():
                connector.contactor.stop()
                if connector.plug is not None:
                    connector.plug.on_change(None)
                    connector.plug.stop()
                if connector.pilot is not None:
                    connector.pilot.on_change(None)
            if evse.indicator is not None:
                evse.indicator.stop()
        for _, sensor in self._devices.trips:
            sensor.on_change(None)
            sensor.stop()
        for poller in self._pollers:
            poller.stop()

    def _read_card(self) -> None:
        assert self._devices.reader is not None
        seen = self._devices.reader.read()
        uid = self._taps.see(seen, self._clock().mono)
        if uid is not None:
            self._events.put(CardRead(IdToken(uid, "ISO14443")))
        if seen is not None:
            time.sleep(RESTING_S)

    def _read_meter(self, number: int) -> None:
        asked = self._clock().mono
        reading = self._devices.evses[number].meter.read()
        self._events.put(Metered(number, reading, asked))
        self._look_at_contactors(number)

    def _look_at_contactors(self, number: int) -> None:
        """Contacts that are closed though we opened them are welded: nobody may use this EVSE any more."""
        before, opened = self.core.station.evse(number), self._opened_mono.get(number, 0.0)
        connectors = self._devices.evses[number].connectors.values()
        welded = any(connector.contactor.closed for connector in connectors)
        evse = self.core.station.evse(number)
        if before is None or evse is None or before.closed is not None or evse.closed is not None:
            return  # looked before and after: the loop may have switched meanwhile
        if opened != self._opened_mono.get(number, 0.0) or self._clock().mono - opened < ARMATURE_S:
            return
        if welded != (CONTACTOR_WELDED in evse.faults):
            event = FaultRaised if welded else FaultCleared
            self._events.put(event(number, CONTACTOR_WELDED))

    def _read_thermometer(self) -> None:
        assert self._devices.thermometer is not None
        celsius = self._devices.thermometer.celsius()
        if celsius >= self._devices.max_c:
            self._tell_all(FaultRaised, OVER_TEMPERATURE)
        elif celsius <= self._devices.max_c - COOLED_BY_C:
            self._tell_all(FaultCleared, OVER_TEMPERATURE)

    def _tell_all(self, fault: type[FaultRaised] | type[FaultCleared], reason: str) -> None:
        """Something is wrong with, or right again for, the whole station."""
        for number in self._devices.evses:
            self._events.put(fault(number, reason))

    def _trip_listener(self, reason: str) -> Callable[[bool], None]:
        return lambda tripped: self._tell_all(FaultRaised if tripped else FaultCleared, reason)

    def _pilot_listener(self, number: int, connector: int) -> Callable[[PilotState | None], None]:
        return lambda state: self._events.put(PilotChanged(number, connector, state))

    def _plug_listener(self, number: int, connector: int) -> Callable[[bool], None]:
        return lambda plugged: self._events.put(PlugChanged(number, connector, plugged))


class _FrameArrived:
    __slots__ = ("ack", "frame")

    def __init__(self, frame: bytes, ack: Callable[[], None]) -> None:
        self.frame = frame
        self.ack = ack
