"""The control pilot contract: PWM on gpiozero's mock or a wire, and an ADS1115 at its registers; then a whole bench."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Protocol

import pytest
from gpiozero.pins.mock import MockFactory, MockPWMPin

from hardware.board import Board
from hardware.emulators.ads1115 import Ads1115, Ads1115Bus
from hardware.emulators.bench import ConnectorBench, EvseBench, StationBench
from hardware.emulators.pins import PinsBench, WireFactory
from hardware.emulators.pty import Pty
from hardware.emulators.vehicle import Vehicle
from hardware.pilot.pwm_adc import PwmAdcPilot
from hardware.ports import DeviceError, PilotState
from hardware.power.contactor import GpioContactor
from wiring.pins import PinError, PinMap

MakePty = Callable[[str], Pty]
Until = Callable[[Callable[[], object]], None]

LEVELS_V = {
    PilotState.A: 12.0,
    PilotState.B: 9.0,
    PilotState.C: 6.0,
    PilotState.D: 3.0,
    PilotState.E: 0.0,
    PilotState.F: -12.0,
}
STARTED = bytes.fromhex("01c3e3")  # what asks the chip for AIN0, 4.096 V, once, 860 a second


class OtherEnd(Protocol):
    """The stage and the vehicle: sees the PWM, drives the pilot's level."""

    pilot: PwmAdcPilot

    def low_share(self) -> float: ...

    def level(self, volts: float) -> None: ...

    def close(self) -> None: ...


def adc_v(high_v: float) -> float:
    return 1.65 + high_v / 10


class Mock:
    """gpiozero's own mock pins, and a chip on a bus that is given."""

    def __init__(self, pins: PinMap, chip: Ads1115 | None = None) -> None:
        self.chip = chip or Ads1115()
        self.factory = MockFactory(pin_class=MockPWMPin)
        self.pilot = PwmAdcPilot(
            PwmAdcPilot.Settings(), Board(pins, self.factory), open_bus=lambda board: Ads1115Bus({0x48: self.chip})
        )
        self.pin = self.factory.pin(pins["pilot_1"].gpio)
        self.level(12)

    def low_share(self) -> float:
        return float(self.pin.state)

    def level(self, volts: float) -> None:
        self.chip.volts[0] = adc_v(volts)

    def close(self) -> None:
        self.pilot.stop()
        self.factory.close()


class Wire:
    """A WireFactory here, a PinsBench at the other end of a pty."""

    def __init__(self, pins: PinMap, pty: Pty) -> None:
        self.pty = pty
        self.bench = PinsBench(pins, pty.write, lambda: None)
        self.level(12)
        pty.on_data, pty.on_hang_up = self.bench.feed, self.bench.hang_up
        pty.start()
        self.factory = WireFactory(str(pty.path))
        self.factory.start()
        self.pilot = PwmAdcPilot(PwmAdcPilot.Settings(), Board(pins, self.factory))

    def low_share(self) -> float:
        return self.bench.output("pilot_1")

    def level(self, volts: float) -> None:
        self.bench.drive_analog(0x48, 0, adc_v(volts))

    def close(self) -> None:
        self.pilot.stop()
        self.factory.close()


@pytest.fixture(params=["mock", "wire"])
def end(request: pytest.FixtureRequest, pins: PinMap, make_pty: MakePty) -> Iterator[OtherEnd]:
    made: OtherEnd = Mock(pins) if request.param == "mock" else Wire(pins, make_pty("pins"))
    made.pilot.start()
    yield made
    made.close()


@pytest.fixture
def mock(pins: PinMap) -> Iterator[Mock]:
    made = Mock(pins)
    yield made
    made.close()


@pytest.fixture
def wire(pins: PinMap, make_pty: MakePty) -> Iterator[Wire]:
    made = Wire(pins, make_pty("pins"))
    yield made
    made.close()


def lost(pilot: PwmAdcPilot) -> bool:
    try:
        _ = pilot.state
    except DeviceError:
        return True
    return False


def test_before_and_after_the_pilot_stands_at_12_volts_without_pwm(end: OtherEnd, until: Until) -> None:
    assert (end.low_share(), end.pilot.state) == (0, PilotState.A)
    end.pilot.offer(16)
    until(lambda: end.low_share() > 0)
    end.pilot.stop()
    until(lambda: end.low_share() == 0)
    end.pilot.stop()
    end.pilot.start()
    end.pilot.offer(16)
    until(lambda: end.low_share() > 0)
    end.pilot.start()
    until(lambda: end.low_share() == 0)


