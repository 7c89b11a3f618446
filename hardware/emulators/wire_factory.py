"""The station's end of the wire of `pins.py`: gpiozero pins that say every change, and hear their inputs."""

from __future__ import annotations

import threading
from time import monotonic
from typing import Any

import serial  # type: ignore[import-untyped]
from gpiozero.pins.mock import MockFactory, MockPWMPin  # type: ignore[import-untyped]

from hardware.emulators.ads1115 import Ads1115, Ads1115Bus
from hardware.ports import DeviceError
from hardware.serial_port import SERIAL_ERRORS

PI_4B = "c03111"
BAUD = 115200
RETRY_S = 0.2
WRITE_TIMEOUT_S = 0.5


class WirePin(MockPWMPin):  # type: ignore[misc]
    """A pin with its other end on the wire."""

    @property
    def gpio(self) -> int:
        """BCM number."""
        return int(self.info.name.removeprefix("GPIO"))

    def said(self) -> str:
        """The line that tells the bench about this pin."""
        return f"O {self.gpio} {float(self._state):g}\n" if self._function == "output" else f"Z {self.gpio}\n"

    def _set_function(self, value: str) -> None:
        if value == "output" and self._function != "output":
            # Else the level of the pull-up would be driven for a moment: a contactor would twitch.
            self._state = 0.0
        changed = value != self._function
        super()._set_function(value)
        if changed:
            self.factory.say(self)

    def _set_pull(self, value: str) -> None:
        super()._set_pull(value)
        self.factory.restore(self)

    def _change_state(self, value: float) -> bool:
        # As MockPin's, but keeps no history: a light that blinks for weeks would fill the memory with it.
        if self._state == value:
            return False
        self._state = value
        self._last_change = monotonic()
        if self._function == "output":
            self.factory.say(self)
        return True

    def hear(self, level: bool) -> None:
        """The bench drives this pin."""
        if self._function == "input":
            (self.drive_high if level else self.drive_low)()


class WireFactory(MockFactory):  # type: ignore[misc]
    """A gpiozero pin factory on a serial port or pty, or a link to one.

    A wire that is lost is tried again every 0.2 s, in the factory's own thread; inputs stay as they were meanwhile, and
    nobody answers on the I2C bus.
    """

    def __init__(self, port: str) -> None:
        super().__init__(revision=PI_4B, pin_class=WirePin)
        self._port = port
        self._lock = threading.Lock()
        self._wire: Any = None
        self._levels: dict[int, bool] = {}
        self._adcs: dict[int, Ads1115] = {}
        self._synchronous = threading.Event()
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, timeout_s: float = 2.0) -> None:
        """Connect, and know all inputs. Raises DeviceError when no bench answers in this time."""
        self._ended.clear()
        self._synchronous.clear()
        self._thread = threading.Thread(target=self._run, name="pins", daemon=True)
        self._thread.start()
        if not self._synchronous.wait(timeout_s):
            self._stop()
            raise DeviceError(f"nobody answers at the other end of the pins' wire {self._port}")

    def close(self) -> None:
        """Release all pins and hang up. May be called twice."""
        super().close()
        self._stop()

    def open_i2c(self) -> Ads1115Bus:
        """The header's I2C bus (see `Board.i2c`): an ADS1115 at each address of which the bench has said a voltage."""
        return Ads1115Bus(self._adcs)

    def say(self, pin: WirePin) -> None:
        """Tell the bench how this pin is."""
        with self._lock:
            if self._wire is None:
                return  # all pins are said when there is a wire again
            try:
                self._wire.write(pin.said().encode("ascii"))
            except SERIAL_ERRORS:
                self._wire.cancel_read()  # the listener connects anew
                self._wire = None

    def restore(self, pin: WirePin) -> None:
        """Tell a pin that has just become an input what the bench said of it before."""
        level = None
        # Again when the bench spoke meanwhile: its word came first, and ours was older.
        while level is not self._levels.get(pin.gpio):
            level = self._levels[pin.gpio]
            pin.hear(level)

    def _stop(self) -> None:
        self._ended.set()
        with self._lock:
            if self._wire is not None:
                self._wire.cancel_read()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join()

    def _run(self) -> None:
        while not self._ended.is_set():
            try:
                with serial.Serial(self._port, BAUD, write_timeout=WRITE_TIMEOUT_S, exclusive=True) as wire:
                    self._begin(wire)
                    self._listen(wire)
            except SERIAL_ERRORS:
                self._ended.wait(RETRY_S)
            finally:
                with self._lock:
                    self._wire = None
                self._adcs.clear()

    def _begin(self, wire: Any) -> None:
        with self._lock:
            if self._ended.is_set():
                return
            # A line that the last station did not end may be under way: the empty one ends it.
            outputs = "".join(pin.said() for pin in list(self.pins.values()) if pin.function == "output")
            wire.write(f"\n?\n{outputs}".encode("ascii"))
            self._wire = wire

    def _listen(self, wire: Any) -> None:
        received = b""
        while data := wire.read(wire.in_waiting or 1):  # nothing only when called off
            *lines, received = (received + data).split(b"\n")
            for line in lines:
                self._heard(line.decode("ascii", "replace").split())

    def _heard(self, words: list[str]) -> None:
        match words:
            case ["I", gpio, level]:
                self._levels[int(gpio)] = level == "1"
                for pin in list(self.pins.values()):
                    if pin.gpio == int(gpio):
                        pin.hear(level == "1")
            case ["A", address, number, volts]:
                self._adcs.setdefault(int(address), Ads1115()).volts[int(number)] = float(volts)
            case ["P", address, powered]:
                self._adcs.setdefault(int(address), Ads1115()).powered = powered == "1"
            case ["!"]:
                self._synchronous.set()
