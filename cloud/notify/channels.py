"""Makes the channels that there are: the entry points of the group `colonnina.notify`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import entry_points

from cloud.notify.port import Channel, Setup

#: Channels that everybody has: nobody needs to choose them.
ALWAYS = ("in_app",)


def make_channels(setup: Setup) -> Mapping[str, Channel]:
    """All channels by kind, in the order of their names."""
    points = sorted(entry_points(group="colonnina.notify"), key=lambda point: point.name)
    return {point.name: point.load()(setup) for point in points}
