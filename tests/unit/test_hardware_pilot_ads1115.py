"""The emulated ADS1115, register by register, with the bytes of the data sheet (SBAS444)."""

from __future__ import annotations

import pytest

from hardware.emulators.ads1115 import Ads1115, Ads1115Bus


def register(chip: Ads1115, number: int) -> str:
    chip.write(bytes([number]))
    return chip.read(2).hex()


def converted(chip: Ads1115, config: str) -> str:
    chip.write(bytes.fromhex("01" + config))
    return register(chip, 0)


def test_after_power_on_the_registers_are_as_the_data_sheet_says() -> None:
    assert [register(Ads1115(), number) for number in range(4)] == ["0000", "8583", "8000", "7fff"]


@pytest.mark.parametrize(
    ("config", "code"),
    [
        ("c3e3", "4000"),  # AIN0 to ground, 4.096 V, single shot
        ("c1e3", "2aab"),  # 6.144 V
        ("c5e3", "7fff"),  # 2.048 V: beyond the scale
        ("d3e3", "2000"),  # AIN1
        ("e3e3", "e000"),  # AIN2, below ground
        ("f3e3", "0000"),  # AIN3
        ("83e3", "2000"),  # AIN0 against AIN1
        ("93e3", "4000"),  # AIN0 against AIN3
        ("a3e3", "2000"),  # AIN1 against AIN3
        ("b3e3", "e000"),  # AIN2 against AIN3
        ("c7e3", "7fff"),
        ("ebe3", "8000"),  # 0.512 V, below the scale
    ],
)
def test_a_conversion_gives_the_voltage_in_steps_of_the_scale(config: str, code: str) -> None:
    chip = Ads1115()
    chip.volts = [2.048, 1.024, -1.024, 0.0]
    assert converted(chip, config) == code


def test_a_single_shot_stays_until_the_next_and_a_running_converter_follows() -> None:
    chip = Ads1115()
    chip.volts[0] = 2.048
    assert converted(chip, "c3e3") == "4000"
    assert register(chip, 1) == "c3e3"  # idle again
    chip.volts[0] = 1.024
    assert register(chip, 0) == "4000"
    assert converted(chip, "43e3") == "4000"  # a new setting alone starts nothing
    assert converted(chip, "42e3") == "2000"
    assert register(chip, 1) == "42e3"  # a running converter is never idle
    chip.volts[0] = 2.048
    assert register(chip, 0) == "4000"


def test_the_result_can_not_be_written_and_thresholds_can() -> None:
    chip = Ads1115()
    chip.write(bytes.fromhex("00ffff"))
    chip.write(bytes.fromhex("021234"))
    assert (register(chip, 0), register(chip, 2)) == ("0000", "1234")


def test_a_stuck_conversion_is_never_done() -> None:
    chip = Ads1115()
    chip.stuck = True
    chip.write(bytes.fromhex("01c3e3"))
    assert register(chip, 1) == "43e3"


def test_the_bus_reaches_a_chip_by_its_address_and_nobody_at_another() -> None:
    chips = {0x48: Ads1115(), 0x49: Ads1115()}
    bus = Ads1115Bus(chips)
    buffer = bytearray(5)
    bus.writeto(0x49, b"\xff\x01\xc3\xe3\xff", start=1, end=4)
    bus.writeto_then_readfrom(0x49, b"\x00\x01", buffer, out_start=1, in_start=1, in_end=3)
    assert buffer.hex() == "00c3e30000"
    bus.readfrom_into(0x48, buffer)
    assert buffer.hex() == "0000ffffff"
    chips[0x49].powered = False
    for address in (0x49, 0x4A):
        with pytest.raises(OSError, match="Remote I/O"):
            bus.writeto(address, b"")
