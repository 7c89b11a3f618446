"""TransactionEvent payloads (OCPP 2.0.1 part 2, E): from the machine's values to OCPP's JSON names."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from edge.station.ports import Save, Send
from edge.station.state import Authorization, Evse, Measured, Station, Transaction


def open_transaction(
    station: Station, evse: Evse, authorization: Authorization, connector: int, at: datetime
) -> Transaction:
    """A new transaction. Its id is unique: the seed is new at every start, the count within it."""
    return Transaction(
        id=f"{station.seed}-{station.transactions}",
        id_token=authorization.id_token,
        connector=connector,
        started_at=at,
        remote_start_id=authorization.remote_start_id,
        group_id=authorization.group_id,
        start_wh=0 if evse.measured is None else evse.measured.reading.energy_wh,
    )


def report(
    evse: Evse,
    kind: str,
    trigger: str,
    at: datetime,
    *,
    online: bool,
    stopped_reason: str | None = None,
    measured: Measured | None = None,
    reservation_id: int | None = None,
) -> tuple[Evse, Send, Save]:
    """The next event of the EVSE's transaction. kind: Started, Updated or Ended.

    measured: a reading to send along. reservation_id: the one that was used. Answers the EVSE with its transaction
    advanced (None after Ended), the call, and what the journal must hold once the call is in the outbox.
    """
    transaction = evse.transaction
    assert transaction is not None, "no transaction to report on"
    info: dict[str, Any] = {"transactionId": transaction.id, "chargingState": transaction.charging_state}
    if stopped_reason is not None:
        info["stoppedReason"] = stopped_reason
    if transaction.remote_start_id is not None:
        info["remoteStartId"] = transaction.remote_start_id
    payload: dict[str, Any] = {
        "eventType": kind,
        "timestamp": at,
        "triggerReason": trigger,
        "seqNo": transaction.seq_no,
        "transactionInfo": info,
        "evse": {"id": evse.number, "connectorId": transaction.connector},
    }
    if reservation_id is not None:
        payload["reservationId"] = reservation_id
    if not online:
        payload["offline"] = True
    presented = transaction.stop.id_token if kind == "Ended" and transaction.stop is not None else None
    if kind == "Started" or trigger == "StopAuthorized":
        token = presented or transaction.id_token
        payload["idToken"] = {"idToken": token.id_token, "type": token.type}
    if measured is not None:
        payload["meterValue"] = [meter_value(measured, evse.soc_pct, _CONTEXT.get(trigger, _CONTEXT[kind]))]
    advanced = None if kind == "Ended" else msgspec.structs.replace(transaction, seq_no=transaction.seq_no + 1)
    send = Send("TransactionEvent", payload, durable=True)
    return msgspec.structs.replace(evse, transaction=advanced), send, Save(evse.number, advanced)


#: ReadingContextEnumType by the kind of event, or by what made us tell it.
_CONTEXT = {
    "Started": "Transaction.Begin",
    "Updated": "Sample.Periodic",
    "Ended": "Transaction.End",
    "Trigger": "Trigger",
}


def meter_value(measured: Measured, soc_pct: float | None, context: str) -> dict[str, Any]:
    """OCPP's MeterValueType for a reading. context: ReadingContextEnumType."""
    reading = measured.reading
    samples = [
        ("Energy.Active.Import.Register", float(reading.energy_wh), "Wh"),
        ("Power.Active.Import", round(reading.power_w, 1), "W"),
        ("Current.Import", round(reading.current_a, 2), "A"),
        ("Voltage", round(reading.voltage_v, 1), "V"),
    ]
    sampled = [
        {"measurand": measurand, "value": value, "unitOfMeasure": {"unit": unit}, "context": context}
        for measurand, value, unit in samples
    ]
    if soc_pct is not None:
        unit = {"unit": "Percent"}
        sampled.append(
            {
                "measurand": "SoC",
                "value": round(soc_pct, 1),
                "unitOfMeasure": unit,
                "context": context,
                "location": "EV",
            }
        )
    return {"timestamp": measured.utc, "sampledValue": sampled}