@pytest.mark.parametrize(("limit_a", "low_share"), [(6, 0.9), (16, 0.7333333), (32, 0.4666667), (51, 0.15), (80, 0.04)])
def test_an_offer_is_a_duty_cycle_until_it_is_withdrawn(
    end: OtherEnd, limit_a: float, low_share: float, until: Until
) -> None:
    end.pilot.offer(limit_a)
    until(lambda: end.low_share() == pytest.approx(low_share, abs=1e-6))
    end.pilot.offer(None)
    until(lambda: end.low_share() == 0)


@pytest.mark.parametrize("limit_a", [0, 5.9, 80.1, -1])
def test_a_limit_that_can_not_be_told_is_refused_and_the_offer_stays(
    end: OtherEnd, limit_a: float, until: Until
) -> None:
    end.pilot.offer(16)
    until(lambda: end.low_share() > 0)
    before = end.low_share()
    with pytest.raises(ValueError, match="6 to 80 A"):
        end.pilot.offer(limit_a)
    assert end.low_share() == before


def test_each_level_is_its_state_and_each_change_is_told(end: OtherEnd, until: Until) -> None:
    told: list[PilotState | None] = []
    end.pilot.on_change(told.append)
    walk = [PilotState.B, PilotState.C, PilotState.D, PilotState.E, PilotState.F, PilotState.A]
    for state in walk:
        end.level(LEVELS_V[state])
        until(lambda awaited=state: end.pilot.state is awaited)
    until(lambda: told == walk)
    end.pilot.on_change(None)
    end.level(LEVELS_V[PilotState.B])
    until(lambda: end.pilot.state is PilotState.B)
    assert told == walk


def test_the_state_is_known_as_soon_as_it_is_started(end: OtherEnd, until: Until) -> None:
    end.level(LEVELS_V[PilotState.C])
    until(lambda: end.pilot.state is PilotState.C)
    end.pilot.stop()
    end.pilot.start()
    assert end.pilot.state is PilotState.C


def test_a_pilot_that_is_not_started_says_so(end: OtherEnd) -> None:
    end.pilot.stop()
    with pytest.raises(DeviceError, match="not started"):
        end.pilot.offer(16)
    with pytest.raises(DeviceError, match="not started"):
        _ = end.pilot.state


def test_the_pwm_has_one_kilohertz(mock: Mock) -> None:
    mock.pilot.start()
    assert mock.pin.frequency == 1000


