"""THE table: for every version of OCPP, each action with the type of its request and response and who may send it.

    actions(Version.V201)["Authorize"]  ->  Action(name, sender, request, response)

To add a message of your own, add its name to one of the lists below and its schema to the versions' folder; a test
compares the lists with the schemas, so that none is forgotten.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Flag, StrEnum
from functools import cache
from types import MappingProxyType
from typing import Any

import msgspec

from protocol.envelope import Call
from protocol.errors import ProtocolError
from protocol.schema import compile_schema, documents


class Version(StrEnum):
    """The names are those of the WebSocket sub-protocols."""

    V16 = "ocpp1.6"
    V201 = "ocpp2.0.1"
    V21 = "ocpp2.1"


class Sender(Flag):
    STATION = 1
    CSMS = 2


_FOLDERS = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}

_STATION_16 = """
    Authorize BootNotification DiagnosticsStatusNotification FirmwareStatusNotification Heartbeat LogStatusNotification
    MeterValues SecurityEventNotification SignCertificate SignedFirmwareStatusNotification StartTransaction
    StatusNotification StopTransaction
"""
_CSMS_16 = """
    CancelReservation CertificateSigned ChangeAvailability ChangeConfiguration ClearCache ClearChargingProfile
    DeleteCertificate ExtendedTriggerMessage GetCompositeSchedule GetConfiguration GetDiagnostics
    GetInstalledCertificateIds GetLocalListVersion GetLog InstallCertificate RemoteStartTransaction
    RemoteStopTransaction ReserveNow Reset SendLocalList SetChargingProfile SignedUpdateFirmware TriggerMessage
    UnlockConnector UpdateFirmware
"""
_STATION_201 = """
    Authorize BootNotification ClearedChargingLimit FirmwareStatusNotification Get15118EVCertificate
    GetCertificateStatus Heartbeat LogStatusNotification MeterValues NotifyChargingLimit NotifyCustomerInformation
    NotifyDisplayMessages NotifyEVChargingNeeds NotifyEVChargingSchedule NotifyEvent NotifyMonitoringReport
    NotifyReport PublishFirmwareStatusNotification ReportChargingProfiles ReservationStatusUpdate
    SecurityEventNotification SignCertificate StatusNotification TransactionEvent
"""
_CSMS_201 = """
    CancelReservation CertificateSigned ChangeAvailability ClearCache ClearChargingProfile ClearDisplayMessage
    ClearVariableMonitoring CostUpdated CustomerInformation DeleteCertificate GetBaseReport GetChargingProfiles
    GetCompositeSchedule GetDisplayMessages GetInstalledCertificateIds GetLocalListVersion GetLog GetMonitoringReport
    GetReport GetTransactionStatus GetVariables InstallCertificate PublishFirmware RequestStartTransaction
    RequestStopTransaction ReserveNow Reset SendLocalList SetChargingProfile SetDisplayMessage SetMonitoringBase
    SetMonitoringLevel SetNetworkProfile SetVariableMonitoring SetVariables TriggerMessage UnlockConnector
    UnpublishFirmware UpdateFirmware
"""
_STATION_21 = f"""{_STATION_201}
    BatterySwap GetCertificateChainStatus NotifyDERAlarm NotifyDERStartStop NotifyPeriodicEventStream
    NotifyPriorityCharging NotifySettlement NotifyWebPaymentStarted OpenPeriodicEventStream ClosePeriodicEventStream
    PullDynamicScheduleUpdate ReportDERControl VatNumberValidation
"""
_CSMS_21 = f"""{_CSMS_201}
    AFRRSignal AdjustPeriodicEventStream ChangeTransactionTariff ClearDERControl ClearTariffs GetDERControl
    GetPeriodicEventStream GetTariffs NotifyAllowedEnergyTransfer RequestBatterySwap SetDERControl SetDefaultTariff
    UpdateDynamicSchedule UsePriorityCharging
