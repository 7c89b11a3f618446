"""Labels for EVSEs: a sheet to print and stick, each with the QR code of its page, its code and its id. SVG, A4.

A sheet has three columns of eight labels, 70 by 37 mm, as the usual ones without margins.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from xml.sax.saxutils import escape

import segno

COLUMNS, ROWS = 3, 8
_WIDTH_MM, _HEIGHT_MM = 70.0, 37.125
#: Of the QR code, and the white around it that a reader needs, in modules.
_CODE_MM, _QUIET = 30.0, 4


@dataclass(frozen=True, slots=True)
class Label:
    """id: the EVSE's, such as cs-1:2. code: what is typed by hand. address: what the QR code says."""

    id: str
    code: str
    address: str


def sheets(labels: Sequence[Label]) -> Iterator[str]:
    """As many SVG documents as it takes."""
    left = iter(labels)
    while part := list(islice(left, COLUMNS * ROWS)):
        drawn = "".join(_label(label, place) for place, label in enumerate(part))
        yield (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            '<svg xmlns="http://www.w3.org/2000/svg" width="210mm" height="297mm" viewBox="0 0 210 297"'
            f' font-family="sans-serif">\n{drawn}</svg>\n'
        )


def _label(label: Label, place: int) -> str:
    x, y = place % COLUMNS * _WIDTH_MM, place // COLUMNS * _HEIGHT_MM
    matrix = segno.make(label.address, error="m", micro=False).matrix
    module = _CODE_MM / (len(matrix) + 2 * _QUIET)
    path = "".join(
        f"M{column} {row}h1v1h-1z" for row, line in enumerate(matrix) for column, dark in enumerate(line) if dark
    )
    top = (_HEIGHT_MM - _CODE_MM) / 2
    quiet = _QUIET * module
    code = f"{label.code[:3]} {label.code[3:]}".strip()
    # A long id is pressed together rather than cut.
    fit = ' textLength="32" lengthAdjust="spacingAndGlyphs"' if len(label.id) > 14 else ""
    return (
        f'<g transform="translate({x:g} {y:g})">'
        f'<path transform="translate({2 + quiet:.4f} {top + quiet:.4f}) scale({module:.5f})" d="{path}"/>'
        f'<text x="34" y="17" font-size="8" font-weight="bold">{escape(code)}</text>'
        f'<text x="34" y="25" font-size="4"{fit}>{escape(label.id)}</text>'
        "</g>\n"
    )