def test_a_change_is_told_within_50_milliseconds(mock: Mock) -> None:
    mock.pilot.start()
    told = threading.Event()
    mock.pilot.on_change(lambda state: told.set())
    took_s = []
    for state in [PilotState.B, PilotState.C] * 5:
        told.clear()
        began = time.monotonic()
        mock.level(LEVELS_V[state])
        assert told.wait(5)
        took_s.append(time.monotonic() - began)
    assert sorted(took_s)[len(took_s) // 2] < 0.075  # what it takes mostly, and what a busy machine adds


def test_an_adc_that_falls_silent_is_told_once_and_is_back_without_a_restart(mock: Mock, until: Until) -> None:
    told: list[PilotState | None] = []
    mock.pilot.start()
    mock.pilot.on_change(told.append)
    mock.chip.powered = False
    until(lambda: told == [None])
    with pytest.raises(DeviceError, match="control pilot on pilot_1: ADS1115 0x48 of the pilot does not answer"):
        _ = mock.pilot.state
    mock.level(9)
    mock.chip.powered = True
    until(lambda: told == [None, PilotState.B])
    assert mock.pilot.state is PilotState.B


def test_a_conversion_that_does_not_end_is_an_error(mock: Mock, until: Until) -> None:
    mock.pilot.start()
    mock.chip.stuck = True
    until(lambda: lost(mock.pilot))
    with pytest.raises(DeviceError, match="conversion does not end"):
        _ = mock.pilot.state


@pytest.mark.parametrize("volts_at_adc", [0.0, 3.3])
def test_a_voltage_that_no_pilot_has_is_an_error(mock: Mock, volts_at_adc: float, until: Until) -> None:
    mock.pilot.start()
    mock.chip.volts[0] = volts_at_adc
    until(lambda: lost(mock.pilot))
    with pytest.raises(DeviceError, match="check stage and settings"):
        _ = mock.pilot.state


class Disturbed(Ads1115):
    """At each look it sees the next of these levels, V; at None it does not answer. Then 12 V."""

    def __init__(self, *levels_v: float | None) -> None:
        super().__init__()
        self.levels_v = list(levels_v)

    def write(self, data: bytes) -> None:
        if data == STARTED:
            level_v = self.levels_v.pop(0) if self.levels_v else 12.0
            if level_v is None:
                raise OSError(121, "Remote I/O error")
            self.volts[0] = adc_v(level_v)
        super().write(data)


def test_one_look_alone_changes_nothing(pins: PinMap, until: Until) -> None:
    mock = Mock(pins, Disturbed(12, 9, 12, None, 12, 6, 9, 6, None, 0, 9, 9))
    told: list[PilotState | None] = []
    mock.pilot.on_change(told.append)
    mock.pilot.start()
    until(lambda: told == [PilotState.B, PilotState.A])
    mock.close()


class Hung(Ads1115):
    """A chip that holds the clock line for as long as it is told."""

    def __init__(self) -> None:
        super().__init__()
        self.free = threading.Event()
        self.free.set()

    def read(self, size: int) -> bytes:
        self.free.wait()
        return super().read(size)


def test_a_bus_that_hangs_leaves_no_old_state_standing_and_the_pilot_can_be_stopped(pins: PinMap, until: Until) -> None:
    chip = Hung()
    mock = Mock(pins, chip)
    mock.pilot.start()
    mock.pilot.offer(16)
    chip.free.clear()
    until(lambda: lost(mock.pilot))
    with pytest.raises(DeviceError, match="hung up"):
        _ = mock.pilot.state
    mock.pilot.stop()
    assert mock.low_share() == 0
    chip.free.set()
    mock.close()


def test_without_an_adc_it_does_not_start_and_lets_go_of_its_pin(mock: Mock) -> None:
    mock.chip.powered = False
    for _ in range(2):
        with pytest.raises(DeviceError, match="check power, wiring and address"):
            mock.pilot.start()
    assert (mock.low_share(), mock.pin.frequency) == (0, None)
    mock.chip.powered = True
    mock.pilot.start()
    assert mock.pilot.state is PilotState.A


def test_without_an_i2c_bus_it_does_not_start(pins: PinMap) -> None:
    def no_bus(board: Board) -> Any:
        raise NotImplementedError("board not supported")

    factory = MockFactory(pin_class=MockPWMPin)
    pilot = PwmAdcPilot(PwmAdcPilot.Settings(), Board(pins, factory), open_bus=no_bus)
    with pytest.raises(DeviceError, match="board not supported"):
        pilot.start()
    factory.close()


@pytest.mark.parametrize("pin", ["pilot_9", "plug_1"])
def test_on_a_wrong_pin_it_does_not_start(pins: PinMap, pin: str) -> None:
    factory = MockFactory(pin_class=MockPWMPin)
    with pytest.raises(PinError):
        PwmAdcPilot(PwmAdcPilot.Settings(pin=pin), Board(pins, factory), lambda board: Ads1115Bus({})).start()
    factory.close()


def test_a_pin_without_pwm_is_an_error(pins: PinMap) -> None:
    factory = MockFactory()
    with pytest.raises(DeviceError, match="GPIO18"):
        PwmAdcPilot(PwmAdcPilot.Settings(), Board(pins, factory), lambda board: Ads1115Bus({})).start()
    factory.close()


def test_another_address_input_and_divider_are_read(pins: PinMap) -> None:
    chip = Ads1115()
    chip.volts[2] = 2.0 + 9 * 0.05
    factory = MockFactory(pin_class=MockPWMPin)
    settings = PwmAdcPilot.Settings(address=0x4A, channel=2, divider=0.05, offset_v=2.0)
    pilot = PwmAdcPilot(settings, Board(pins, factory), lambda board: Ads1115Bus({0x4A: chip}))
    pilot.start()
    assert pilot.state is PilotState.B
    pilot.stop()
    factory.close()


def test_a_wire_that_was_lost_is_an_adc_that_does_not_answer_until_it_is_back(wire: Wire, until: Until) -> None:
    wire.pilot.start()
    wire.pilot.offer(16)
    wire.pty.stop()
    until(lambda: lost(wire.pilot))
    wire.level(6)
    wire.pty.start()
    until(lambda: not lost(wire.pilot) and wire.pilot.state is PilotState.C)
    until(lambda: wire.low_share() == pytest.approx(0.7333333, abs=1e-6))


# The whole bench.

WITH_PILOT = ConnectorBench("contactor_1", "contactor_1_feedback", "plug_1", pilot="pilot_1")


@pytest.fixture
def bench(tmp_path: Path, pins: PinMap) -> Iterator[StationBench]:
    bench = StationBench(tmp_path / "b", [EvseBench((WITH_PILOT, ConnectorBench.numbered(2)))], pins=pins)
    bench.start()
    yield bench
    bench.stop()


@pytest.fixture
def factory(bench: StationBench) -> Iterator[WireFactory]:
    factory = WireFactory(str(bench.folder / "pins"))
    factory.start()
    yield factory
    factory.close()


@pytest.fixture
def contactor(factory: WireFactory, pins: PinMap) -> Iterator[GpioContactor]:
    contactor = GpioContactor(GpioContactor.Settings(), Board(pins, factory))
    contactor.start()
    yield contactor
    contactor.stop()


@pytest.fixture
def pilot(factory: WireFactory, pins: PinMap) -> Iterator[PwmAdcPilot]:
    pilot = PwmAdcPilot(PwmAdcPilot.Settings(), Board(pins, factory))
    pilot.start()
    yield pilot
    pilot.stop()


def evse(bench: StationBench) -> dict[str, Any]:
    first: dict[str, Any] = bench.snapshot()["evses"][0]
    return first


def test_a_vehicle_draws_what_is_offered_when_it_is_and_says_each_step(
    bench: StationBench, contactor: GpioContactor, pilot: PwmAdcPilot, until: Until
) -> None:
    told: list[PilotState | None] = []
    pilot.on_change(told.append)
    bench.plug(1, 1, Vehicle(soc_pct=20))
    until(lambda: told == [PilotState.B])
    contactor.close()
    until(lambda: contactor.closed)
    assert evse(bench)["current_a"] == 0  # nobody has offered it anything
    pilot.offer(10)
    until(lambda: told == [PilotState.B, PilotState.C])
    until(lambda: evse(bench)["current_a"] == pytest.approx(10, abs=1e-4))
    assert evse(bench)["connectors"][0]["pilot"] == {"offered_a": 10, "high_v": pytest.approx(6, abs=0.01)}
    assert evse(bench)["connectors"][1]["pilot"] is None
    pilot.offer(16)
    until(lambda: evse(bench)["current_a"] == pytest.approx(16, abs=1e-4))
    pilot.offer(None)
    until(lambda: evse(bench)["current_a"] == 0)
    until(lambda: told[2:] == [PilotState.B])
    bench.unplug(1)
    until(lambda: told[3:] == [PilotState.A])


def test_a_vehicle_that_has_enough_leaves_state_c_by_itself(
    bench: StationBench, contactor: GpioContactor, pilot: PwmAdcPilot, until: Until
) -> None:
    bench.plug(1, 1, Vehicle(battery_wh=1, soc_pct=0, target_soc_pct=60))
    contactor.close()
    pilot.offer(32)
    until(lambda: pilot.state is PilotState.C)
    until(lambda: evse(bench)["soc_pct"] == 60)
    until(lambda: pilot.state is PilotState.B)


def test_a_vehicle_at_the_other_connector_is_not_seen_by_this_pilot(
    bench: StationBench, pilot: PwmAdcPilot, until: Until
) -> None:
    pilot.offer(16)
    until(lambda: evse(bench)["connectors"][0]["pilot"]["offered_a"] == 16)
    bench.plug(1, 2, Vehicle())
    until(lambda: evse(bench)["plugged_connector"] == 2)
    assert evse(bench)["connectors"][0]["pilot"]["high_v"] == 12


def test_a_station_that_hangs_up_offers_nothing_any_more(
    bench: StationBench, factory: WireFactory, pilot: PwmAdcPilot, until: Until
) -> None:
    pilot.offer(16)
    until(lambda: evse(bench)["connectors"][0]["pilot"]["offered_a"] == 16)
    factory.close()
    until(lambda: evse(bench)["connectors"][0]["pilot"]["offered_a"] == 0)
