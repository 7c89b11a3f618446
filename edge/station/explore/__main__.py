"""Prints docs/reference/station-states.md."""

from __future__ import annotations

from edge.station.explore.document import markdown

print(markdown(), end="")
