"""Changes of facts that more than one event makes."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from edge.station.smart_charging import Profiles
from edge.station.state import Ending, Evse, Now, Station, Stop

#: How long a transaction that ends waits for a reading with the contactor open, s. A meter answers within half of one.
LAST_READING_S = 3.0


def get_evse(station: Station, number: int) -> Evse:
    evse = station.evse(number)
    assert evse is not None, f"no EVSE {number}"
    return evse


def with_evse(station: Station, number: int, **changes: Any) -> Station:
    """The station with some facts of one EVSE changed."""
    evses = tuple(replace(evse, **changes) if evse.number == number else evse for evse in station.evses)
    return replace(station, evses=evses)


def with_profiles(station: Station, profiles: Profiles) -> Station:
    """The station with these charging profiles."""
    return replace(station, kept=replace(station.kept, profiles=profiles))


def ending(stop: Stop, now: Now) -> Ending:
    """The end of a transaction: power is cut at once, and the meter read once more before Ended is sent."""
    return Ending(stop, now.mono, now.mono + LAST_READING_S)
