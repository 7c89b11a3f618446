"""The text of a variable's value, checked against its row (B05.FR.07, B05.FR.08)."""

from __future__ import annotations

import math
import re

from edge.station.device_model.row import Row

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}", re.ASCII)
_BOOLEANS = {"true": True, "false": False}


class BadValueError(ValueError):
    """A value that the variable cannot have. code: OCPP's reasonCode. The text says what it can."""

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code


def parse(text: str, row: Row) -> bool | int | str:
    """The value that a text means. Raises BadValueError."""
    if row.type == "boolean":
        value = _BOOLEANS.get(text.casefold())
        if value is None:
            raise BadValueError("InvalidValue", "true or false")
        return value
    if row.type == "integer":
        if not _INTEGER.fullmatch(text):
            raise BadValueError("InvalidValue", f"a whole number{_range(row)}")
        number = int(text)
        if not _least(row) <= number <= _most(row):
            raise BadValueError("ValueOutOfRange", f"a whole number{_range(row)}")
        return number
    assert row.type == "string", f"{row.name} cannot be set"
    if len(text) > _most(row):
        raise BadValueError("ValueOutOfRange", f"at most {row.most} characters")
    return text


def _least(row: Row) -> float:
    return -math.inf if row.least is None else row.least


def _most(row: Row) -> float:
    return math.inf if row.most is None or callable(row.most) else row.most


def _range(row: Row) -> str:
    return f" from {row.least} to {row.most}"
