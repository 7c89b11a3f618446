"""The JSON schemas that ship inside the `ocpp` wheel, compiled to msgspec Structs.

A field is named in snake_case (`id_token` for `idToken`); an optional one that was not sent is `msgspec.UNSET` and is
not sent either. Only the keywords that the OCPP schemas use are understood, and one that is not known is an error, so
that a newer wheel cannot loosen the checks unseen. Three things are left out on purpose: `multipleOf` (0.1 has no exact
float), `format: uri` (vendors send what they like), and the inside of `customData`, which is open by design. One thing
is stricter: an integer is not written as 1.0.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from importlib import resources
from typing import Annotated, Any, Literal

import msgspec

_UNDERSTOOD = {
    *("type", "properties", "required", "additionalProperties", "definitions", "$ref", "enum", "items"),
    *("maxLength", "minItems", "maxItems", "minimum", "maximum", "format", "multipleOf", "additionalItems"),
    *("description", "javaType", "title", "comment", "default", "$schema", "$id"),
}


def documents(folder: str) -> dict[str, dict[str, Any]]:
    """All schemas of one version. folder: `v16`, `v201` or `v21`, as the wheel names them. Keyed by file stem."""
    base = resources.files("ocpp") / folder / "schemas"
    return {
        entry.name.removesuffix(".json"): json.loads(entry.read_text("utf-8-sig"))
        for entry in base.iterdir()
        if entry.name.endswith(".json")
    }


def compile_schema(name: str, document: dict[str, Any]) -> type[msgspec.Struct]:
    """The Struct for one schema document. Raises ValueError on a keyword that this compiler does not know."""
    result = _Compiler(document.get("definitions", {})).struct(name, document)
    assert isinstance(result, type)
    return result


def snake(name: str) -> str:
    """`evseId` -> `evse_id`; `limit_L2` -> `limit_l2`."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


class _Compiler:
    def __init__(self, definitions: dict[str, Any]) -> None:
        self._definitions = definitions
        self._done: dict[str, Any] = {}

    def struct(self, name: str, schema: dict[str, Any]) -> Any:
        required = set(schema.get("required", ()))
        fields: list[tuple[str, Any] | tuple[str, Any, Any]] = []
        for key, value in sorted(schema.get("properties", {}).items(), key=lambda item: item[0] not in required):
            kind = self._type(f"{name}_{key}", value)
            if key in required:
                fields.append((snake(key), kind))
            else:
                fields.append((snake(key), kind | msgspec.UnsetType, msgspec.UNSET))
        return msgspec.defstruct(
            name,
            fields,
            rename={snake(key): key for key in schema.get("properties", {})},
            forbid_unknown_fields=schema.get("additionalProperties") is False,
            kw_only=True,
            frozen=True,
            module=__name__,
        )

    def _type(self, name: str, schema: dict[str, Any]) -> Any:
        unknown = schema.keys() - _UNDERSTOOD
        if unknown:
            raise ValueError(f"{name}: JSON schema keywords {sorted(unknown)} are not understood")
        if "$ref" in schema:
            return self._reference(schema["$ref"].rpartition("/")[2])
        match schema.get("type"):
            case "object" if schema.get("properties") and schema.get("javaType") != "CustomData":
                return self.struct(name, schema)
            case "object":
                return dict[str, Any]
            case "array":
                items = list.__class_getitem__(self._type(f"{name}_item", schema.get("items", {})))
                return _limited(items, schema, min_length="minItems", max_length="maxItems")
            case "string" if "enum" in schema:
                return Literal[tuple(schema["enum"])]
            case "string" if schema.get("format") == "date-time":
                return datetime
            case "string":
                return _limited(str, schema, max_length="maxLength")
            case "integer":
                return _limited(int, schema, ge="minimum", le="maximum")
            case "number":
                return _limited(float, schema, ge="minimum", le="maximum")
            case "boolean":
                return bool
        return Any

    def _reference(self, name: str) -> Any:
        if name not in self._done:
            self._done[name] = self._type(name, self._definitions[name])
        return self._done[name]


def _limited(base: Any, schema: dict[str, Any], **names: str) -> Any:
    limits = {ours: schema[theirs] for ours, theirs in names.items() if theirs in schema}
    if base is int:
        limits = {key: int(value) for key, value in limits.items()}
    return Annotated[base, msgspec.Meta(**limits)] if limits else base
