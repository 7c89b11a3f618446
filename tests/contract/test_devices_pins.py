"""The contracts of what hangs on pins (contactor, plug switch, light), on gpiozero's own mock and over a wire."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from hardware.board import Board
from hardware.emulators.pins import PinsBench, WireFactory
from hardware.emulators.pty import Pty
from hardware.indicator.rgb_led import RgbLed
from hardware.plug.switch import PlugSwitch
from hardware.ports import DeviceError, Light
from hardware.power.contactor import GpioContactor
from wiring.pins import PinError, PinMap

MakePty = Callable[[str], Pty]
Until = Callable[[Callable[[], object]], None]

COLOURS = {
    Light.OFF: (0, 0, 0),
    Light.AVAILABLE: (0, 1, 0),
    Light.WAITING: (0, 0, 1),
    Light.CHARGING: (0, 0, 1),
    Light.FINISHING: (0, 1, 0),
    Light.REFUSED: (1, 0, 0),
    Light.RESERVED: (0.6, 0, 1),
    Light.UNAVAILABLE: (1, 0.6, 0),
    Light.FAULTED: (1, 0, 0),
}


class OtherEnd(Protocol):
    """What hangs on the header: sees outputs, drives inputs."""

    board: Board

    def output(self, name: str) -> float: ...

    def drive(self, name: str, level: bool) -> None: ...


class Mock:
    """gpiozero's own mock pins."""

    def __init__(self, pins: PinMap) -> None:
        self.factory = MockFactory(pin_class=MockPWMPin)
        self.board = Board(pins, self.factory)

    def output(self, name: str) -> float:
        return float(self.factory.pin(self.board.pins[name].gpio).state)

    def drive(self, name: str, level: bool) -> None:
        pin = self.factory.pin(self.board.pins[name].gpio)
        (pin.drive_high if level else pin.drive_low)()

    def close(self) -> None:
        self.factory.close()


class Wire:
    """A WireFactory here, a PinsBench at the other end of a pty."""

    def __init__(self, pins: PinMap, pty: Pty) -> None:
        self.bench = PinsBench(pins, pty.write, lambda: None)
        pty.on_data, pty.on_hang_up = self.bench.feed, self.bench.hang_up
        pty.start()
        self.factory = WireFactory(str(pty.path))
        self.factory.start()
        self.board = Board(pins, self.factory)
        self.output, self.drive = self.bench.output, self.bench.drive
        self.pty_stop = pty.stop

    def close(self) -> None:
        self.factory.close()


@pytest.fixture(params=["mock", "wire"])
def header(request: pytest.FixtureRequest, pins: PinMap, make_pty: MakePty) -> Iterator[OtherEnd]:
    end: Any = Mock(pins) if request.param == "mock" else Wire(pins, make_pty("pins"))
    yield end
    end.close()


@pytest.fixture
def wire(pins: PinMap, make_pty: MakePty) -> Iterator[Wire]:
    end = Wire(pins, make_pty("pins"))
    yield end
    end.close()


@pytest.fixture
def contactor(header: OtherEnd) -> Iterator[GpioContactor]:
    device = GpioContactor(GpioContactor.Settings(), header.board)
    device.start()
    yield device
    device.stop()


def test_a_contactor_is_open_when_started_and_opens_when_stopped(
    header: OtherEnd, contactor: GpioContactor, until: Until
) -> None:
    assert header.output("contactor_1") == 0
    contactor.close()
    until(lambda: header.output("contactor_1") == 1)
    contactor.stop()
    until(lambda: header.output("contactor_1") == 0)
    contactor.stop()
    contactor.start()
    contactor.close()
    until(lambda: header.output("contactor_1") == 1)
    contactor.open()
    until(lambda: header.output("contactor_1") == 0)


def test_a_contactor_is_closed_when_its_mirror_contact_says_so_whatever_was_commanded(
    header: OtherEnd, contactor: GpioContactor, until: Until
) -> None:
    header.drive("contactor_1_feedback", False)
    until(lambda: not contactor.closed)
    contactor.close()
    assert not contactor.closed
    header.drive("contactor_1_feedback", True)
    until(lambda: contactor.closed)
    contactor.open()
    assert contactor.closed  # welded


def test_an_ordinary_auxiliary_contact_reads_the_other_way_round(header: OtherEnd, until: Until) -> None:
    contactor = GpioContactor(GpioContactor.Settings(feedback_contact="no"), header.board)
    contactor.start()
    header.drive("contactor_1_feedback", False)
    until(lambda: contactor.closed)
    contactor.stop()


def test_a_broken_wire_of_a_mirror_contact_reads_as_closed(contactor: GpioContactor) -> None:
    assert contactor.closed  # nothing pulls the input to ground


def test_without_feedback_a_contactor_is_as_last_commanded(header: OtherEnd) -> None:
    contactor = GpioContactor(GpioContactor.Settings(pin="contactor_2", feedback=""), header.board)
    contactor.start()
    assert not contactor.closed
    contactor.close()
    assert contactor.closed
    contactor.stop()


@pytest.mark.parametrize("settings", [{"pin": "contactor_9"}, {"pin": "plug_1"}, {"feedback": "led_1_red"}])
def test_a_contactor_on_a_wrong_pin_does_not_start(header: OtherEnd, settings: dict[str, str]) -> None:
    contactor = GpioContactor(GpioContactor.Settings(**settings), header.board)
    with pytest.raises(PinError):
        contactor.start()
    with pytest.raises(DeviceError, match="not started"):
        contactor.close()


