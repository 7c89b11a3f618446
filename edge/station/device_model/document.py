"""The table as a document, for people."""

from __future__ import annotations

from edge.station.device_model.row import Row, Tier
from edge.station.device_model.table import ROWS

HEAD = """# Variables of a station

What the CSMS can read with GetVariables, GetBaseReport and GetReport, and set with SetVariables (OCPP 2.0.1, B05 to
B08). This page is made from the table in `edge/station/device_model/`; after a change there:

    python -m edge.station.device_model > docs/reference/variables.md

*Set* says which key of [the station's file](../how-to/configure-a-station.md) a variable overrules. What was set takes
effect at once and survives a power cut: it counts for more than the file. Seconds are whole; a part of one in the file
is shown as one. Names in brackets are instances; `<...>` stands for each that there is.

| component | variable | type | value | set | what it says |
|---|---|---|---|---|---|
"""

_WHERE = {Tier.STATION: "", Tier.EVSE: ", each", Tier.CONNECTOR: ", each"}


def markdown() -> str:
    """The page."""
    return HEAD + "".join(f"| {' | '.join(_cells(row))} |\n" for row in ROWS)


def _cells(row: Row) -> list[str]:
    instance = "<reason>" if row.instances is not None else row.instance
    key = row.setting
    return [
        f"{row.component}{_WHERE[row.at]}",
        row.variable if instance is None else f"{row.variable} [`{instance}`]",
        f"{row.type}{'' if row.unit is None else f', {row.unit}'}",
        _allowed(row),
        f"`{key.table}.{key.field}`" if row.writable and key is not None else "no",
        row.what,
    ]


def _allowed(row: Row) -> str:
    if row.fixed is not None:
        return f"`{row.fixed}`"
    if row.values:
        return ", ".join(row.values)
    if callable(row.most):
        return "up to that of the supply"
    if row.least is None:
        unit = " characters" if row.type == "string" else ""
        return "" if row.most is None else f"up to {row.most}{unit}"
    return f"{row.least} to {row.most}"
