"""One TOML file, checked against a msgspec Struct: a wrong key or value names itself, its line and what is allowed."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from msgspec import inspect

from protocol.errors import SettingsError

T = TypeVar("T", bound=msgspec.Struct)


def load(path: Path, kind: type[T]) -> T:
    """Read `path` as a `kind`. Raises SettingsError; its text is one line that a person can act on."""
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path}: cannot be read: {error}") from error
    return parse(text, kind, str(path))


def parse(text: str, kind: type[T], name: str = "settings") -> T:
    """As `load`, from text. name: what errors call the source."""
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{name}: not valid TOML: {error}") from error
    return convert(tree, kind, name, text)


def convert(tree: object, kind: type[T], name: str, text: str = "", within: Sequence[str] = ()) -> T:
    """As `load`, from an already parsed tree; `text` is only searched for line numbers.

    within: where in the file the tree is, such as ("evse", "[0]", "meter").
    """
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        path = re.findall(r"[A-Za-z0-9_-]+(?!\])|\[[^\]]+\]", where.strip("`").removeprefix("$"))
        key = re.search(r"field `([^`]+)`", message)
        if key:
            path.append(key[1])
        line = _line(text, [*within, *path])
        shown = ".".join([*within, *path]).replace(".[", "[") or "the file"
        raise SettingsError(f"{name}{f':{line}' if line else ''}: {shown}: {message}{_allowed(kind, path)}") from error


def _line(text: str, path: list[str]) -> int | None:
    """The line that comes nearest to `path`: that of the key itself, or of a table that it is in or should be in."""
    best, depth = None, 0
    table: list[str] = []
    counts: dict[str, int] = {}
    for number, line in enumerate(text.splitlines(), 1):
        heading = re.match(r"\s*(\[\[?)\s*([^\[\]]+?)\s*\]", line)
        key = re.match(r"\s*([A-Za-z0-9_\"'.-]+)\s*=", line)
        if heading:
            table = here = _table(_names(heading[2]), heading[1] == "[[", counts)
        elif key:
            here = table + _names(key[1])
        else:
            continue
        common = min(len(here), len(path))
        if here[:common] == path[:common] and common > depth:
            best, depth = number, common
    return best


def _names(dotted: str) -> list[str]:
    return [name.strip(" \"'") for name in dotted.split(".")]


def _table(names: list[str], repeated: bool, counts: dict[str, int]) -> list[str]:
    """A heading's path: of `[[evse.connector]]`, say, ["evse", "[0]", "connector", "[1]"]. counts: those so far."""
    path: list[str] = []
    for place, name in enumerate(names, 1):
        path.append(name)
        key = ".".join(path)
        if repeated and place == len(names):
            counts[key] = counts.get(key, -1) + 1
        if key in counts:
            path.append(f"[{counts[key]}]")
    return path


def _allowed(kind: Any, path: list[str]) -> str:
    """What would have been right at `path`: the keys of a table, or the values of a choice."""
    where: Any = inspect.type_info(kind)
    for part in path[:-1]:
        where = _step(where, part)
    where = _unwrap(where)
    if isinstance(where, inspect.StructType) and path:
        names = [field.encode_name for field in where.fields]
        if path[-1] not in names:
            near = difflib.get_close_matches(path[-1], names, 1)
            return f"; allowed are {', '.join(names)}" + (f" (did you mean {near[0]}?)" if near else "")
        where = _unwrap(_step(where, path[-1]))
    if isinstance(where, inspect.LiteralType):
        return f"; allowed are {', '.join(map(str, where.values))}"
    return ""


def _step(where: Any, part: str) -> Any:
    where = _unwrap(where)
    if isinstance(where, inspect.StructType):
        return next((field.type for field in where.fields if field.encode_name == part), inspect.AnyType())
    if isinstance(where, inspect.ListType | inspect.VarTupleType):
        return where.item_type
    if isinstance(where, inspect.DictType):
        return where.value_type
    return inspect.AnyType()


def _unwrap(where: Any) -> Any:
    while isinstance(where, inspect.Metadata):
        where = where.type
    if isinstance(where, inspect.UnionType):
        tables = [kind for kind in where.types if isinstance(kind, inspect.StructType | inspect.LiteralType)]
        return tables[0] if tables else where
    return where
