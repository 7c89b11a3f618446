"""A control pilot (IEC 61851-1 annex A) made of a PWM output, a stage of +-12 V, and an ADC.

The output drives the stage's input: low is +12 V, high is -12 V. A pin that nobody drives is pulled low, so that
before `start`, after `stop`, and while the Pi boots, the pilot stands at +12 V without PWM: not ready to supply.
The negative half is not measured: a vehicle's diode that is missing (table A.4) is not found.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from time import monotonic
from typing import Annotated, Any

import msgspec

from hardware.board import Board, OpenI2C
from hardware.pilot.adc import PilotAdc, PilotAdcSettings
from hardware.pilot.duty import duty_pct, state_of
from hardware.ports import DeviceError, PilotState

FREQUENCY_HZ = 1000
STALE_S = 0.5  # an I2C bus that hangs would otherwise leave the last state standing


class PwmAdcSettings(PilotAdcSettings, frozen=True, forbid_unknown_fields=True):
    """pin: the stage's input, a name in wiring/pins.toml. address, channel, divider, offset_v: as `PilotAdcSettings`.

    poll_s: time between two looks at the pilot, s; two that agree make a change, so a change takes twice as long.
    """

    pin: str = "pilot_1"
    poll_s: Annotated[float, msgspec.Meta(gt=0, le=0.025)] = 0.02


class PwmAdcPilot:
    """Control pilot on one PWM output and one input of an ADS1115."""

    Settings = PwmAdcSettings

    def __init__(self, settings: PwmAdcSettings, board: Board, open_bus: OpenI2C = Board.i2c) -> None:
        self._settings = settings
        self._board = board
        self._adc = PilotAdc(settings, board, open_bus)
        self._stage: Any = None
        self._callback: Callable[[PilotState | None], None] | None = None
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None
        # What is told, what the last look saw, when that was (s), and why it saw nothing.
        self._state: PilotState | None = None
        self._seen: PilotState | None = None
        self._seen_at = 0.0
        self._failure = ""

    def start(self) -> None:
        """Take pin and ADC; +12 V, no PWM. Raises DeviceError or PinError."""
        self.stop()
        try:
            self._stage = self._board.pwm(self._settings.pin, FREQUENCY_HZ)
            self._adc.open()
            self._state = self._seen = state_of(self._adc.high_v())
        except Exception:
            self.stop()
            raise
        self._seen_at = monotonic()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(self._ended,), name="pilot", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """+12 V, no PWM, whatever the ADC does; then let go."""
        stage, self._stage = self._stage, None
        if stage is not None:
            self._board.release(stage)
        self._ended.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(STALE_S)  # longer only when the bus hangs; it ends with the look that hangs
        self._adc.close()

    def offer(self, limit_a: float | None) -> None:
        low_share = 0.0 if limit_a is None else 1 - duty_pct(limit_a) / 100
        self._stage_or_error().value = low_share

    @property
    def state(self) -> PilotState:
        self._stage_or_error()
        if monotonic() - self._seen_at > STALE_S:
            raise self._error(f"its ADC has not answered for {STALE_S} s; is the I2C bus hung up?")
        state = self._state
        if state is None:
            raise self._error(self._failure)
        return state

    def on_change(self, callback: Callable[[PilotState | None], None] | None) -> None:
        self._callback = callback

    def _run(self, ended: threading.Event) -> None:
        while not ended.wait(self._settings.poll_s):
            self._look()

    def _look(self) -> None:
        seen: PilotState | None = None
        try:
            seen = state_of(self._adc.high_v(), self._state)
        except DeviceError as error:
            self._failure = str(error)
        # Once is not enough: a level on its way from 12 to 6 V passes 9 V, and a disturbed answer is not a lost ADC.
        agreed = seen is self._seen
        self._seen, self._seen_at = seen, monotonic()
        if agreed and seen is not self._state:
            self._state = seen
            if self._callback is not None:
                self._callback(seen)

    def _stage_or_error(self) -> Any:
        if self._stage is None:
            raise self._error("not started")
        return self._stage

    def _error(self, what: str) -> DeviceError:
        return DeviceError(f"control pilot on {self._settings.pin}: {what}")
