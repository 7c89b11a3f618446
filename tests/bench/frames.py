"""Frames like those that a station sends while it charges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from protocol.envelope import Call, encode

START = datetime(2026, 1, 1, tzinfo=UTC)


def transaction_event(transaction: str, seq_no: int) -> dict[str, Any]:
    """An event of a transaction: Started for seq_no 0, else Updated; a sample of energy, power, current and voltage."""
    at = (START + timedelta(seconds=10 * seq_no)).isoformat()
    values = {
        "Energy.Active.Import.Register": (1_000.0 + 20 * seq_no, "Wh"),
        "Power.Active.Import": (7_360.0, "W"),
        "Current.Import": (32.0, "A"),
        "Voltage": (230.0, "V"),
    }
    sampled = [
        {"measurand": name, "value": value, "unitOfMeasure": {"unit": unit}} for name, (value, unit) in values.items()
    ]
    event: dict[str, Any] = {
        "eventType": "Updated" if seq_no else "Started",
        "timestamp": at,
        "triggerReason": "MeterValuePeriodic" if seq_no else "Authorized",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": transaction, "chargingState": "Charging"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": sampled}],
    }
    return event


def frame(transaction: str, seq_no: int) -> bytes:
    return encode(Call(f"{transaction}-{seq_no}", "TransactionEvent", transaction_event(transaction, seq_no)))
