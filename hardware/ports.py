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
    RESERVED = "reserved"  # steady violet
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


class PilotState(Enum):
    """What the control pilot says, by its high level: IEC 61851-1, table A.4."""

    A = "A"  # 12 V: no vehicle
    B = "B"  # 9 V: connected, not ready
    C = "C"  # 6 V: ready to charge
    D = "D"  # 3 V: ready to charge, and the place must be ventilated
    E = "E"  # 0 V, or no level that there may be: shorted to earth, or no supply of the pilot
    F = "F"  # -12 V: the station is not available


class ControlPilot(Device, Protocol):
    """The control pilot of one connector, IEC 61851-1 annex A. `start` and `stop` leave it at +12 V, without PWM.

    It tells and measures; the contactor is the caller's, which must open within 100 ms of the vehicle leaving C
    (table A.6).
    """

    def offer(self, limit_a: float | None) -> None:
        """Tell the vehicle that it may draw this much, A, from 6 to 80. None: not ready to supply, +12 V without PWM.

        Raises ValueError for a limit that no duty cycle can say, 0 and what lies between 0 and 6 A among them.
        """

    @property
    def state(self) -> PilotState:
        """As measured less than 0.5 s ago. Raises DeviceError, and never guesses, when the measurement fails."""

    def on_change(self, callback: Callable[[PilotState | None], None] | None) -> None:
        """Call this with the new state at every change, within about 50 ms, from the driver's own thread.

        It is called with None when the measurement begins to fail: `state` then raises DeviceError, saying why. The
        device must not be stopped from within the call. None instead of a callback: no longer.
        """


class TripSensor(Device, Protocol):
    """A protective device that says that it has tripped: an emergency stop, a residual-current device."""

    @property
    def tripped(self) -> bool:
        """Whether it has tripped; True as well when its wire is broken."""

    def on_change(self, callback: Callable[[bool], None] | None) -> None:
        """Call this with the new value at every change, from the driver's own thread. None: no longer."""


class Thermometer(Device, Protocol):
    def celsius(self) -> float:
        """The temperature now, degrees Celsius. Takes up to a second."""


class VehicleLink(Device, Protocol):
    """What can be asked of the vehicle itself. Many stations have none."""

    def soc_pct(self) -> float | None:
        """State of charge of the traction battery, 0 to 100 %, or None when no vehicle answers.

        Raises DeviceError when the link itself is broken.
        """
