"""GPIO pins whose other end lives in another process: a station with gpiozero here, its bench there, a wire between.

The wire is a serial port or pty and carries lines. From the station: `?` (a station begins: forget what was, and say
all inputs), `O <bcm> <level 0 to 1>`, `Z <bcm>` (no longer driven). From the bench: `I <bcm> <0 or 1>`,
`A <address> <input> <volts>` (what an ADS1115 on the I2C bus has at one of its inputs; its registers are emulated at
the station's end, where the driver asks for them), `P <address> <0 or 1>` (its supply), and `!` when all inputs have
been said. A wire that closes is a station that died: every output is released then, and since a contactor's driver has
an external pull-down, contactors open.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware.emulators.wire_factory import WireFactory
from wiring.pins import PinMap

__all__ = ["PinsBench", "WireFactory"]


class PinsBench:
    """The bench's end. changed: called when an output may have changed, once for all lines that came together."""

    def __init__(self, pins: PinMap, send: Callable[[bytes], None], changed: Callable[[], None]) -> None:
        self.connected = False
        self._pins = pins
        self._send = send
        self._changed = changed
        self._received = b""
        self._outputs: dict[int, float] = {}
        self._inputs: dict[int, bool] = {}
        self._analogs: dict[tuple[int, int], str] = {}
        self._powers: dict[int, str] = {}

    def output(self, name: str) -> float:
        """The level of this output, 0 to 1; one that nobody drives is pulled down."""
        return self._outputs.get(self._pins[name].gpio, 0.0)

    def drive(self, name: str, level: bool) -> None:
        """Set this input of the station."""
        gpio = self._pins[name].gpio
        if self._inputs.get(gpio) is level:
            return
        self._inputs[gpio] = level
        self._send(f"I {gpio} {level:d}\n".encode("ascii"))

    def drive_analog(self, address: int, number: int, volts: float) -> None:
        """Set this input, 0 to 3, of the station's ADS1115 at this I2C address, V."""
        said = f"A {address} {number} {volts:.4f}\n"
        if self._analogs.get((address, number)) == said:
            return
        self._analogs[address, number] = said
        self._send(said.encode("ascii"))

    def power_converter(self, address: int, powered: bool) -> None:
        """Take the ADS1115 at this I2C address away, or bring it back."""
        self._powers[address] = f"P {address} {powered:d}\n"
        self._send(self._powers[address].encode("ascii"))

    def feed(self, data: bytes) -> None:
        """Bytes from the station, in pieces of any size."""
        *lines, self._received = (self._received + data).split(b"\n")
        for line in lines:
            self._line(line.decode("ascii", "replace").split())
        self._changed()

    def hang_up(self) -> None:
        """The station is gone: nothing is driven any more."""
        self.connected = False
        self._received = b""
        self._outputs.clear()
        self._changed()

    def _line(self, words: list[str]) -> None:
        match words:
            case ["?"]:
                self.connected = True
                self._outputs.clear()
                said = "".join(f"I {gpio} {level:d}\n" for gpio, level in self._inputs.items())
                said += "".join((*self._analogs.values(), *self._powers.values()))
                self._send(said.encode("ascii") + b"!\n")
            case ["O", gpio, level]:
                self._outputs[int(gpio)] = float(level)
            case ["Z", gpio]:
                self._outputs.pop(int(gpio), None)
