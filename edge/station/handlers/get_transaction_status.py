"""GetTransactionStatus (OCPP 2.0.1, E14): the CSMS asks whether a transaction goes on, and whether its events wait.

Without a transactionId it asks only whether events of any transaction wait, and is told no ongoingIndicator.
"""

from __future__ import annotations

import msgspec

from edge.station.ports import Action, CallReceived, TellQueue
from edge.station.state import Now, Station


def handle(station: Station, call: CallReceived, now: Now, actions: list[Action]) -> Station:
    asked = call.request.transaction_id
    if asked is msgspec.UNSET:
        actions.append(TellQueue(call.message_id, call.action, None, None))
        return station
    ongoing = any(evse.transaction is not None and evse.transaction.id == asked for evse in station.evses)
    actions.append(TellQueue(call.message_id, call.action, asked, ongoing))
    return station
