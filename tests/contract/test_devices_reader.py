"""The card reader contract, on the PN532 over each of its three transports, byte by byte."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from threading import Timer

import pytest

from hardware.board import Board
from hardware.emulators.pn532 import FROM_CHIP, Pn532Chip, frame
from hardware.emulators.pn532_bus import ChipSelect, Pn532I2CBus, Pn532SPIBus
from hardware.emulators.pty import Pty
from hardware.nfc.pn532 import Pn532I2C, Pn532SPI, Pn532UART
from hardware.ports import CardReader, DeviceError
from wiring.pins import PinMap

MakePty = Callable[[str], Pty]

UIDS = ["04A1B2C3", "04A1B2C3D4E5F6", "0102030405060708090A"]
ABSENT_S = 1.5


@dataclass
class Rig:
    reader: CardReader
    chip: Pn532Chip


@pytest.fixture(params=["i2c", "spi", "uart"])
def rig(request: pytest.FixtureRequest, make_pty: MakePty, pins: PinMap) -> Iterator[Rig]:
    board = Board(pins)
    reader: CardReader
    if request.param == "i2c":
        i2c = Pn532I2CBus()
        chip, reader = i2c.chip, Pn532I2C(Pn532I2C.Settings(), board, open_bus=lambda pins: i2c)
    elif request.param == "spi":
        spi = Pn532SPIBus()
        chip, reader = spi.chip, Pn532SPI(Pn532SPI.Settings(), board, open_bus=lambda pins: (spi, ChipSelect()))
    else:
        pty = make_pty("nfc")
        chip, reader = Pn532Chip(pty.write), Pn532UART(Pn532UART.Settings(port=str(pty.path)), board)
        pty.on_data = chip.feed
        pty.start()
    yield Rig(reader, chip)
    reader.stop()


@pytest.mark.parametrize("uid", UIDS)
def test_a_card_on_the_reader_is_read_and_read_again(rig: Rig, uid: str) -> None:
    rig.reader.start()
    rig.chip.card = uid
    assert [rig.reader.read(), rig.reader.read(), rig.reader.read()] == [uid, uid, uid]


def test_without_a_card_the_read_gives_none_in_good_time(rig: Rig) -> None:
    rig.reader.start()
    began = time.monotonic()
    assert rig.reader.read() is None
    assert time.monotonic() - began < 0.3  # 0.15 s, and what a busy machine adds


def test_a_card_that_was_taken_away_is_no_longer_read(rig: Rig) -> None:
    rig.reader.start()
    rig.chip.card = UIDS[0]
    assert rig.reader.read() == UIDS[0]
    rig.chip.card = None
    assert rig.reader.read() is None


def test_a_card_that_comes_while_the_reader_waits_is_read_by_that_call(rig: Rig) -> None:
    rig.reader.start()
    rig.reader.read()
    timer = Timer(0.03, lambda: setattr(rig.chip, "card", UIDS[1]))
    timer.start()
    uid = rig.reader.read()
    timer.join()
    assert uid == UIDS[1]


def test_a_reader_that_is_absent_is_an_error_within_a_second_and_a_half(rig: Rig) -> None:
    rig.chip.powered = False
    began = time.monotonic()
    with pytest.raises(DeviceError, match="no reader answers"):
        rig.reader.start()
    assert time.monotonic() - began < ABSENT_S


def test_a_reader_that_was_lost_is_an_error_and_can_be_taken_up_again(rig: Rig) -> None:
    rig.reader.start()
    rig.chip.powered = False
    began = time.monotonic()
    with pytest.raises(DeviceError, match="lost"):
        rig.reader.read()
    assert time.monotonic() - began < ABSENT_S
    rig.chip.powered = True
    rig.chip.card = UIDS[1]
    rig.reader.stop()
    rig.reader.start()
    assert rig.reader.read() == UIDS[1]


def test_a_reader_that_is_not_started_can_not_be_read(rig: Rig) -> None:
    with pytest.raises(DeviceError, match="not started"):
        rig.reader.read()


def test_an_answer_that_races_the_next_command_does_not_reach_the_caller(make_pty: MakePty, pins: PinMap) -> None:
    pty = make_pty("nfc")
    chip = Pn532Chip(pty.write)
    late = frame(bytes.fromhex(f"{FROM_CHIP:02X} 4B 01 01 0004 08 04 DEADBEEF"))
    races = iter([late])

    def raced(data: bytes) -> None:
        if data.find(b"\xd4\x4a") >= 0:
            pty.write(next(races, b""))
        chip.feed(data)

    pty.on_data = raced
    pty.start()
    reader = Pn532UART(Pn532UART.Settings(port=str(pty.path)), Board(pins))
    reader.start()
    chip.card = UIDS[0]
    assert reader.read() == UIDS[0]
    reader.stop()


def test_a_chip_that_is_no_pn532_is_refused(make_pty: MakePty, pins: PinMap) -> None:
    pty = make_pty("nfc")
    pn531 = frame(bytes.fromhex("D5 03 31 01 06 07"))
    chip = Pn532Chip(lambda data: pty.write(pn531 if data[6:7] == b"\x03" else data))
    pty.on_data = chip.feed
    pty.start()
    with pytest.raises(DeviceError, match="0x31, not a PN532"):
        Pn532UART(Pn532UART.Settings(port=str(pty.path)), Board(pins)).start()


def test_a_serial_adapter_that_vanished_is_an_error_and_its_successor_is_taken_up(
    make_pty: MakePty, pins: PinMap
) -> None:
    pty = make_pty("nfc")
    chip = Pn532Chip(pty.write)
    pty.on_data = chip.feed
    reader = Pn532UART(Pn532UART.Settings(port=str(pty.path)), Board(pins))
    with pytest.raises(DeviceError):
        reader.start()
    pty.start()
    reader.start()
    pty.stop()
    with pytest.raises(DeviceError, match="lost"):
        reader.read()
    pty.start()
    chip.card = UIDS[1]
    reader.stop()
    reader.start()
    assert reader.read() == UIDS[1]
    reader.stop()
