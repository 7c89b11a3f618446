"""Every driver that setup.cfg names can be loaded and says what settings it takes."""

from __future__ import annotations

from configparser import ConfigParser
from pathlib import Path

import msgspec
import pytest

from hardware.registry import driver

SETUP = Path(__file__).parents[2] / "setup.cfg"


def named_drivers() -> list[tuple[str, str, str]]:
    config = ConfigParser(interpolation=None)
    config.read(SETUP, encoding="utf-8")
    return [
        (group.removeprefix("colonnina."), *(part.strip() for part in line.split("=")))  # type: ignore[misc]
        for group, lines in config["options.entry_points"].items()
        if group.startswith("colonnina.") and group != "colonnina.notify"
        for line in lines.strip().splitlines()
    ]


def test_setup_names_drivers_of_every_kind() -> None:
    assert {kind for kind, _, _ in named_drivers()} == {
        "nfc",
        "power",
        "indicator",
        "meter",
        "plug",
        "pilot",
        "vehicle",
        "safety",
        "thermometer",
    }


@pytest.mark.parametrize(("kind", "name", "target"), named_drivers())
def test_the_driver_loads_and_has_settings_that_refuse_what_they_do_not_know(kind: str, name: str, target: str) -> None:
    cls = driver(kind, name)
    assert f"{cls.__module__}:{cls.__qualname__}" == target
    assert issubclass(cls.Settings, msgspec.Struct)
    assert cls.Settings.__doc__
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"no_such_setting": 1}, cls.Settings)


@pytest.mark.parametrize(("kind", "name", "target"), named_drivers())
def test_the_driver_is_made_without_touching_anything_and_may_be_stopped_at_once(
    kind: str, name: str, target: str
) -> None:
    cls = driver(kind, name)
    device = cls(cls.Settings(), None)
    device.stop()
    device.stop()
