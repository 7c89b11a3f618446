"""The pin map: the shipped one is right, and each way to get one wrong is refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from wiring.pins import Pin, PinError, load, pinout


def fault(tmp_path: Path, text: str) -> str:
    path = tmp_path / "pins.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(PinError) as caught:
        load(path)
    assert isinstance(caught.value, ValueError)
    return str(caught.value).removeprefix(f"{path}: ")


def test_the_shipped_map_has_two_connectors_a_light_and_the_buses() -> None:
    pins = load()
    assert pins["contactor_1"] == Pin(
        "contactor_1", 17, "out", "driver of contactor 1; external 10 kOhm pull-down", header=11
    )
    for connector in (1, 2):
        assert pins[f"contactor_{connector}"].direction == "out"
        assert pins[f"contactor_{connector}_feedback"].direction == "in"
        assert pins[f"plug_{connector}"].direction == "in"
    assert {pins[name].direction for name in ("led_1_red", "led_1_green", "led_1_blue")} == {"out"}
    assert (pins["i2c_sda"].header, pins["spi_mosi"].header, pins["nfc_tx"].header) == (3, 19, 8)


def test_a_name_that_is_not_there_says_which_are() -> None:
    with pytest.raises(PinError, match=r"no pin is called 'contactor_9'; there are contactor_1, "):
        load()["contactor_9"]
    assert "contactor_9" not in load()


def test_the_pinout_is_a_table_by_header_position() -> None:
    lines = pinout(load()).splitlines()
    assert lines[0].split() == ["header", "GPIO", "direction", "name", "note"]
    assert lines[1].split()[:4] == ["J8:3", "2", "bus", "i2c_sda"]
    assert len(lines) == len(load()) + 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'contactor_1 = { gpio = 17, direction = "out" }\nled_1_red = { gpio = 17, direction = "out" }',
            "contactor_1 and led_1_red both use GPIO17",
        ),
        ('x = { gpio = 0, direction = "bus" }', "x uses GPIO0, which is reserved for the HAT EEPROM"),
        ('x = { gpio = 1, direction = "bus" }', "x uses GPIO1, which is reserved for the HAT EEPROM"),
        ('x = { gpio = 28, direction = "in" }', "x uses GPIO28, which the header does not have"),
        ('x = { gpio = -1, direction = "in" }', "x uses GPIO-1, which the header does not have"),
        ('x = { gpio = 5, direction = "up" }', "x has direction 'up', not one of out, in, bus"),
        ('contactor_1 = { gpio = 17, direction = "in" }', "contactor_1 has direction 'in', but can only be 'out'"),
        (
            'contactor_1_feedback = { gpio = 17, direction = "out" }',
            "contactor_1_feedback has direction 'out', but can only be 'in'",
        ),
        ('plug_1 = { gpio = 17, direction = "out" }', "plug_1 has direction 'out', but can only be 'in'"),
        (
            'contactor_1 = { gpio = 4, direction = "out" }',
            "contactor_1 uses GPIO4, which is pulled up while the Pi boots: the contactor could close",
        ),
        ('x = { gpio = 5, direction = "in", pull = "up" }', "x has unknown keys pull"),
        ('x = { direction = "in" }', "x has no gpio number"),
        ('x = { gpio = true, direction = "in" }', "x has no gpio number"),
        ('x = { gpio = 5, direction = "in", note = 5 }', "x has a note that is not text"),
        ("x = 5", "x is not a table of gpio, direction and note"),
    ],
)
def test_a_wrong_entry_is_refused_by_name(tmp_path: Path, text: str, message: str) -> None:
    assert fault(tmp_path, text) == message


def test_all_faults_are_told_at_once(tmp_path: Path) -> None:
    told = fault(tmp_path, 'a = 1\nb = { gpio = 0, direction = "in" }')
    assert told.split("; ") == [
        "a is not a table of gpio, direction and note",
        "b uses GPIO0, which is reserved for the HAT EEPROM",
    ]


@pytest.mark.parametrize("text", ["x = {", 'x = { gpio = 5, direction = "in" }\nx = { gpio = 6, direction = "in" }'])
def test_bad_toml_is_refused(tmp_path: Path, text: str) -> None:
    assert fault(tmp_path, text)
