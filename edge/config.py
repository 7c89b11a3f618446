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
    ControlPilot,
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

    vendor, model, serial: as BootNotification tells them. outbox_max: calls that wait for the CSMS, at most; above it
    the least valuable are dropped.
    """

    id: str
    data: str = "/var/lib/colonnina"
    vendor: Annotated[str, msgspec.Meta(max_length=50)] = "Colonnina"
    model: Annotated[str, msgspec.Meta(max_length=20)] = "Pi 4"
    serial: Annotated[str, msgspec.Meta(max_length=25)] = ""
    outbox_max: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 20_000


class Pins(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """map: a pin map other than wiring/pins.toml. wire: the port of an emulated header, instead of the Pi's own."""

    map: str = ""
    wire: str = ""


class ConnectorTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """number: from 1. type: OCPP's ConnectorEnumType. contactor: always.

    plug or pilot: what tells that a vehicle is there; a control pilot also tells the vehicle what it may draw.
    """

    number: Positive
    contactor: DeviceTable
    type: Annotated[str, msgspec.Meta(min_length=1, max_length=20)] = "cType2"
    plug: DeviceTable | None = None
    pilot: DeviceTable | None = None


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


class FirmwareTable(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How firmware is installed; without `install` the station refuses it.

    install: command, in which "{file}" stands for the firmware. confirm: command that says, after the restart, by exit
    code 0 that the new firmware runs. root: PEM file of those whose firmware is trusted. unsigned: firmware without a
    signature is taken, too. max_mb: larger files are refused. command_s: a command that takes longer has failed.
    """

    install: tuple[str, ...] = ()
    confirm: tuple[str, ...] = ()
    root: str = ""
    unsigned: bool = False
    max_mb: Annotated[int, msgspec.Meta(ge=1, le=16_384)] = 1_024
    command_s: Annotated[float, msgspec.Meta(ge=1, le=86_400)] = 1_800.0


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
    firmware: FirmwareTable = FirmwareTable()


@dataclass(frozen=True, slots=True)
class ConnectorDevices:
    """Either plug or pilot."""

    contactor: Contactor
    plug: PlugSensor | None = None
    pilot: ControlPilot | None = None


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
    _check_firmware(config.firmware, path)
    numbers = [evse.number for evse in config.evse]
    if len(set(numbers)) != len(numbers):
        raise SettingsError(f"{path}: evse.number: {numbers} has one twice")
    for evse in config.evse:
        connectors = [connector.number for connector in evse.connector]
        if len(set(connectors)) != len(connectors):
            raise SettingsError(f"{path}: evse {evse.number}: connector.number: {connectors} has one twice")
        for connector in evse.connector:
            if (connector.plug is None) == (connector.pilot is None):
                where = f"{path}: evse {evse.number}: connector {connector.number}"
                raise SettingsError(f"{where}: has either a plug switch ([evse.connector.plug]) or a control pilot")
    return config


def _check_firmware(table: FirmwareTable, path: Path) -> None:
    if not table.install:
        return
    if not any("{file}" in part for part in table.install):
        raise SettingsError(f'{path}: firmware.install: "{{file}}" must say where the firmware\'s path goes')
    if not (table.root or table.unsigned):
        raise SettingsError(f"{path}: firmware.root: whose firmware is trusted? Only unsigned = true can do without")


def load_roots(config: StationFile) -> str:
    """The certificates of those whose firmware is trusted, PEM. Raises SettingsError."""
    if not config.firmware.root:
        return ""
    try:
        text = Path(config.firmware.root).read_text("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"firmware.root: {config.firmware.root} cannot be read: {error}") from error
    if "-----BEGIN CERTIFICATE-----" not in text:
        raise SettingsError(f"firmware.root: {config.firmware.root} has no certificate in it")
    return text


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
                None if connector.plug is None else make("plug", connector.plug, *place, "plug"),
                None if connector.pilot is None else make("pilot", connector.pilot, *place, "pilot"),
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
