"""One file per action that the CSMS sends; `HANDLERS` routes to them.

A handler is pure, like the machine that calls it: it takes the station, the call, the time and the list of actions, to
which it adds its reply, and answers the station as it is then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.station.handlers import (
    clear_cache,
    clear_charging_profile,
    get_charging_profiles,
    get_composite_schedule,
    get_local_list_version,
    request_start_transaction,
    request_stop_transaction,
    send_local_list,
    set_charging_profile,
)
from edge.station.ports import Action, CallReceived
from edge.station.state import Now, Station

Handler = Callable[[Station, CallReceived, Now, list[Action]], Station]

HANDLERS: Mapping[str, Handler] = {
    "ClearCache": clear_cache.handle,
    "ClearChargingProfile": clear_charging_profile.handle,
    "GetChargingProfiles": get_charging_profiles.handle,
    "GetCompositeSchedule": get_composite_schedule.handle,
    "GetLocalListVersion": get_local_list_version.handle,
    "RequestStartTransaction": request_start_transaction.handle,
    "RequestStopTransaction": request_stop_transaction.handle,
    "SendLocalList": send_local_list.handle,
    "SetChargingProfile": set_charging_profile.handle,
}
