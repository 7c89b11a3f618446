"""The contracts of safety inputs: contacts on gpiozero's mock or a bench's wire, and a thermometer's file."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

import pytest
from gpiozero.pins.mock import MockFactory

from hardware.board import Board
from hardware.emulators.bench import StationBench
from hardware.emulators.pins import WireFactory
from hardware.ports import DeviceError
from hardware.safety.contact import NcContact
from hardware.safety.ds18b20 import Ds18b20
from wiring.pins import PinError, PinMap, load

Until = Callable[[Callable[[], object]], None]

CONTACTS = ["emergency_stop", "rcd_trip"]


class OtherEnd(Protocol):
    """The button or RCD."""

    board: Board

    def trip(self, name: str, tripped: bool) -> None: ...

    def close(self) -> None: ...


class Mock:
    """gpiozero's own mock pins."""

    def __init__(self, pins: PinMap) -> None:
        self.factory = MockFactory()
        self.board = Board(pins, self.factory)
        for name in CONTACTS:
            self.trip(name, False)

    def trip(self, name: str, tripped: bool) -> None:
        pin = self.factory.pin(self.board.pins[name].gpio)
        (pin.drive_high if tripped else pin.drive_low)()

    def close(self) -> None:
        self.factory.close()


class Bench:
    """A whole bench at the other end of a wire."""

    def __init__(self, pins: PinMap, folder: Path) -> None:
        self.bench = StationBench(folder, pins=pins)
        self.bench.start()
        self.trip = self.bench.trip
        self.factory = WireFactory(str(folder / "pins"))
        self.factory.start()
        self.board = Board(pins, self.factory)

    def close(self) -> None:
        self.factory.close()
        self.bench.stop()


@pytest.fixture(params=["mock", "bench"])
def header(request: pytest.FixtureRequest, pins: PinMap, tmp_path: Path) -> Iterator[OtherEnd]:
    end: OtherEnd = Mock(pins) if request.param == "mock" else Bench(pins, tmp_path / "b")
    yield end
    end.close()


@pytest.mark.parametrize("name", CONTACTS)
def test_a_contact_that_opens_is_a_trip_and_each_change_is_told(header: OtherEnd, name: str, until: Until) -> None:
    contact = NcContact(NcContact.Settings(pin=name), header.board)
    told: list[bool] = []
    contact.on_change(told.append)
    contact.start()
    header.trip(name, False)
    until(lambda: not contact.tripped)
    told.clear()  # the mock's pull-up makes it open for a moment
    header.trip(name, True)
    until(lambda: contact.tripped)
    header.trip(name, False)
    until(lambda: not contact.tripped)
    until(lambda: told == [True, False])
    contact.on_change(None)
    header.trip(name, True)
    until(lambda: contact.tripped)
    assert told == [True, False]
    contact.stop()


def test_a_broken_wire_is_a_trip(pins: PinMap) -> None:
    factory = MockFactory()
    contact = NcContact(NcContact.Settings(), Board(pins, factory))
    contact.start()
    assert contact.tripped  # nothing pulls the input to ground
    factory.close()


def test_a_contact_that_was_open_before_the_start_is_known_at_once(header: OtherEnd, until: Until) -> None:
    other = NcContact(NcContact.Settings(pin="rcd_trip"), header.board)
    other.start()
    header.trip("emergency_stop", True)
    header.trip("rcd_trip", True)  # said second, so that when it is known the other is too
    until(lambda: other.tripped)
    contact = NcContact(NcContact.Settings(), header.board)
    contact.start()
    assert contact.tripped
    contact.stop()
    other.stop()


def test_a_contact_that_is_not_started_can_not_be_asked(header: OtherEnd) -> None:
    contact = NcContact(NcContact.Settings(), header.board)
    with pytest.raises(DeviceError, match="not started"):
        _ = contact.tripped


def test_a_contact_on_an_output_does_not_start(header: OtherEnd) -> None:
    with pytest.raises(PinError, match="direction"):
        NcContact(NcContact.Settings(pin="contactor_1"), header.board).start()


def test_a_bench_shows_what_has_tripped_and_knows_no_other_contact(pins: PinMap, tmp_path: Path) -> None:
    bench = StationBench(tmp_path / "b", pins=pins)
    bench.start()
    assert bench.snapshot()["tripped"] == {"emergency_stop": False, "rcd_trip": False}
    bench.trip("rcd_trip", True)
    assert bench.snapshot()["tripped"] == {"emergency_stop": False, "rcd_trip": True}
    with pytest.raises(ValueError, match="no safety contact plug_1"):
        bench.trip("plug_1", True)
    bench.stop()


def test_a_bench_with_a_map_without_safety_contacts_has_none(tmp_path: Path, pins: PinMap) -> None:
    bench = StationBench(tmp_path / "b", pins=PinMap({name: pin for name, pin in pins.items() if name not in CONTACTS}))
    bench.start()
    assert bench.snapshot()["tripped"] == {}
    bench.stop()


