"""The pin map: reads `pins.toml`, checks it against the Pi 4's header, and hands out pins by name.

Nothing else in the code knows a pin number. A station refuses to start with a map that is wrong, since a contactor on
the wrong pin is not a thing to find out later.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gpiozero.pins.pi import PiBoardInfo  # type: ignore[import-untyped]

DEFAULT = Path(__file__).with_name("pins.toml")

PI_4B = 0xC03111  # revision code of a Raspberry Pi 4 B, 4 GB
DIRECTIONS = ("out", "in", "bus")
KEYS = frozenset({"gpio", "direction", "note"})
RESERVED = {0: "the HAT EEPROM", 1: "the HAT EEPROM"}
# Of a name that begins or ends so, the direction is known.
ROLES = (
    ("_feedback", "in"),
    ("plug_", "in"),
    ("contactor_", "out"),
    ("led_", "out"),
    ("pilot_", "out"),
    ("emergency_stop", "in"),
    ("rcd_trip", "in"),
)
# The SoC pulls GPIO 0 to 8 up from power-on until software runs: long enough for a contactor to close.
FIRST_PULLED_DOWN = 9


class PinError(ValueError):
    """The pin map is wrong, or has no such pin. The message names the entries."""


@dataclass(frozen=True, slots=True)
class Pin:
    """One wire. gpio: BCM number. header: position on the 40-pin header (J8)."""

    name: str
    gpio: int
    direction: str
    note: str
    header: int


class PinMap(Mapping[str, Pin]):
    """Pins by name, in the order of the file. Asking for one that is not there raises PinError."""

    def __init__(self, pins: Mapping[str, Pin]) -> None:
        self._pins = dict(pins)

    def __getitem__(self, name: str) -> Pin:
        try:
            return self._pins[name]
        except KeyError:
            raise PinError(f"no pin is called {name!r}; there are {', '.join(self._pins)}") from None

    def __iter__(self) -> Iterator[str]:
        return iter(self._pins)

    def __len__(self) -> int:
        return len(self._pins)

    def __contains__(self, name: object) -> bool:
        return name in self._pins


def load(path: Path | str = DEFAULT) -> PinMap:
    """The checked map of this file.

    Raises PinError, listing every fault at once: bad TOML, unknown or missing keys, a wrong direction, a GPIO that does
    not exist or is reserved, one GPIO used twice. OSError when the file can not be read.
    """
    try:
        table = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise PinError(f"{path}: {error}") from error
    board = PiBoardInfo.from_revision(PI_4B)
    pins: dict[str, Pin] = {}
    faults: list[str] = []
    by_gpio: dict[int, str] = {}
    for name, entry in table.items():
        if wrong := _shape_fault(name, entry):
            faults.append(wrong)
            continue
        gpio, direction = entry["gpio"], entry["direction"]
        header = [info.number for _, info in board.find_pin(f"GPIO{gpio}")]
        if wrong := _gpio_fault(name, gpio, direction, on_header=bool(header)):
            faults.append(wrong)
            continue
        if gpio in by_gpio:
            faults.append(f"{by_gpio[gpio]} and {name} both use GPIO{gpio}")
            continue
        by_gpio[gpio] = name
        pins[name] = Pin(name, gpio, direction, entry.get("note", ""), header[0])
    if faults:
        raise PinError(f"{path}: " + "; ".join(faults))
    return PinMap(pins)


def pinout(pins: PinMap) -> str:
    """The map as a table of text, by header position."""
    rows = [("header", "GPIO", "direction", "name", "note")]
    rows += [
        (f"J8:{pin.header}", str(pin.gpio), pin.direction, pin.name, pin.note)
        for pin in sorted(pins.values(), key=lambda pin: pin.header)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[4]]).rstrip()
        for row in rows
    )


def _shape_fault(name: str, entry: Any) -> str | None:
    if not isinstance(entry, dict):
        return f"{name} is not a table of gpio, direction and note"
    if unknown := sorted(set(entry) - KEYS):
        return f"{name} has unknown keys {', '.join(unknown)}"
    if not isinstance(entry.get("gpio"), int) or isinstance(entry["gpio"], bool):
        return f"{name} has no gpio number"
    if entry.get("direction") not in DIRECTIONS:
        return f"{name} has direction {entry.get('direction')!r}, not one of {', '.join(DIRECTIONS)}"
    if not isinstance(entry.get("note", ""), str):
        return f"{name} has a note that is not text"
    return None


def _gpio_fault(name: str, gpio: int, direction: str, *, on_header: bool) -> str | None:
    if gpio in RESERVED:
        return f"{name} uses GPIO{gpio}, which is reserved for {RESERVED[gpio]}"
    if not on_header:
        return f"{name} uses GPIO{gpio}, which the header does not have"
    expected = next((way for mark, way in ROLES if name.startswith(mark) or name.endswith(mark)), direction)
    if direction != expected:
        return f"{name} has direction {direction!r}, but can only be {expected!r}"
    if name.startswith("contactor_") and direction == "out" and gpio < FIRST_PULLED_DOWN:
        return f"{name} uses GPIO{gpio}, which is pulled up while the Pi boots: the contactor could close"
    return None
