"""The header of the Pi: gives gpiozero devices by the names of wiring/pins.toml.

The one place where drivers meet gpiozero's pin factories: the Pi's own, gpiozero's mock, or a wire to a bench
(`hardware/emulators/pins.py`).
"""

from __future__ import annotations

import contextlib
from typing import Any

import gpiozero  # type: ignore[import-untyped]

from hardware.ports import DeviceError
from wiring.pins import Pin, PinError, PinMap


class Board:
    """factory None: gpiozero's own default, which on a Pi is the real header.

    Each method raises PinError for a name that is not in the map or has the wrong direction, and DeviceError when the
    pin can not be had (in use already, no GPIO on this machine).
    """

    def __init__(self, pins: PinMap, factory: Any = None) -> None:
        self.pins = pins
        self.factory = factory

    def output(self, name: str, *, active_high: bool = True) -> Any:
        """A gpiozero OutputDevice, off."""
        return self._device(
            gpiozero.OutputDevice, self._pin(name, "out").gpio, active_high=active_high, initial_value=False
        )

    def input(self, name: str, *, bounce_s: float | None = None) -> Any:
        """A gpiozero DigitalInputDevice with the pull-up on: active when its contact to ground is closed."""
        return self._device(
            gpiozero.DigitalInputDevice, self._pin(name, "in").gpio, pull_up=True, bounce_time=bounce_s or None
        )

    def rgb_led(self, red: str, green: str, blue: str, *, active_high: bool = True) -> Any:
        """A gpiozero RGBLED with PWM, dark."""
        gpios = [self._pin(name, "out").gpio for name in (red, green, blue)]
        return self._device(gpiozero.RGBLED, *gpios, active_high=active_high)

    @staticmethod
    def release(device: Any) -> None:
        """Switch an output device off and let go of its pins. Never raises."""
        with contextlib.suppress(gpiozero.GPIOZeroError):  # a factory that was closed first has switched all off
            device.off()
        device.close()

    def _pin(self, name: str, direction: str) -> Pin:
        pin = self.pins[name]
        if pin.direction != direction:
            raise PinError(f"{name} has direction {pin.direction!r} in the pin map, {direction!r} is needed")
        return pin

    def _device(self, kind: Any, *gpios: int, **options: Any) -> Any:
        try:
            return kind(*gpios, pin_factory=self.factory, **options)
        except gpiozero.GPIOZeroError as error:
            where = ", ".join(f"GPIO{gpio}" for gpio in gpios)
            raise DeviceError(f"{kind.__name__} on {where} can not be had: {error}") from error
