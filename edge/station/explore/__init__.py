"""The machine, walked through: every state of a connector, what may happen in it, and what becomes of it then.

`python -m edge.station.explore` prints docs/reference/station-states.md, so that the page and the code cannot differ.
`world.py` is a station with one connector, and its vehicle; `stimuli.py` what may happen to it; `walk.py` tries all of
that breadth-first; `document.py` writes down what was seen.
"""

from edge.station.explore.document import markdown

__all__ = ["markdown"]
