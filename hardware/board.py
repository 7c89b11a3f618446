"""The header of the Pi: gives gpiozero devices by the names of wiring/pins.toml.

The one place where drivers meet gpiozero's pin factories: the Pi's own, gpiozero's mock, or a wire to a bench
(`hardware/emulators/pins.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import gpiozero  # type: ignore[import-untyped]

from hardware.bus import open_i2c
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

    def pwm(self, name: str, frequency_hz: int) -> Any:
        """A gpiozero PWMOutputDevice, steadily low. Its value is the share of the period that it is high, 0 to 1."""
        return self._device(gpiozero.PWMOutputDevice, self._pin(name, "out").gpio, frequency=frequency_hz)

    def i2c(self) -> Any:
        """The header's I2C bus, as a `busio.I2C`: the factory's, where it emulates one, else the Pi's own.

        Raises what Blinka raises where there is none: ImportError, AttributeError, NotImplementedError, ValueError,
        RuntimeError or OSError.
        """
        emulated: Callable[[], Any] | None = getattr(self.factory, "open_i2c", None)
        return open_i2c(self.pins) if emulated is None else emulated()

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


#: How an I2C driver comes by its bus; tests pass another.
OpenI2C = Callable[[Board], Any]
