"""TriggerMessage (OCPP 2.0.1, F06): the CSMS wants to hear something now that the station would say later."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from edge.station.changes import with_evse
from edge.station.jobs import firmware_status, log_status
from edge.station.ports import Action, CallReceived, Reply, Send
from edge.station.state import Evse, Now, Station
from edge.station.transaction import meter_value

_Trigger = Callable[[Station, Sequence[Evse], Any, Now, list[Action]], Station | None]


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    request = call.request
    trigger = _TRIGGERS.get(request.requested_message)
    evse = None if request.evse is msgspec.UNSET else station.evse(request.evse.id)
    if trigger is None:
        actions.append(Reply(call.message_id, call.action, {"status": "NotImplemented"}))
        return station
    if evse is None and request.evse is not msgspec.UNSET and request.evse.id != 0:
        info = {"reasonCode": "UnknownEvse"}
        actions.append(Reply(call.message_id, call.action, {"status": "Rejected", "statusInfo": info}))
        return station
    place = len(actions)
    told = trigger(station, station.evses if evse is None else (evse,), request, now, actions)
    # First the answer, then what was asked for (F06.FR.05).
    status = "Accepted" if told is not None else "Rejected"
    actions.insert(place, Reply(call.message_id, call.action, {"status": status}))
    return station if told is None else told


def _boot(station: Station, evses: Sequence[Evse], request: Any, now: Now, actions: list[Action]) -> Station | None:
    if station.booted:  # F06.FR.17
        return None
    return replace(station, boot_mono=now.mono, boot_triggered=True)


def _heartbeat(
    station: Station, evses: Sequence[Evse], request: Any, now: Now, actions: list[Action]
) -> Station | None:
    return replace(station, heartbeat_mono=now.mono) if station.booted else None


def _meter(station: Station, evses: Sequence[Evse], request: Any, now: Now, actions: list[Action]) -> Station | None:
    known = [(evse, evse.measured) for evse in evses if evse.measured is not None and not evse.faults]
    for evse, measured in known:
        value = meter_value(measured, evse.soc_pct, "Trigger")
        actions.append(Send("MeterValues", {"evseId": evse.number, "meterValue": [value]}))
    return station if known else None


def _status(station: Station, evses: Sequence[Evse], request: Any, now: Now, actions: list[Action]) -> Station | None:
    if request.evse is msgspec.UNSET or request.evse.connector_id is msgspec.UNSET:  # F06.FR.12
        return None
    evse, connector = station.evse(request.evse.id), request.evse.connector_id
    if evse is None or connector not in evse.connectors or not station.booted:
        return None
    reported = tuple(told for told in evse.reported if told[0] != connector)
    return with_evse(station, evse.number, reported=reported)


def _transaction(
    station: Station, evses: Sequence[Evse], request: Any, now: Now, actions: list[Action]
) -> Station | None:
    going_on = [evse.number for evse in evses if evse.transaction is not None and evse.ending is None]
    for number in going_on:
        station = with_evse(station, number, triggered=True)
    return station if going_on else None


def _log(station: Station, evses: Sequence[Evse], request: Any, now: Now, actions: list[Action]) -> Station | None:
    actions.append(Send("LogStatusNotification", log_status(station)))
    return station


def _firmware(station: Station, evses: Sequence[Evse], request: Any, now: Now, actions: list[Action]) -> Station | None:
    actions.append(Send("FirmwareStatusNotification", firmware_status(station)))
    return station


_TRIGGERS: Mapping[str, _Trigger] = {
    "BootNotification": _boot,
    "FirmwareStatusNotification": _firmware,
    "LogStatusNotification": _log,
    "Heartbeat": _heartbeat,
    "MeterValues": _meter,
    "StatusNotification": _status,
    "TransactionEvent": _transaction,
}
