"""One TOML file, checked against a msgspec Struct: a wrong key or value names itself, its line and what is allowed."""

from __future__ import annotations

import difflib
import re
import tomllib
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


def convert(tree: object, kind: type[T], name: str, text: str = "") -> T:
    """As `load`, from an already parsed tree; `text` is only searched for line numbers."""
    try:
        return msgspec.convert(tree, kind)
    except msgspec.ValidationError as error:
        message, _, where = str(error).partition(" - at ")
        path = re.findall(r"[A-Za-z0-9_-]+|\[\.\.\.\]", where.strip("`").removeprefix("$"))
        key = re.search(r"field `([^`]+)`", message)
        if key:
            path.append(key[1])
        line = _line(text, [part for part in path if part != "[...]"])
        shown = ".".join(path).replace(".[...]", "[...]") or "the file"
        raise SettingsError(f"{name}{f':{line}' if line else ''}: {shown}: {message}{_allowed(kind, path)}") from error


def _line(text: str, path: list[str]) -> int | None:
    """The first line that could be meant: the key inside its table, else the table's own header, else the key alone."""
    if not path:
        return None
    lines = text.splitlines()
    table = ""
    header = None
    for number, line in enumerate(lines, 1):
        heading = re.match(r"\s*\[+\s*([^\]]+?)\s*\]+", line)
        if heading:
            table = heading[1]
            header = number if table == ".".join(path[:-1]) or table == ".".join(path) else header
        elif re.match(rf"\s*[\"']?{re.escape(path[-1])}[\"']?\s*=", line) and table == ".".join(path[:-1]):
            return number
    return header


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