"""
_EITHER = "DataTransfer"

_SENDERS: dict[Version, dict[Sender, str]] = {
    Version.V16: {Sender.STATION: _STATION_16, Sender.CSMS: _CSMS_16, Sender.STATION | Sender.CSMS: _EITHER},
    Version.V201: {Sender.STATION: _STATION_201, Sender.CSMS: _CSMS_201, Sender.STATION | Sender.CSMS: _EITHER},
    Version.V21: {Sender.STATION: _STATION_21, Sender.CSMS: _CSMS_21, Sender.STATION | Sender.CSMS: _EITHER},
}

#: msgspec says what is wrong in words; these are the beginnings of its sentences and the code that OCPP has for each.
_CODES = (
    ("Object missing required field", "OccurrenceConstraintViolation"),
    ("Object contains unknown field", "FormatViolation"),
    ("Invalid enum value", "PropertyConstraintViolation"),
    ("Invalid RFC3339", "PropertyConstraintViolation"),
    ("Expected `array` of length", "OccurrenceConstraintViolation"),
    ("Expected `str` of length", "PropertyConstraintViolation"),
    ("Expected `int` <=", "PropertyConstraintViolation"),
    ("Expected `int` >=", "PropertyConstraintViolation"),
    ("Expected `float` <=", "PropertyConstraintViolation"),
    ("Expected `float` >=", "PropertyConstraintViolation"),
    ("Expected", "TypeConstraintViolation"),
)


@dataclass(frozen=True, slots=True)
class Action:
    """One row of the table. response: None for the one-way messages of OCPP 2.1."""

    name: str
    sender: Sender
    request: type[msgspec.Struct]
    response: type[msgspec.Struct] | None
    # Of `sender`, as plain booleans: asked for every frame, and a Flag answers slowly.
    by_station: bool
    by_csms: bool
    decode_request: msgspec.json.Decoder[Any]
    decode_response: msgspec.json.Decoder[Any] | None


@cache
def actions(version: Version) -> Mapping[str, Action]:
    """The table of one version, compiled at its first use."""
    schemas = documents(_FOLDERS[version])
    rows = {}
    for sender, names in _SENDERS[version].items():
        for name in names.split():
            request = compile_schema(name, schemas.get(f"{name}Request") or schemas[name])
            answer = schemas.get(f"{name}Response")
            response = compile_schema(f"{name}Response", answer) if answer else None
            decoder = msgspec.json.Decoder(response) if response else None
            by_station, by_csms = Sender.STATION in sender, Sender.CSMS in sender
            read = msgspec.json.Decoder(request)
            rows[name] = Action(name, sender, request, response, by_station, by_csms, read, decoder)
    return MappingProxyType(rows)


def read_request(version: Version, call: Call, sender: Sender) -> Any:
    """The typed request inside a Call that `sender` sent.

    Raises ProtocolError: NotImplemented for an action that OCPP does not have, NotSupported for one that this side may
    not send, and the code that fits for a payload that its schema refuses.
    """
    action = actions(version).get(call.action)
    if action is None:
        raise ProtocolError("NotImplemented", f"no action {call.action[:60]!r}", message_id=call.message_id)
    if not (action.by_station if sender is Sender.STATION else action.by_csms):
        raise ProtocolError(
            "NotSupported", f"{call.action} is not sent by a {sender.name}".lower(), message_id=call.message_id
        )
    return _typed(action.decode_request, call.payload, call.message_id)


def read_response(version: Version, action: str, payload: msgspec.Raw, message_id: str) -> Any:
    """The typed response to an action. Raises ProtocolError when its schema refuses it."""
    decoder = actions(version)[action].decode_response
    if decoder is None:
        raise ProtocolError("RpcFrameworkError", f"{action} has no response", message_id=message_id)
    return _typed(decoder, payload, message_id)


def make_request(version: Version, action: str, payload: Mapping[str, Any]) -> Any:
    """The typed request for a payload of JSON names. Raises ProtocolError like `read_request`."""
    row = actions(version).get(action)
    if row is None:
        raise ProtocolError("NotImplemented", f"no action {action[:60]!r}")
    return _made(row.request, payload)


def make_response(version: Version, action: str, payload: Mapping[str, Any]) -> Any:
    """The typed response for a payload of JSON names. Raises ProtocolError like `read_response`."""
    response = actions(version)[action].response
    assert response is not None, f"{action} has no response"
    return _made(response, payload)


def _typed(decoder: msgspec.json.Decoder[Any], payload: msgspec.Raw, message_id: str) -> Any:
    try:
        return decoder.decode(payload)
    except msgspec.ValidationError as error:
        raise _refusal(error, message_id) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProtocolError("FormatViolation", str(error), message_id=message_id) from error


def _made(kind: type[msgspec.Struct], payload: Mapping[str, Any]) -> Any:
    try:
        return msgspec.convert(payload, kind)
    except msgspec.ValidationError as error:
        raise _refusal(error, "-1") from error


def _refusal(error: msgspec.ValidationError, message_id: str) -> ProtocolError:
    text = str(error)
    code = next((code for start, code in _CODES if text.startswith(start)), "FormatViolation")
    return ProtocolError(code, text, message_id=message_id)
