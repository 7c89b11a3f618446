"""What to drop when not everything can be kept: the least valuable first, and what costs money never.

First Updated events, every second one of each transaction, over and over: the energy is a difference of registers, so a
chart has fewer points and the bill stays the same. Then other notices, the oldest first. Started and Ended stay.

An event keeps its seqNo: to the CSMS a thinned transaction has gaps that are never filled, and OCPP knows them
(E01, E14): Ended and `messagesInQueue: false` tell that nothing more will come.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from typing import NamedTuple

import msgspec

#: Of a transaction that is thinned no more Updated events stay than this, for each may have a gap beside it: a CSMS
#: need not note any number of gaps.
MOST_LEFT = 500


class Worth(IntEnum):
    """The lowest goes first."""

    UPDATED = 0
    NOTICE = 1
    PRECIOUS = 2


class Weight(NamedTuple):
    """transaction_id: what a TransactionEvent belongs to; None for other calls."""

    worth: Worth
    transaction_id: str | None = None


class _Info(msgspec.Struct, rename="camel"):
    transaction_id: str


class _Event(msgspec.Struct, rename="camel"):
    event_type: str
    transaction_info: _Info


_event = msgspec.json.Decoder(_Event)


def weigh(action: str, payload: bytes) -> Weight:
    """What a call is worth. payload: its JSON."""
    if action != "TransactionEvent":
        return Weight(Worth.NOTICE)
    try:
        event = _event.decode(payload)
    except (msgspec.MsgspecError, UnicodeDecodeError, TypeError):
        return Weight(Worth.PRECIOUS)  # nobody can say
    worth = Worth.UPDATED if event.event_type == "Updated" else Worth.PRECIOUS
    return Weight(worth, event.transaction_info.transaction_id)


def surplus(calls: Mapping[int, Weight], limit: int) -> list[int]:
    """The keys of what to drop so that at most `limit` calls are left; fewer where the rest must stay. Oldest first."""
    over = len(calls) - limit
    if over <= 0:
        return []
    updated: dict[str | None, list[int]] = {}
    for key, weight in calls.items():
        if weight.worth == Worth.UPDATED:
            updated.setdefault(weight.transaction_id, []).append(key)
    dropped: list[int] = []
    while len(dropped) < over and any(len(keys) > 1 for keys in updated.values()):
        for transaction_id, keys in updated.items():
            updated[transaction_id] = _thin(keys, dropped)
    rest = sorted(key for keys in updated.values() for key in keys)
    notices = [key for key, weight in calls.items() if weight.worth == Worth.NOTICE]
    return sorted(dropped + (rest + notices)[: max(0, over - len(dropped))])


def _thin(keys: list[int], dropped: list[int]) -> list[int]:
    """Every second one, and again while there are too many."""
    while True:
        dropped += keys[1::2]
        keys = keys[::2]
        if len(keys) <= MOST_LEFT:
            return keys
