"""Smart charging (OCPP 2.0.1 part 2, K): charging profiles, and the limit that follows from them. Pure.

`profile.py` says what a profile is, `rules.py` which one is refused, `schedule.py` what one says at a moment,
`limits.py` what all of them say together, and `profiles.py` keeps them. Times are aware and passed in; they count in
whole seconds, as OCPP's startPeriod does. Limits in A are per phase (K01.FR.51).
"""

from __future__ import annotations

from edge.station.smart_charging.limits import Limit
from edge.station.smart_charging.profile import Installed, Period, Profile, Schedule, profile_from, to_ocpp
from edge.station.smart_charging.profiles import Criteria, Profiles
from edge.station.smart_charging.rules import Reason

__all__ = [
    "Criteria",
    "Installed",
    "Limit",
    "Period",
    "Profile",
    "Profiles",
    "Reason",
    "Schedule",
    "profile_from",
    "to_ocpp",
]