def test_a_pin_that_is_in_use_is_an_error(header: OtherEnd, contactor: GpioContactor) -> None:
    with pytest.raises(DeviceError, match="GPIO17"):
        GpioContactor(GpioContactor.Settings(), header.board).start()


def test_a_plug_is_seen_and_each_change_is_told(header: OtherEnd, until: Until) -> None:
    switch = PlugSwitch(PlugSwitch.Settings(), header.board)
    told: list[bool] = []
    switch.on_change(told.append)
    switch.start()
    assert not switch.plugged
    header.drive("plug_1", False)
    until(lambda: switch.plugged)
    header.drive("plug_1", True)
    until(lambda: not switch.plugged)
    until(lambda: told == [True, False])
    switch.on_change(None)
    header.drive("plug_1", False)
    until(lambda: switch.plugged)
    switch.stop()
    assert told == [True, False]
    with pytest.raises(DeviceError, match="not started"):
        _ = switch.plugged


def test_a_switch_that_opens_when_plugged_reads_the_other_way_round(header: OtherEnd, until: Until) -> None:
    switch = PlugSwitch(PlugSwitch.Settings(closed_when_plugged=False), header.board)
    switch.start()
    assert switch.plugged
    header.drive("plug_1", False)
    until(lambda: not switch.plugged)
    switch.stop()


def levels(header: OtherEnd) -> tuple[float, ...]:
    return tuple(header.output(f"led_1_{colour}") for colour in ("red", "green", "blue"))


@pytest.mark.parametrize("light", list(Light))
def test_each_light_has_its_colour(header: OtherEnd, light: Light, until: Until) -> None:
    led = RgbLed(RgbLed.Settings(), header.board)
    led.start()
    led.show(light)
    until(lambda: levels(header) == COLOURS[light])
    led.stop()
    until(lambda: levels(header) == (0, 0, 0))


def test_a_fault_blinks_until_something_else_is_shown(header: OtherEnd, until: Until) -> None:
    led = RgbLed(RgbLed.Settings(brightness_pct=50), header.board)
    led.start()
    led.show(Light.FAULTED)
    for _ in range(2):
        until(lambda: levels(header) == (0.5, 0, 0))
        until(lambda: levels(header) == (0, 0, 0))
    led.show(Light.AVAILABLE)
    until(lambda: levels(header) == (0, 0.5, 0))
    led.stop()


def test_a_light_that_is_not_started_can_not_show(header: OtherEnd) -> None:
    with pytest.raises(DeviceError, match="not started"):
        RgbLed(RgbLed.Settings(), header.board).show(Light.OFF)


STATION = """
import sys, time
from hardware.board import Board
from hardware.emulators.pins import WireFactory
from hardware.power.contactor import GpioContactor
from wiring.pins import load
factory = WireFactory(sys.argv[1])
factory.start()
contactor = GpioContactor(GpioContactor.Settings(), Board(load(), factory))
contactor.start()
contactor.close()
time.sleep(60)
"""


def test_a_station_that_is_killed_lets_go_of_its_contactor(pins: PinMap, make_pty: MakePty, until: Until) -> None:
    pty = make_pty("pins")
    bench = PinsBench(pins, pty.write, lambda: None)
    pty.on_data, pty.on_hang_up = bench.feed, bench.hang_up
    pty.start()
    for _ in range(2):
        station = subprocess.Popen([sys.executable, "-c", STATION, str(pty.path)])
        until(lambda: bench.output("contactor_1") == 1)
        station.send_signal(signal.SIGKILL)
        until(lambda: bench.output("contactor_1") == 0)
        station.wait()
        assert not bench.connected


def test_a_wire_that_was_lost_comes_back_with_all_outputs_and_inputs(
    wire: Wire, pins: PinMap, make_pty: MakePty, until: Until
) -> None:
    pty = make_pty("pins")  # the successor, under the same name
    contactor = GpioContactor(GpioContactor.Settings(), wire.board)
    contactor.start()
    contactor.close()
    wire.bench.drive("contactor_1_feedback", True)
    until(lambda: wire.bench.output("contactor_1") == 1)
    successor = PinsBench(pins, pty.write, lambda: None)
    successor.drive("contactor_1_feedback", False)
    pty.on_data, pty.on_hang_up = successor.feed, successor.hang_up
    assert contactor.closed
    wire.pty_stop()
    assert contactor.closed  # inputs stay as they were
    pty.start()
    until(lambda: successor.output("contactor_1") == 1)
    until(lambda: not contactor.closed)
    contactor.stop()


def test_an_input_that_was_said_before_the_device_began_is_known_at_once(wire: Wire, until: Until) -> None:
    wire.bench.drive("plug_2", False)
    wire.bench.drive("plug_1", False)  # said second, so that when it is known the other is too
    first = PlugSwitch(PlugSwitch.Settings(), wire.board)
    second = PlugSwitch(PlugSwitch.Settings(pin="plug_2"), wire.board)
    first.start()
    until(lambda: first.plugged)
    second.start()
    assert second.plugged
    first.stop()
    second.stop()


def test_without_a_bench_the_wire_does_not_start(make_pty: MakePty) -> None:
    factory = WireFactory(str(make_pty("pins").path))
    with pytest.raises(DeviceError, match="nobody answers"):
        factory.start(timeout_s=0.1)
    factory.close()
