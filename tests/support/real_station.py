"""One station at work in this process: the real loop and drivers, a bench behind its ports, a CSMS that agrees."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from deploy.local.plan import DemoStation, Plan, station_toml
from edge.authorization import SqliteTokenMemory
from edge.clock import now
from edge.config import load, make_devices
from edge.outbox import SqliteOutbox
from edge.station import machine
from edge.station.runtime import Runtime
from edge.station.state import Evse
from hardware.board import Board
from hardware.emulators.bench import StationBench
from hardware.emulators.vehicle import Vehicle
from hardware.emulators.wire_factory import WireFactory
from protocol.envelope import Call, CallResult, decode, encode
from protocol.messages import Version, make_request, make_response
from tests.support import wait_for
from wiring import pins

IDENTITY = {"vendorName": "Colonnina", "model": "Pi 4"}
CARD = "04A1B2C3D4E5F6"


class AgreeableCsms:
    """A transport whose other end accepts everything. told: what the station has called, with its payload."""

    def __init__(self) -> None:
        self.told: list[tuple[str, dict[str, Any]]] = []
        self.replies: list[CallResult] = []
        self.arrived: Callable[[bytes, Callable[[], None]], None] = lambda frame, ack: None

    def send(self, frame: bytes) -> None:
        read = decode(frame)
        if isinstance(read, CallResult):
            self.replies.append(read)
        if not isinstance(read, Call):
            return
        self.told.append((read.action, msgspec.json.decode(read.payload)))
        response = make_response(Version.V201, read.action, self._answer(read.action))
        self.arrived(encode(CallResult(read.message_id, response)), lambda: None)

    def call(self, action: str, payload: dict[str, Any]) -> None:
        """Call the station."""
        frame = encode(Call(f"call-{action}", action, make_request(Version.V201, action, payload)))
        self.arrived(frame, lambda: None)

    def events(self) -> list[tuple[str, str, str]]:
        """(kind, trigger, charging state) of the transaction events."""
        return [
            (event["eventType"], event["triggerReason"], event["transactionInfo"]["chargingState"])
            for action, event in self.told
            if action == "TransactionEvent"
        ]

    def _answer(self, action: str) -> dict[str, Any]:
        time = datetime.now(UTC).isoformat()
        return {
            "Authorize": {"idTokenInfo": {"status": "Accepted"}},
            "BootNotification": {"currentTime": time, "interval": 60, "status": "Accepted"},
            "Heartbeat": {"currentTime": time},
        }.get(action, {})


class RealStation:
    """demo: which of the demo's kinds it is. more: added to its configuration."""

    def __init__(self, folder: Path, demo: DemoStation, more: str = "") -> None:
        plan = Plan(8000, 1, 1.0, folder)
        self._path = folder / "station.toml"
        self._path.write_text(station_toml(plan, demo, "secret") + more)
        self.bench = StationBench(plan.bench_folder(demo.id), demo.bench, pins=pins.load())
        self.csms = AgreeableCsms()
        self._folder = folder
        self._stopping = threading.Event()

    def start(self) -> None:
        self.bench.start()
        config = load(self._path)
        self._factory = WireFactory(config.pins.wire)
        self._factory.start()
        self._outbox = SqliteOutbox(self._folder / "station.sqlite")
        self._tokens = SqliteTokenMemory(self._folder / "tokens.sqlite")
        self._outbox.start()
        self._tokens.start()
        sockets = [(evse.number, connector) for evse in config.evse for connector in evse.connector]
        station = machine.initial(
            [(evse.number, [connector.number for connector in evse.connector]) for evse in config.evse],
            "seed",
            config.behaviour,
            IDENTITY,
            piloted=[(evse, connector.number) for evse, connector in sockets if connector.pilot is not None],
        )
        devices = make_devices(config, Board(pins.load(), self._factory), self._path)
        self._runtime = Runtime(station, devices, self._outbox, self._tokens, self.csms, now)
        self.csms.arrived = self._runtime.frame_arrived
        self._thread = threading.Thread(target=self._runtime.run, args=(self._stopping,), name="station")
        self._thread.start()
        self._runtime.link_changed(True)

    def stop(self) -> None:
        self._stopping.set()
        self._thread.join(10)
        self._factory.close()
        self._tokens.stop()
        self._outbox.stop()
        self.bench.stop()

    @property
    def running(self) -> bool:
        return self._thread.is_alive()

    @property
    def evse(self) -> Evse:
        """What the station knows of its first EVSE."""
        return self._runtime.core.station.evses[0]

    def seen(self) -> dict[str, Any]:
        """What can be seen of the first EVSE on the bench."""
        found: dict[str, Any] = self.bench.snapshot()["evses"][0]
        return found

    def charge(self, vehicle: Vehicle | None = None) -> None:
        """Somebody plugs in and taps."""
        wait_for(lambda: self.evse.measured is not None and "BootNotification" in dict(self.csms.told), 15)
        self.bench.plug(1, 1, vehicle or Vehicle())
        self.bench.tap(CARD)


@contextmanager
def a_station(folder: Path, *, piloted: bool = False, more: str = "") -> Iterator[RealStation]:
    """One with a single socket."""
    station = RealStation(folder, DemoStation("cs-1", ((("Type2", 7.4),),), piloted=piloted), more)
    station.start()
    try:
        yield station
    finally:
        station.stop()
