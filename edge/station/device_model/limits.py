"""How much fits into one message (ItemsPerMessage and BytesPerMessage): it follows from the largest frame."""

from __future__ import annotations

from edge.station.ports import Action, CallReceived, Refuse
from protocol.envelope import MAX_FRAME_BYTES

#: A frame beyond this is refused with FormatViolation before anybody reads it (B06.FR.17, B08.FR.18).
BYTES_PER_MESSAGE = MAX_FRAME_BYTES
#: What one variable takes in an answer, bytes, at most: its four names have 50 characters of up to 6 bytes each.
ITEM_BYTES = 2_000
ITEMS_PER_MESSAGE = MAX_FRAME_BYTES // ITEM_BYTES
#: What one token of a list takes in SendLocalList, bytes: identifier and group of 36 characters, an end of validity.
RECORD_BYTES = 256
RECORDS_PER_MESSAGE = MAX_FRAME_BYTES // RECORD_BYTES


def within_limit(call: CallReceived, items: int, limit: int, actions: list[Action]) -> bool:
    """Whether a call brings no more items than it may; if it does, it is refused (B06.FR.16, B08.FR.17)."""
    if items <= limit:
        return True
    text = f"{items} items; {call.action} may have {limit} (ItemsPerMessage)"
    actions.append(Refuse(call.message_id, "OccurrenceConstraintViolation", text))
    return False
