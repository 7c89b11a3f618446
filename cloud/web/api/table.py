"""Rows of JSON as a CSV file (RFC 4180) that a spreadsheet opens without harm."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

from flask import Response

from cloud.present import Json
from cloud.web.api.models import Session

#: A spreadsheet takes text that begins so for a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def answer(rows: Iterable[Json]) -> Response:
    """Sessions as a CSV answer, sent while they are read."""
    return file("sessions.csv", list(Session.model_fields), rows)


def file(name: str, columns: Sequence[str], rows: Iterable[Json]) -> Response:
    """Rows as a CSV answer. name: of the file. columns: the names in the rows, in this order."""
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(_lines(columns, rows), content_type="text/csv; charset=utf-8", headers=headers)


def _lines(columns: Sequence[str], rows: Iterable[Json]) -> Iterator[str]:
    for values in chain([list(columns)], ([_cell(row[column]) for column in columns] for row in rows)):
        line = io.StringIO()
        csv.writer(line).writerow(values)
        yield line.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        value = " ".join(value)
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
