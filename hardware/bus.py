"""Opens the Pi's own buses: I2C for `Board.i2c`, SPI for the card reader.

Blinka is imported when a bus is opened: it looks for the board it runs on, and there is none on a developer's machine.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from wiring.pins import PinMap

#: How an SPI reader comes by its bus; tests and emulators pass another.
OpenSPI = Callable[[PinMap], tuple[Any, Any]]


def open_i2c(pins: PinMap) -> Any:
    """The I2C bus on pins i2c_scl and i2c_sda, as a `busio.I2C`."""
    import busio  # type: ignore[import-untyped]

    return busio.I2C(_blinka(pins, "i2c_scl"), _blinka(pins, "i2c_sda"))


def open_spi(pins: PinMap) -> tuple[Any, Any]:
    """The SPI bus (`busio.SPI`), and the chip select on pin nfc_cs (`digitalio.DigitalInOut`)."""
    import busio
    import digitalio  # type: ignore[import-untyped]

    spi = busio.SPI(_blinka(pins, "spi_sclk"), MOSI=_blinka(pins, "spi_mosi"), MISO=_blinka(pins, "spi_miso"))
    return spi, digitalio.DigitalInOut(_blinka(pins, "nfc_cs"))


def _blinka(pins: PinMap, name: str) -> Any:
    import board  # type: ignore[import-untyped]

    return getattr(board, f"D{pins[name].gpio}")
