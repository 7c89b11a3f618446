"""The meter contract, on the SDM120 through real Modbus bytes over a pty."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import pytest

from hardware.board import Board
from hardware.emulators.pty import Pty
from hardware.emulators.sdm120 import MeterState, Sdm120Slave
from hardware.meter.sdm120 import Sdm120
from hardware.ports import DeviceError, Reading
from wiring.pins import PinMap

MakePty = Callable[[str], Pty]

SILENCE_S = 0.8  # 0.5 s, and what a busy machine adds
CHARGING = MeterState(voltage_v=229.5, current_a=16.25, power_w=3729.375, frequency_hz=50.0, energy_wh=1_234_567)


@dataclass
class Rig:
    """mangle: what the line does to the meter's bytes."""

    pty: Pty
    meter: Sdm120
    state: MeterState = CHARGING
    mangle: Callable[[bytes], bytes] = field(default=lambda data: data)

    def __post_init__(self) -> None:
        self.slave = Sdm120Slave(lambda: self.state, lambda data: self.pty.write(self.mangle(data)))
        self.pty.on_data = self.slave.feed


in_time = pytest.mark.parametrize("rig", [Sdm120.Settings().timeout_s], indirect=True)


@pytest.fixture
def rig(request: pytest.FixtureRequest, make_pty: MakePty, pins: PinMap) -> Iterator[Rig]:
    """With more patience than a station has, for busy machines, where time is not what is tested."""
    pty = make_pty("meter-1")
    timeout_s = getattr(request, "param", 1.0)
    rig = Rig(pty, Sdm120(Sdm120.Settings(port=str(pty.path), timeout_s=timeout_s), Board(pins)))
    pty.start()
    rig.meter.start()
    yield rig
    rig.meter.stop()


def test_a_reading_says_what_the_meter_shows(rig: Rig) -> None:
    assert rig.meter.read() == Reading(1_234_567, 3729.375, 16.25, 229.5, 50.0)


@pytest.mark.parametrize("energy_wh", [0, 1, 999, 1_000_001, 9_999_999])
def test_a_watt_hour_is_not_lost_in_the_meters_kilowatt_hours(rig: Rig, energy_wh: int) -> None:
    rig.state = MeterState(energy_wh=energy_wh)
    assert rig.meter.read().energy_wh == energy_wh


@in_time
def test_a_silent_meter_is_an_error_in_time_and_answers_again_without_a_restart(rig: Rig) -> None:
    rig.slave.silent = True
    began = time.monotonic()
    with pytest.raises(DeviceError, match="does not answer"):
        rig.meter.read()
    assert time.monotonic() - began < SILENCE_S
    rig.slave.silent = False
    assert rig.meter.read().energy_wh == 1_234_567


@in_time
@pytest.mark.parametrize(
    "mangle",
    [
        lambda data: data[:-1],
        lambda data: data[1:],
        lambda data: data[:5] + b"\xff" + data[6:],
        lambda data: b"\xa5" * 40,
    ],
    ids=["last byte lost", "first byte lost", "a byte changed", "noise"],
)
def test_a_disturbed_answer_is_an_error_in_time_and_the_next_good_one_is_read(
    rig: Rig, mangle: Callable[[bytes], bytes]
) -> None:
    rig.mangle = mangle
    began = time.monotonic()
    with pytest.raises(DeviceError):
        rig.meter.read()
    assert time.monotonic() - began < SILENCE_S
    rig.mangle = lambda data: data
    assert rig.meter.read().energy_wh == 1_234_567


@pytest.mark.parametrize(
    "absurd",
    [
        replace(CHARGING, energy_wh=math.nan),
        replace(CHARGING, power_w=math.inf),
        replace(CHARGING, current_a=-math.inf),
        replace(CHARGING, energy_wh=-1000.0),
        replace(CHARGING, voltage_v=4000.0),
        replace(CHARGING, power_w=1e9),
        replace(CHARGING, frequency_hz=5000.0),
    ],
)
def test_an_absurd_value_is_an_error_and_no_reading(rig: Rig, absurd: MeterState) -> None:
    rig.state = absurd
    with pytest.raises(DeviceError, match="answers"):
        rig.meter.read()


def test_a_wrong_address_is_an_error(rig: Rig, pins: PinMap) -> None:
    rig.meter.stop()
    other = Sdm120(Sdm120.Settings(port=str(rig.pty.path), unit=7), Board(pins))
    other.start()
    with pytest.raises(DeviceError, match="meter 7"):
        other.read()
    other.stop()


def test_two_meters_share_a_line(rig: Rig, pins: PinMap) -> None:
    second = Sdm120Slave(lambda: MeterState(energy_wh=42), rig.pty.write, unit=2)

    def both(data: bytes) -> None:
        rig.slave.feed(data)
        second.feed(data)

    rig.pty.on_data = both
    other = Sdm120(Sdm120.Settings(port=str(rig.pty.path), unit=2, timeout_s=1.0), Board(pins))
    other.start()
    assert (rig.meter.read().energy_wh, other.read().energy_wh) == (1_234_567, 42)
    rig.meter.stop()
    assert other.read().energy_wh == 42
    other.stop()


def test_an_adapter_that_vanished_is_an_error_and_its_successor_is_taken_up(rig: Rig) -> None:
    rig.pty.stop()
    with pytest.raises(DeviceError):
        rig.meter.read()
    rig.meter.stop()
    with pytest.raises(DeviceError, match="can not be opened"):
        rig.meter.start()
    rig.pty.start()
    rig.meter.start()
    assert rig.meter.read().energy_wh == 1_234_567


def test_a_meter_that_is_not_started_can_not_be_read(rig: Rig) -> None:
    rig.meter.stop()
    with pytest.raises(DeviceError, match="not started"):
        rig.meter.read()
