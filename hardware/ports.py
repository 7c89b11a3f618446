"""The devices of a charging station, as the station sees them: one small interface per kind.

A driver lives in `hardware/<kind>/`, an emulator that speaks the same bytes in `hardware/emulators/`, and the suite in
`tests/contract/` runs on every driver. A driver's constructor keeps its arguments; `start` and `stop` do the work, and
both may be called again, so that a device which was lost can be taken up anew. A device that does not answer, or
answers nonsense, raises `DeviceError` from the call that needed it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


class HardwareError(Exception):
    """Base of every error in this package."""


class DeviceError(HardwareError, OSError):
    """A device does not answer, or answers what it should not. The message names the device and what to check."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading of an energy meter.

    energy_wh: the import register, Wh, never reset by us. power_w: active import, W. current_a: A. voltage_v: V.
    frequency_hz: Hz, None where the meter has none.
    """

    energy_wh: int
    power_w: float
    current_a: float
    voltage_v: float
    frequency_hz: float | None = None


class Light(Enum):
    """What the indicator tells a person who stands before the EVSE."""

    OFF = "off"
    AVAILABLE = "available"  # steady green
    WAITING = "waiting"  # blue, slow blink: authorized or plugged, the other is awaited
    CHARGING = "charging"  # steady blue
    FINISHING = "finishing"  # green, slow blink: over, still plugged
    REFUSED = "refused"  # steady red, for a moment
    UNAVAILABLE = "unavailable"  # yellow
    FAULTED = "faulted"  # red, fast blink


class Device(Protocol):
    """What every device has."""

    def start(self) -> None:
        """Take up the device. Raises DeviceError when it cannot be had, wiring's PinError for a pin that is wrong."""

    def stop(self) -> None:
        """Let go of the device and leave it safe. Never raises; may be called twice."""


class CardReader(Device, Protocol):
    def read(self) -> str | None:
        """The UID of the card that lies on the reader now, upper-case hex (4, 7 or 10 bytes), or None.

        Takes at most about 0.15 s, and no time at all while a card rests there, which is reported at every call:
        debouncing, and a pause after a card, are the caller's.
        """


class Contactor(Device, Protocol):
    """A power contactor of one connector. `start` and `stop` leave it open."""

    def close(self) -> None:
        """Let power through."""

    def open(self) -> None:
        """Cut power."""

    @property
    def closed(self) -> bool:
        """Whether the main contacts are closed, by the feedback contact; without one, as last commanded."""


class Indicator(Device, Protocol):
    def show(self, light: Light) -> None:
        """Show this until told otherwise."""


class Meter(Device, Protocol):
    def read(self) -> Reading:
        """A fresh reading. Takes at most about 0.5 s, then raises DeviceError."""


class PlugSensor(Device, Protocol):
    @property
    def plugged(self) -> bool:
        """Whether a vehicle's plug is in."""

    def on_change(self, callback: Callable[[bool], None] | None) -> None:
        """Call this with the new value at every change, from the driver's own thread. None: no longer."""


class VehicleLink(Device, Protocol):
    """What can be asked of the vehicle itself. Many stations have none."""

    def soc_pct(self) -> float | None:
        """State of charge of the traction battery, 0 to 100 %, or None when no vehicle answers.

        Raises DeviceError when the link itself is broken.
        """
