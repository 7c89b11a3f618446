"""Prints docs/reference/variables.md."""

from __future__ import annotations

from edge.station.device_model.document import markdown

print(markdown(), end="")
