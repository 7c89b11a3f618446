"""Finds a driver by the name that a station's configuration uses.

Drivers are entry points (setup.cfg, groups `colonnina.<kind>`), so that another package can bring one without a change
here. Kinds: nfc, power, indicator, meter, plug, pilot, vehicle, safety, thermometer.
"""

from __future__ import annotations

from importlib.metadata import entry_points
from typing import Any

from hardware.ports import HardwareError


def driver(kind: str, name: str) -> type[Any]:
    """The class of the driver with this name, made as `cls(settings, board)`; its `cls.Settings` says what it needs.

    Raises HardwareError when there is none (it lists those there are) or when its libraries are not installed.
    """
    points = {point.name: point for point in entry_points(group=f"colonnina.{kind}")}
    try:
        found: type[Any] = points[name].load()
    except KeyError:
        known = ", ".join(sorted(points)) or "none"
        raise HardwareError(f"no {kind} driver is called {name!r}; there are: {known}") from None
    except ImportError as error:
        raise HardwareError(
            f"the {kind} driver {name!r} can not be loaded (install colonnina[edge]): {error}"
        ) from error
    return found
