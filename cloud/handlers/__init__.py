"""One file per action that a station sends; `HANDLERS` routes to them.

A handler takes the unit of work, the station's id and the typed request, writes through the unit, and answers the
response's payload in OCPP's JSON names. To refuse a request it raises ProtocolError before it has written anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from cloud.handlers import (
    authorize,
    boot_notification,
    heartbeat,
    meter_values,
    notify_event,
    status_notification,
    transaction_event,
)
from cloud.unit import Unit

Handler = Callable[[Unit, str, Any, bytes], Mapping[str, Any]]

HANDLERS: Mapping[str, Handler] = {
    "Authorize": authorize.handle,
    "BootNotification": boot_notification.handle,
    "Heartbeat": heartbeat.handle,
    "MeterValues": meter_values.handle,
    "NotifyEvent": notify_event.handle,
    "StatusNotification": status_notification.handle,
    "TransactionEvent": transaction_event.handle,
}
