"""NXP PN532 card readers over I2C, SPI and UART: the first step of the walk, where a UID is read from the chip.

Adafruit's driver speaks the protocol (frames: PN532 user manual UM0701-02, 6.2; commands: 7.2 and 7.3). Here it is made
fit for a station: a reader that is absent or lost is an error within 1.5 s, a lost race is tried again, and a UID of
10 bytes is read as well.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import msgspec
from adafruit_pn532.adafruit_pn532 import BusyError  # type: ignore[import-untyped]
from adafruit_pn532.i2c import PN532_I2C  # type: ignore[import-untyped]
from adafruit_pn532.spi import PN532_SPI  # type: ignore[import-untyped]
from adafruit_pn532.uart import PN532_UART  # type: ignore[import-untyped]

from hardware.board import Board, OpenI2C
from hardware.bus import OpenSPI, open_spi
from hardware.nfc.frame_uart import FrameUart
from hardware.ports import DeviceError
from hardware.serial_port import SERIAL_ERRORS

SAM_CONFIGURATION = 0x14
IN_LIST_PASSIVE_TARGET = 0x4A
ISO14443A_106K = 0x00
NORMAL_MODE = (0x01, 0x14, 0x01)  # time-out 20 x 50 ms, unused in this mode; IRQ on
PN532_IC = 0x32

# An ACK takes the chip 15 ms at most (user manual, 6.2.1.1). The rest is for a machine that is busy: the late ACK of a
# command that was given up would be taken for the next one's.
ACK_TIMEOUT_S = 0.2
START_TIMEOUT_S = 0.3
RETRIES = 2
# What the library raises for an answer that is broken or missing: worth another try.
FRAME_ERRORS = (RuntimeError, IndexError, BusyError)
# And for a bus, port or Raspberry Pi that is not there.
BUS_ERRORS = (*FRAME_ERRORS, *SERIAL_ERRORS, ValueError, ImportError, AttributeError, NotImplementedError)


class _Chip:
    """Mixed into Adafruit's three classes."""

    def SAM_configuration(self) -> None:  # noqa: N802 - the library's name
        """As the library's, which ignores a chip that does not answer."""
        if self.call_function(SAM_CONFIGURATION, params=NORMAL_MODE, timeout=START_TIMEOUT_S) is None:  # type: ignore[attr-defined]
            raise RuntimeError("no answer to SAMConfiguration")

    def uid(self, listen_s: float) -> bytes | None:
        """The UID of a card that is there or comes within this time. Raises what the library raises."""
        # A new command ends the listening of the call before, so there is always one to wait for.
        if not self.send_command(IN_LIST_PASSIVE_TARGET, params=(1, ISO14443A_106K), timeout=ACK_TIMEOUT_S):  # type: ignore[attr-defined]
            raise RuntimeError("no answer to InListPassiveTarget")
        answer: bytes | None = self.process_response(IN_LIST_PASSIVE_TARGET, response_length=64, timeout=listen_s)  # type: ignore[attr-defined]
        if answer is None or answer[0] == 0:
            return None
        return bytes(answer[6 : 6 + answer[5]])


class _I2CChip(_Chip, PN532_I2C):  # type: ignore[misc]
    pass


class _SPIChip(_Chip, PN532_SPI):  # type: ignore[misc]
    pass


class _UARTChip(_Chip, PN532_UART):  # type: ignore[misc]
    def _wait_ready(self, timeout: float = 1) -> bool:
        # The library looks every 10 ms, ours wakes with the first byte.
        ready: bool = self._uart.wait(timeout)
        return ready


class Pn532Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """listen_s: how long one `read` waits for a card, s."""

    listen_s: Annotated[float, msgspec.Meta(gt=0, le=0.12)] = 0.1


class Pn532UartSettings(Pn532Settings, frozen=True, forbid_unknown_fields=True):
    """port: the serial port, or a link to it; on a Pi 4 with `dtoverlay=disable-bt`, /dev/serial0."""

    port: str = "/dev/serial0"


class _Reader:
    """What the three readers share. A read with a card on the reader returns at once: pace the calls."""

    bus: ClassVar[str]

    def __init__(self, settings: Pn532Settings) -> None:
        self._listen_s = settings.listen_s
        self._chip: Any = None

    def start(self) -> None:
        """Take up the reader. Raises DeviceError within 1.5 s when none answers or it is not a PN532."""
        self.stop()
        try:
            self._chip = self._open()
            ic = _retried(lambda: self._chip.firmware_version)[0]
        except BUS_ERRORS as error:
            self.stop()
            raise self._error(f"no reader answers ({error}); check power, wiring and mode switches") from error
        if ic != PN532_IC:
            self.stop()
            raise self._error(f"the chip there is {ic:#04x}, not a PN532")

    def stop(self) -> None:
        self._chip = None
        self._close()

    def read(self) -> str | None:
        chip = self._chip
        if chip is None:
            raise self._error("not started")
        try:
            uid = _retried(lambda: chip.uid(self._listen_s))
        except BUS_ERRORS as error:
            raise self._error(f"the reader is lost ({error}); check its cable") from error
        return uid.hex().upper() if uid else None

    def _error(self, what: str) -> DeviceError:
        return DeviceError(f"PN532 on {self.bus}: {what}")

    def _open(self) -> Any:
        raise NotImplementedError

    def _close(self) -> None:
        raise NotImplementedError


class Pn532I2C(_Reader):
    """PN532 on the I2C bus, address 0x24."""

    Settings = Pn532Settings
    bus = "I2C"

    def __init__(self, settings: Pn532Settings, board: Board, open_bus: OpenI2C = Board.i2c) -> None:
        super().__init__(settings)
        self._board = board
        self._open_bus = open_bus
        self._i2c: Any = None

    def _open(self) -> Any:
        self._i2c = self._open_bus(self._board)
        return _retried(lambda: _I2CChip(self._i2c))

    def _close(self) -> None:
        i2c, self._i2c = self._i2c, None
        if i2c is not None:
            i2c.deinit()


class Pn532SPI(_Reader):
    """PN532 on the SPI bus, with its own chip select."""

    Settings = Pn532Settings
    bus = "SPI"

    def __init__(self, settings: Pn532Settings, board: Board, open_bus: OpenSPI = open_spi) -> None:
        super().__init__(settings)
        self._board = board
        self._open_bus = open_bus
        self._opened: tuple[Any, ...] = ()

    def _open(self) -> Any:
        self._opened = spi, chip_select = self._open_bus(self._board.pins)
        return _retried(lambda: _SPIChip(spi, chip_select))

    def _close(self) -> None:
        opened, self._opened = self._opened, ()
        for part in opened:
            part.deinit()


class Pn532UART(_Reader):
    """PN532 on a serial port at 115200 baud."""

    Settings = Pn532UartSettings
    bus = "UART"

    def __init__(self, settings: Pn532UartSettings, board: Board) -> None:
        super().__init__(settings)
        self._port = settings.port
        self._uart: FrameUart | None = None

    def _open(self) -> Any:
        self._uart = FrameUart(self._port)
        return _retried(lambda: _UARTChip(self._uart))

    def _close(self) -> None:
        uart, self._uart = self._uart, None
        if uart is not None:
            uart.close()


def _retried(call: Callable[[], Any]) -> Any:
    """An answer that was under way when a new command was sent is taken for its ACK; that race is tried again.

    Twice, since dropping what was received may cut the answers to the first try in two. The first command to a chip
    that was still waking is lost as well.
    """
    for _ in range(RETRIES):
        with contextlib.suppress(*FRAME_ERRORS):
            return call()
    return call()