@pytest.mark.parametrize(("name", "right"), [("emergency_stop", "in"), ("rcd_trip", "in"), ("pilot_1", "out")])
def test_the_pin_map_refuses_a_wrong_direction(tmp_path: Path, name: str, right: str) -> None:
    wrong = {"in": "out", "out": "in"}[right]
    (tmp_path / "pins.toml").write_text(f'{name} = {{ gpio = 18, direction = "{wrong}" }}')
    with pytest.raises(PinError, match=f"{name} has direction '{wrong}', but can only be '{right}'"):
        load(tmp_path / "pins.toml")


# As the kernel's w1_therm writes them.
WARM = "72 01 4b 46 7f ff 0e 10 57 : crc=57 YES\n72 01 4b 46 7f ff 0e 10 57 t=23125\n"
FREEZING = "5e ff 4b 46 7f ff 02 10 2d : crc=2d YES\n5e ff 4b 46 7f ff 02 10 2d t=-10125\n"
ZERO = "00 00 4b 46 7f ff 0c 10 3b : crc=3b YES\n00 00 4b 46 7f ff 0c 10 3b t=0\n"
POWER_ON = "50 05 4b 46 7f ff 0c 10 1c : crc=1c YES\n50 05 4b 46 7f ff 0c 10 1c t=85000\n"
DISTURBED = "72 01 4b 46 7f ff 0e 10 57 : crc=d1 NO\n6e 01 4b 46 7f ff 02 10 71 t=22875\n"
SHORTED = "00 00 00 00 00 00 00 00 00 : crc=00 YES\n00 00 00 00 00 00 00 00 00 t=0\n"
ABSURD = "ff 7f 4b 46 7f ff 0c 10 00 : crc=00 YES\nff 7f 4b 46 7f ff 0c 10 00 t=2047937\n"


@pytest.fixture
def chip(tmp_path: Path) -> Path:
    path = tmp_path / "28-0316a2797b1e" / "w1_slave"
    path.parent.mkdir()
    path.write_text(WARM)
    return path


@pytest.fixture
def thermometer(chip: Path) -> Iterator[Ds18b20]:
    thermometer = Ds18b20(Ds18b20.Settings(path=str(chip)), None)  # type: ignore[arg-type]
    thermometer.start()
    yield thermometer
    thermometer.stop()


@pytest.mark.parametrize(("text", "celsius"), [(WARM, 23.125), (FREEZING, -10.125), (ZERO, 0.0)])
def test_the_temperature_is_what_the_file_says(thermometer: Ds18b20, chip: Path, text: str, celsius: float) -> None:
    chip.write_text(text)
    assert thermometer.celsius() == celsius


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (POWER_ON, "has not measured"),
        (DISTURBED, "checksum is wrong"),
        (SHORTED, "shorted"),
        (ABSURD, "2047.937 degrees"),
        ("", "no answer"),
        (WARM.splitlines()[0], "no answer"),
        (WARM.replace("23125", "warm"), "no answer"),
        ("72 01 °C", "lost"),
    ],
)
def test_what_is_no_measurement_is_an_error_and_the_next_good_one_is_read(
    thermometer: Ds18b20, chip: Path, text: str, message: str
) -> None:
    chip.write_text(text)
    with pytest.raises(DeviceError, match=message):
        thermometer.celsius()
    chip.write_text(WARM)
    assert thermometer.celsius() == 23.125


def test_a_chip_that_vanished_is_an_error_and_is_read_again_when_it_is_back(thermometer: Ds18b20, chip: Path) -> None:
    chip.unlink()
    with pytest.raises(DeviceError, match="lost"):
        thermometer.celsius()
    with pytest.raises(DeviceError, match="0 files fit"):
        Ds18b20(Ds18b20.Settings(path=str(chip)), None).start()  # type: ignore[arg-type]
    chip.write_text(WARM)
    assert thermometer.celsius() == 23.125


def test_a_single_chip_is_found_without_its_serial_number_and_two_are_not(tmp_path: Path, chip: Path) -> None:
    thermometer = Ds18b20(Ds18b20.Settings(path=str(tmp_path / "28-*" / "w1_slave")), None)  # type: ignore[arg-type]
    thermometer.start()
    assert thermometer.celsius() == 23.125
    second = tmp_path / "28-0416b1c2d3ff" / "w1_slave"
    second.parent.mkdir()
    second.write_text(ZERO)
    with pytest.raises(DeviceError, match="2 files fit"):
        thermometer.start()


def test_a_thermometer_that_is_not_started_can_not_be_read(thermometer: Ds18b20) -> None:
    thermometer.stop()
    with pytest.raises(DeviceError, match="not started"):
        thermometer.celsius()
