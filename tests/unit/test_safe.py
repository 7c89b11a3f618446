"""Opening the contactors of a station that has died: pins as it may have left them."""

from __future__ import annotations

from pathlib import Path

from gpiozero.pins.mock import MockFactory  # type: ignore[import-untyped]

from edge.config import StationFile, make_devices
from edge.safe import open_all
from hardware.board import Board
from protocol import settings
from wiring import pins

CONNECTORS = "".join(
    f"""
[[evse.connector]]
number = {number}
[evse.connector.contactor]
driver = "contactor"
pin = "contactor_{number}"
feedback = ""
[evse.connector.plug]
driver = "plug-switch"
pin = "plug_{number}"
"""
    for number in (1, 2)
)
TOML = f"""
[station]
id = "cs-1"
[[evse]]
number = 1
[evse.meter]
driver = "sdm120"
port = "/dev/ttyAMA5"
{CONNECTORS}
"""


def test_pins_that_were_left_high_are_driven_low_and_let_go_of() -> None:
    factory, header = MockFactory(), pins.load()
    left = [factory.pin(header[name].gpio) for name in ("contactor_1", "contactor_2")]
    for pin in left:
        pin.function = "output"
        pin.state = 1
        pin.clear_states()
    config = settings.parse(TOML, StationFile)
    results = list(open_all(make_devices(config, Board(header, factory), Path("station.toml"))))
    assert [(result.name, result.good) for result in results] == [
        ("EVSE 1, connector 1: contactor", True),
        ("EVSE 1, connector 2: contactor", True),
    ]
    assert [[change.state for change in pin.states] for pin in left] == [[True, False], [True, False]]
    assert [pin.function for pin in left] == ["input", "input"]


def test_a_pin_that_cannot_be_had_keeps_no_other_from_being_opened() -> None:
    factory, header = MockFactory(), pins.load()
    board = Board(header, factory)
    other = board.output("contactor_1")  # somebody has it
    results = list(open_all(make_devices(settings.parse(TOML, StationFile), board, Path("station.toml"))))
    assert [result.good for result in results] == [False, True]
    other.close()
