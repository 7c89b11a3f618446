"""A station's configuration: one TOML file. `docs/how-to/configure-a-station.md` shows one with every key."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import msgspec

from edge.station.state import Settings
from edge.station.tokens import AuthorizationSettings
from hardware.board import Board
from hardware.ports import (
    CardReader,
    Contactor,
    HardwareError,
    Indicator,
    Meter,
    PlugSensor,
    Thermometer,
    TripSensor,
    VehicleLink,
)
from hardware.registry import driver
from protocol import settings, topics
from protocol.errors import SettingsError
from protocol.mqtt import Broker

Positive = Annotated[int, msgspec.Meta(ge=1)]
#: A device: `driver` names it, the other keys are that driver's own.
DeviceTable = dict[str, Any]


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who the station is. id: as registered at the CSMS. data: folder for what must survive a power cut.

    vendor, model, serial: as BootNotification tells them.
    """

    id: str
    data: str = "/var/lib/colonnina"
    vendor: Annotated[str, msgspec.Meta(max_length=50)] = "Colonnina"
    model: Annotated[str, msgspec.Meta(max_length=20)] = "Pi 4"
    serial: Annotated[str, msgspec.Meta(max_length=25)] = ""


class Pins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """map: a pin map other than wiring/pins.toml. wire: the port of an emulated header, instead of the Pi's own."""

    map: str = ""
    wire: str = ""


class ConnectorTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """number: from 1. contactor, plug: its devices."""

    number: Positive
    contactor: DeviceTable
    plug: DeviceTable


class EvseTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """number: from 1. meter: always. indicator, vehicle: where there is one. connector: one or more."""

    number: Positive
    meter: DeviceTable
    connector: Annotated[tuple[ConnectorTable, ...], msgspec.Meta(min_length=1)]
    indicator: DeviceTable | None = None
    vehicle: DeviceTable | None = None


class TripTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A protective device that tells the station. reason: what it means when it trips. device: its driver."""

    reason: Literal["EmergencyStop", "ResidualCurrent"]
    device: DeviceTable


class HeatTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A thermometer in the housing. max_c: from here on no power flows until it is 10 less; degrees Celsius."""

    device: DeviceTable
    max_c: Annotated[float, msgspec.Meta(ge=30, le=110)] = 70.0


class StationFile(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole file."""

    station: Identity
    evse: Annotated[tuple[EvseTable, ...], msgspec.Meta(min_length=1)]
    broker: Broker = Broker()
    pins: Pins = Pins()
    behaviour: Settings = Settings()
    authorization: AuthorizationSettings = AuthorizationSettings()
    reader: DeviceTable | None = None
    trip: tuple[TripTable, ...] = ()
    heat: HeatTable | None = None


@dataclass(frozen=True, slots=True)
class ConnectorDevices:
    contactor: Contactor
    plug: PlugSensor


@dataclass(frozen=True, slots=True)
class EvseDevices:
    meter: Meter
    connectors: dict[int, ConnectorDevices]
    indicator: Indicator | None = None
    vehicle: VehicleLink | None = None


@dataclass(frozen=True, slots=True)
class Devices:
    """All devices of a station, made and not started. trips: (reason, sensor). max_c: what the thermometer may show."""

    evses: dict[int, EvseDevices]
    reader: CardReader | None = None
    trips: tuple[tuple[str, TripSensor], ...] = ()
    thermometer: Thermometer | None = None
    max_c: float = 70.0


def load(path: Path) -> StationFile:
    """Raises SettingsError, saying which line is wrong and what is allowed."""
    config = settings.load(path, StationFile)
    try:
        topics.check_station_id(config.station.id)
    except ValueError as error:
        raise SettingsError(f"{path}: station.id: {error}") from error
    numbers = [evse.number for evse in config.evse]
    if len(set(numbers)) != len(numbers):
        raise SettingsError(f"{path}: evse.number: {numbers} has one twice")
    for evse in config.evse:
        connectors = [connector.number for connector in evse.connector]
        if len(set(connectors)) != len(connectors):
            raise SettingsError(f"{path}: evse {evse.number}: connector.number: {connectors} has one twice")
    return config


def make_devices(config: StationFile, board: Board, path: Path) -> Devices:
    """The devices that the file names. path: for errors. Raises SettingsError."""
    text = path.read_text("utf-8") if path.exists() else ""

    def make(kind: str, table: DeviceTable, *within: str) -> Any:
        name, where = table.get("driver"), ".".join(within).replace(".[", "[")
        if not isinstance(name, str):
            raise SettingsError(f'{path}: {where}: a device names its driver, such as driver = "..."')
        try:
            cls = driver(kind, name)
        except HardwareError as error:
            raise SettingsError(f"{path}: {where}.driver: {error}") from error
        keys = {key: value for key, value in table.items() if key != "driver"}
        return cls(settings.convert(keys, cls.Settings, str(path), text, within), board)

    evses = {}
    for index, evse in enumerate(config.evse):
        here = ("evse", f"[{index}]")
        connectors = {}
        for number, connector in enumerate(evse.connector):
            place = (*here, "connector", f"[{number}]")
            connectors[connector.number] = ConnectorDevices(
                make("power", connector.contactor, *place, "contactor"),
                make("plug", connector.plug, *place, "plug"),
            )
        evses[evse.number] = EvseDevices(
            make("meter", evse.meter, *here, "meter"),
            connectors,
            None if evse.indicator is None else make("indicator", evse.indicator, *here, "indicator"),
            None if evse.vehicle is None else make("vehicle", evse.vehicle, *here, "vehicle"),
        )
    reader = None if config.reader is None else make("nfc", config.reader, "reader")
    trips = tuple((trip.reason, make("safety", trip.device, f"trip {trip.reason}.device")) for trip in config.trip)
    if config.heat is None:
        return Devices(evses, reader, trips)
    return Devices(evses, reader, trips, make("thermometer", config.heat.device, "heat.device"), config.heat.max_c)
