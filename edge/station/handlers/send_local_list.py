"""SendLocalList (OCPP 2.0.1, D01): the CSMS says who is to be let in though it cannot be asked."""

from __future__ import annotations

import msgspec

from edge.station.device_model import RECORDS_PER_MESSAGE, within_limit
from edge.station.ports import Action, CallReceived
from edge.station.state import Now, Station
from edge.station.token_orders import UpdateLocalList
from edge.station.tokens import ListEntry, ListUpdate, read_info


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request = call.request
    listed = [] if request.local_authorization_list is msgspec.UNSET else request.local_authorization_list
    if not within_limit(call, len(listed), RECORDS_PER_MESSAGE, actions):
        return station
    entries = tuple(
        ListEntry(
            entry.id_token.id_token,
            entry.id_token.type,
            None if entry.id_token_info is msgspec.UNSET else read_info(entry.id_token_info),
        )
        for entry in listed
    )
    update = ListUpdate(request.version_number, request.update_type == "Full", entries)
    actions.append(UpdateLocalList(call.message_id, call.action, update))
    return station
