"""Valid instances of OCPP's JSON schemas, and single changes that make them invalid."""

from __future__ import annotations

import copy
import json
import string
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

Json = dict[str, Any]

_TEXT = st.text(st.characters(codec="utf-8", max_codepoint=0x2FFF), max_size=60)
_TIMES = st.sampled_from(
    ["2026-11-23T12:00:00Z", "2026-11-23T12:00:00.123+01:00", "1970-01-01T00:00:00Z", "9999-12-31T00:00:00Z"]
)
_INTEGERS = st.one_of(st.integers(-3, 300), st.sampled_from([2**31, -(2**31), 2**63, -(2**63), 10**30]))
_NUMBERS = st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-10, 10**6))


def instances(document: Json) -> st.SearchStrategy[Any]:
    """Valid instances of a schema document, extremes included."""
    return _strategy(document, document.get("definitions", {}))


def _strategy(schema: Json, definitions: Json) -> st.SearchStrategy[Any]:
    if "$ref" in schema:
        return _strategy(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    match schema.get("type"):
        case "object":
            required = set(schema.get("required", ()))
            parts = {
                name: st.deferred(lambda part=part: _strategy(part, definitions))
                for name, part in schema.get("properties", {}).items()
            }
            return st.fixed_dictionaries(
                {name: part for name, part in parts.items() if name in required},
                optional={name: part for name, part in parts.items() if name not in required},
            )
        case "array":
            least = schema.get("minItems", 0)
            return st.lists(
                st.deferred(lambda: _strategy(schema.get("items", {}), definitions)),
                min_size=least,
                max_size=min(schema.get("maxItems", least + 2), least + 2),
            )
        case "string" if "enum" in schema:
            return st.sampled_from(schema["enum"])
        case "string" if schema.get("format") == "date-time":
            return _TIMES
        case "string":
            longest = schema.get("maxLength", 60)
            return _TEXT.map(lambda text: text[:longest])
        case "integer":
            return _INTEGERS.filter(lambda n: _within(schema, n))
        case "number":
            return _NUMBERS.filter(lambda n: _within(schema, n))
        case "boolean":
            return st.booleans()
    return st.none() | st.booleans() | st.integers(0, 9) | _TEXT


def _within(schema: Json, number: float) -> bool:
    return bool(schema.get("minimum", number) <= number <= schema.get("maximum", number))


def example(document: Json) -> Any:
    """One valid instance with every property there is, arrays as short as they may be but not empty."""
    return _example(document, document.get("definitions", {}), ())


def _example(schema: Json, definitions: Json, above: tuple[str, ...]) -> Any:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _example(definitions[name], definitions, (*above, name))
    match schema.get("type"):
        case "object":
            return {
                name: _example(part, definitions, above)
                for name, part in schema.get("properties", {}).items()
                if part.get("$ref", "").rpartition("/")[2] not in above or name in schema.get("required", ())
            }
        case "array":
            item = _example(schema.get("items", {}), definitions, above)
            return [copy.deepcopy(item) for _ in range(max(1, schema.get("minItems", 1)))]
        case "string" if "enum" in schema:
            return schema["enum"][0]
        case "string" if schema.get("format") == "date-time":
            return "2026-11-23T12:00:00Z"
        case "string" if schema.get("format") == "uri":
            return "https://example.test/"[: schema.get("maxLength", 99)]
        case "string":
            return string.ascii_letters[: min(8, schema.get("maxLength", 8))]
        case "integer":
            return int(schema.get("minimum", 1))
        case "number":
            return float(schema.get("minimum", min(1, schema.get("maximum", 1))))
        case "boolean":
            return True
    return "anything"


def mutations(document: Json, seen: set[str] | None = None) -> Iterator[tuple[str, Any]]:
    """(what was changed, a changed copy of `example`) for every place and every single change that matters there.

    seen: places that need no more changes, by their schema; those that get them now are added.
    """
    whole = example(document)
    seen = set() if seen is None else seen
    for path, schema in _places(document, document.get("definitions", {}), whole, ()):
        key = json.dumps(schema, sort_keys=True)
        if path and key in seen:
            continue
        seen.add(key)
        for what, value in _changes(schema, _at(whole, path)):
            changed = copy.deepcopy(whole)
            if value is _GONE:
                del _at(changed, path[:-1])[path[-1]]
            elif path:
                _at(changed, path[:-1])[path[-1]] = value
            else:
                changed = value
            yield f"{'.'.join(map(str, path)) or 'whole'}: {what}", changed


_GONE = object()

Place = tuple[Any, ...]


def _places(schema: Json, definitions: Json, value: Any, path: Place) -> Iterator[tuple[Place, Json]]:
    """Every place in an instance with its schema, into which is put whether it is required where it stands."""
    if "$ref" in schema:
        extra = {key: part for key, part in schema.items() if key.startswith("x-")}
        schema = {**definitions[schema["$ref"].rpartition("/")[2]], **extra}
    yield path, schema
    if schema.get("type") == "object":
        for name, inner in value.items():
            part = {**schema["properties"][name], "x-required": name in schema.get("required", ())}
            yield from _places(part, definitions, inner, (*path, name))
    elif schema.get("type") == "array":
        yield from _places(schema.get("items", {}), definitions, value[0], (*path, 0))


def _at(value: Any, path: Place) -> Any:
    for part in path:
        value = value[part]
    return value


def _changes(schema: Json, value: Any) -> Iterator[tuple[str, Any]]:
    if "x-required" in schema:
        yield ("required one dropped" if schema["x-required"] else "optional one dropped"), _GONE
    for what, other in (("text", "1"), ("number", 1), ("fraction", 1.5), ("truth", True), ("nothing", None)):
        yield f"{what} instead", other
    yield "list instead", [value]
    yield "object instead", {"x": value}
    if schema.get("type") == "object":
        yield "a property that is not there", {**value, "x-unheard-of": 1}
    elif "enum" in schema:
        yield "a word that is not there", "Unheard-Of"
        yield "another case", schema["enum"][0].swapcase()
    elif "maxLength" in schema:
        yield "as long as may be", "\u00e9" * schema["maxLength"]
        yield "too long", "\u00e9" * (schema["maxLength"] + 1)
    elif schema.get("format") == "date-time":
        for text in ("2026-11-23T12:00:00.123456+05:30", "2026-02-30T12:00:00Z", "noon", "2026-11-23", ""):
            yield f"{text!r} instead", text
    elif schema.get("type") == "array":
        yield "empty", []
        if "maxItems" in schema and schema["maxItems"] < 2_000:
            yield "as many as may be", [value[0]] * schema["maxItems"]
            yield "too many", [value[0]] * (schema["maxItems"] + 1)
    for name, less, what in (("minimum", 1, "small"), ("maximum", -1, "large")):
        if name in schema:
            kind = int if schema["type"] == "integer" else float
            yield f"as {what} as may be", kind(schema[name])
            yield f"too {what}", kind(schema[name] - less)


def without_exceptions(schema: Any) -> Any:
    """A schema document without what `protocol.schema` leaves out on purpose; its docstring says why."""
    if isinstance(schema, list):
        return [without_exceptions(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("javaType") == "CustomData":
        return {"type": "object", "javaType": "CustomData"}
    return {
        key: without_exceptions(part)
        for key, part in schema.items()
        if key != "multipleOf" and not (key == "format" and part == "uri")
    }
