"""The page on the states of a connector is what the machine does, not what somebody once thought it did."""

from __future__ import annotations

from pathlib import Path

from edge.station.explore.document import markdown
from edge.station.states import State

PAGE = Path(__file__).parents[2] / "docs/reference/station-states.md"


def test_the_page_says_what_the_machine_does_now() -> None:
    assert PAGE.read_text("utf-8") == markdown(), "stale: make docs"


def test_every_state_is_reached() -> None:
    page = markdown()
    assert [state.value for state in State if f"### {state.value}\n" not in page] == []
