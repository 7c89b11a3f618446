"""The three words for people - available, occupied, inoperative - and the reason behind them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

AVAILABLE = "available"
OCCUPIED = "occupied"
INOPERATIVE = "inoperative"

#: A station is taken for offline when nothing came for this many heartbeat intervals: its last will may be lost.
SILENT_INTERVALS = 3


@dataclass(frozen=True, slots=True)
class EvseStatus:
    """status: one of the three words. detail: the OCPP word, and why where one is known."""

    status: str
    detail: str


def is_online(link_up: bool, seen_at: datetime | None, heartbeat_s: int, now: datetime) -> bool:
    """Whether the station can be reached, by its link and by when it was last heard."""
    return link_up and seen_at is not None and now - seen_at <= timedelta(seconds=SILENT_INTERVALS * heartbeat_s)


def evse_status(online: bool, connectors: Sequence[str], *, session_open: bool = False, reason: str = "") -> EvseStatus:
    """The status of an EVSE. connectors: OCPP's ConnectorStatus of each, where one is known.

    session_open: a session has been asked for or is running: nobody else can have the EVSE, plugged or not.

    A station whose link is down is inoperative whatever it said last (integrity rule 7).
    """
    if not online:
        return EvseStatus(INOPERATIVE, "Offline")
    known = [word for word in connectors if word]
    for word, status in (("Faulted", INOPERATIVE), ("Occupied", OCCUPIED), ("Reserved", OCCUPIED)):
        if word in known:
            return EvseStatus(status, f"{word}: {reason}" if reason else word)
    if "Available" in known and session_open:
        return EvseStatus(OCCUPIED, "Preparing: waiting for the plug")
    if "Available" in known:
        return EvseStatus(AVAILABLE, "Available")
    if known:
        return EvseStatus(INOPERATIVE, f"Unavailable: {reason}" if reason else "Unavailable")
    return EvseStatus(INOPERATIVE, "Unknown: no status yet")
