"""Documents that cannot drift: what they show is read by the code, and what the code has, they show."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import inspect

from cloud.config import CsmsFile
from cloud.main import cli as csms
from deploy.local.plan import Plan, csms_toml, station_toml
from edge.config import StationFile, make_devices
from edge.fleet.main import cli as fleet
from edge.main import cli as station
from hardware.board import Board
from protocol import settings
from wiring import pins

ROOT = Path(__file__).parents[2]
FILES = {"configure-a-station.md": StationFile, "configure-the-csms.md": CsmsFile}


def shown(name: str) -> str:
    found = re.search(r"```toml\n(.*?)```", (ROOT / "docs/how-to" / name).read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def keys(kind: Any) -> set[str]:
    """The dotted keys of a settings type, without those of drivers."""
    kind = inspect.type_info(kind) if isinstance(kind, type) else kind
    if isinstance(kind, inspect.UnionType):
        kind = next((part for part in kind.types if not isinstance(part, inspect.NoneType)), kind)
    if isinstance(kind, inspect.VarTupleType):
        kind = kind.item_type
    if not isinstance(kind, inspect.StructType):
        return set()
    return {
        key
        for field in kind.fields
        for key in (field.encode_name, *(f"{field.encode_name}.{inner}" for inner in keys(field.type)))
    }


def paths(tree: Any) -> set[str]:
    if isinstance(tree, list):
        return set().union(*map(paths, tree))
    if not isinstance(tree, dict):
        return set()
    return {path for key, value in tree.items() for path in (key, *(f"{key}.{inner}" for inner in paths(value)))}


@pytest.mark.parametrize("name", FILES)
def test_a_how_to_shows_every_key_and_no_other(name: str) -> None:
    settings.parse(shown(name), FILES[name])
    assert keys(FILES[name]) - paths(tomllib.loads(shown(name))) == set()


def test_the_station_file_of_the_how_to_makes_devices() -> None:
    config = settings.parse(shown("configure-a-station.md"), StationFile)
    assert set(make_devices(config, Board(pins.load()), Path("station.toml")).evses) == {1}


def test_the_files_that_the_demo_writes_are_right(tmp_path: Path) -> None:
    plan = Plan(8000, 6, 1.0, tmp_path)
    settings.parse(csms_toml(plan, "secret"), CsmsFile)
    for demo_station in plan.demo_stations:
        config = settings.parse(station_toml(plan, demo_station, "secret"), StationFile)
        make_devices(config, Board(pins.load()), tmp_path / "none.toml")
    assert msgspec.structs.replace(plan) == plan


def test_every_command_and_option_says_what_it_is_for() -> None:
    def commands(group: Any, path: str) -> list[tuple[str, Any]]:
        found = [(path, group)]
        for name, command in getattr(group, "commands", {}).items():
            found += commands(command, f"{path} {name}")
        return found

    silent = [
        f"{path} {parameter.name}"
        for root, name in ((csms, "colonnina-csms"), (station, "colonnina-station"), (fleet, "colonnina-fleet"))
        for path, command in commands(root, name)
        for parameter in command.params
        if not command.help or (parameter.param_type_name == "option" and not parameter.help)
    ]
    assert silent == []


def test_every_link_between_documents_leads_somewhere() -> None:
    dead = []
    for document in (*ROOT.glob("*.md"), *ROOT.glob("*/*.md"), *ROOT.glob("docs/*/*.md")):
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", document.read_text()):
            if not (document.parent / target).exists():
                dead.append(f"{document.relative_to(ROOT)}: {target}")
    assert dead == []
