"""One file per action that the CSMS sends; `HANDLERS` routes to them.

A handler is pure, like the machine that calls it: it takes the station, the call, the time and the list of actions, to
which it adds its reply, and answers the station as it is then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from edge.station.handlers import (
    cancel_reservation,
    change_availability,
    clear_cache,
    clear_charging_profile,
    data_transfer,
    get_base_report,
    get_charging_profiles,
    get_composite_schedule,
    get_local_list_version,
    get_log,
    get_report,
    get_transaction_status,
    get_variables,
    request_start_transaction,
    request_stop_transaction,
    reserve_now,
    reset,
    send_local_list,
    set_charging_profile,
    set_variables,
    trigger_message,
    unlock_connector,
    update_firmware,
)
from edge.station.ports import Action, CallReceived
from edge.station.state import Now, Station

Handler = Callable[[Station, CallReceived, Now, list[Action]], Station]

HANDLERS: Mapping[str, Handler] = {
    "CancelReservation": cancel_reservation.handle,
    "ChangeAvailability": change_availability.handle,
    "ClearCache": clear_cache.handle,
    "ClearChargingProfile": clear_charging_profile.handle,
    "DataTransfer": data_transfer.handle,
    "GetBaseReport": get_base_report.handle,
    "GetChargingProfiles": get_charging_profiles.handle,
    "GetCompositeSchedule": get_composite_schedule.handle,
    "GetLocalListVersion": get_local_list_version.handle,
    "GetLog": get_log.handle,
    "GetTransactionStatus": get_transaction_status.handle,
    "GetReport": get_report.handle,
    "GetVariables": get_variables.handle,
    "RequestStartTransaction": request_start_transaction.handle,
    "RequestStopTransaction": request_stop_transaction.handle,
    "ReserveNow": reserve_now.handle,
    "Reset": reset.handle,
    "SendLocalList": send_local_list.handle,
    "SetChargingProfile": set_charging_profile.handle,
    "SetVariables": set_variables.handle,
    "TriggerMessage": trigger_message.handle,
    "UnlockConnector": unlock_connector.handle,
    "UpdateFirmware": update_firmware.handle,
}
