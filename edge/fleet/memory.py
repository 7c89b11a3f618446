"""An outbox and a token memory that keep what they are given for as long as the process lives."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from msgspec.structs import replace

from edge.authorization import CACHE_CAPACITY, LIST_CAPACITY
from edge.station.authorization import ACCEPTED, judge
from edge.station.kept import Kept
from edge.station.ports import Item, Restored, Save, Send
from edge.station.state import Transaction
from edge.station.tokens import Cached, Known, ListUpdate, ListVerdict, TokenInfo
from edge.station.worth import weigh


class MemoryOutbox:
    """An outbox in memory. dead_letters: (payload, code, description) of what was buried."""

    def __init__(self) -> None:
        self._calls: dict[int, Item] = {}
        self._last_key = 0
        self._journal: dict[int, Transaction] = {}
        self._kept = Kept()
        self.dead_letters: list[tuple[bytes, str, str]] = []

    def commit(self, sends: Sequence[Send], saves: Sequence[Save], kept: Kept | None = None) -> None:
        # What cannot be encoded must not leave half of the rest behind.
        payloads = [msgspec.json.encode(send.payload) for send in sends]
        for send, payload in zip(sends, payloads, strict=True):
            self._last_key += 1
            self._calls[self._last_key] = Item(self._last_key, send.action, payload, 0)
        for save in saves:
            if save.transaction is None:
                self._journal.pop(save.evse, None)
            else:
                self._journal[save.evse] = save.transaction
        if kept is not None:
            self._kept = kept

    def head(self) -> Item | None:
        return next(iter(self._calls.values()), None)

    def holds(self, transaction_id: str | None) -> bool:
        owners = {weigh(item.action, item.payload).transaction_id for item in self._calls.values()} - {None}
        return bool(owners) if transaction_id is None else transaction_id in owners

    def flush(self) -> None:
        """Everything is where it will ever be."""

    def done(self, key: int) -> None:
        self._calls.pop(key, None)

    def failed(self, key: int) -> int:
        item = self._calls.get(key)
        if item is None:
            return 1
        self._calls[key] = replace(item, attempts=item.attempts + 1)
        return item.attempts + 1

    def bury(self, key: int, code: str, description: str) -> None:
        item = self._calls.pop(key, None)
        if item is not None:
            self.dead_letters.append((item.payload, code, description))

    def restore(self) -> Restored:
        return Restored(self._kept, tuple(sorted(self._journal.items())))

    def count(self) -> int:
        """Calls that wait."""
        return len(self._calls)


class MemoryTokens:
    """A token memory in memory. The capacities are those of `SqliteTokenMemory`."""

    def __init__(self, *, cache_capacity: int = CACHE_CAPACITY, list_capacity: int = LIST_CAPACITY) -> None:
        self._cache_capacity = cache_capacity
        self._list_capacity = list_capacity
        self._version = 0
        self._listed: dict[tuple[str, str], TokenInfo] = {}
        self._cached: dict[tuple[str, str], Cached] = {}  # the one used last comes last

    @property
    def list_version(self) -> int:
        return self._version

    @property
    def list_entries(self) -> int:
        return len(self._listed)

    def lookup(self, id_token: str, type: str) -> Known:
        key = _key(id_token, type)
        cached = self._cached.pop(key, None)
        if cached is not None:
            self._cached[key] = cached
        return Known(self._listed.get(key), cached)

    def remember(self, id_token: str, type: str, info: TokenInfo, now: datetime) -> None:
        key = _key(id_token, type)
        self._cached.pop(key, None)
        if info.until is not None and info.until <= now:
            return
        self._cached[key] = Cached(info, now)
        if len(self._cached) > self._cache_capacity:
            strangers = (key for key, cached in self._cached.items() if cached.info.status != ACCEPTED)
            del self._cached[next(strangers, next(iter(self._cached)))]

    def update_list(self, update: ListUpdate) -> ListVerdict:
        verdict = judge(update, self._version)
        if verdict.status != ACCEPTED:
            return verdict
        listed = {} if update.full else dict(self._listed)
        for entry in update.entries:
            if entry.info is None:
                listed.pop(_key(entry.id_token, entry.type), None)
            else:
                listed[_key(entry.id_token, entry.type)] = entry.info
        if len(listed) > self._list_capacity:
            return ListVerdict("Failed", "TooManyElements")
        self._listed, self._version = listed, update.version
        return verdict

    def forget_all(self) -> bool:
        self._cached.clear()
        return True


def _key(id_token: str, type: str) -> tuple[str, str]:
    return type, id_token.casefold()
