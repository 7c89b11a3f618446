"""An RGB LED on three PWM pins: what a person before the EVSE sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import msgspec

from hardware.board import Board
from hardware.ports import DeviceError, Light

Colour = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Pattern:
    """colour: red, green, blue, 0 to 1. half_period_s: time lit and time dark of a blink, s; None is steady."""

    colour: Colour
    half_period_s: float | None = None


SLOW_S = 1.0
FAST_S = 0.2

PATTERNS = {
    Light.OFF: Pattern((0, 0, 0)),
    Light.AVAILABLE: Pattern((0, 1, 0)),
    Light.WAITING: Pattern((0, 0, 1), SLOW_S),
    Light.CHARGING: Pattern((0, 0, 1)),
    Light.FINISHING: Pattern((0, 1, 0), SLOW_S),
    Light.REFUSED: Pattern((1, 0, 0)),
    Light.RESERVED: Pattern((0.6, 0, 1)),
    # Green is the brighter die: equal parts would look green, not yellow.
    Light.UNAVAILABLE: Pattern((1, 0.6, 0)),
    Light.FAULTED: Pattern((1, 0, 0), FAST_S),
}


class RgbLedSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """red, green, blue: names in wiring/pins.toml. brightness_pct: 1 to 100 %.

    common_anode: True for an LED whose common leg is at 3.3 V.
    """

    red: str = "led_1_red"
    green: str = "led_1_green"
    blue: str = "led_1_blue"
    brightness_pct: Annotated[float, msgspec.Meta(gt=0, le=100)] = 100
    common_anode: bool = False


class RgbLed:
    """Indicator on three outputs. Blinking runs in gpiozero's own thread: `show` returns at once."""

    Settings = RgbLedSettings

    def __init__(self, settings: RgbLedSettings, board: Board) -> None:
        self._settings = settings
        self._board = board
        self._led: Any = None

    def start(self) -> None:
        """Take the pins, dark. Raises DeviceError or PinError."""
        self.stop()
        settings = self._settings
        self._led = self._board.rgb_led(
            settings.red, settings.green, settings.blue, active_high=not settings.common_anode
        )

    def stop(self) -> None:
        led, self._led = self._led, None
        if led is not None:
            self._board.release(led)

    def show(self, light: Light) -> None:
        if self._led is None:
            raise DeviceError(f"indicator on {self._settings.red} is not started")
        pattern = PATTERNS[light]
        red, green, blue = (level * self._settings.brightness_pct / 100 for level in pattern.colour)
        if pattern.half_period_s is None:
            self._led.value = (red, green, blue)
        else:
            half = pattern.half_period_s
            self._led.blink(on_time=half, off_time=half, on_color=(red, green, blue))
