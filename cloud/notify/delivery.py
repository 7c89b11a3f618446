"""Empties the outbox: takes deliveries that are due, sends each by its channel, writes down what became of it.

A delivery is claimed before it is sent, by moving the time at which it is due beyond the end of the attempt; so several
workers never send one together. It is marked after it was sent. A process that is killed between the two leaves it
claimed: once the claim is over it is sent again. That is the only way in which anybody is told twice, and channels give
both the same name (Topic, Message-ID) where the other side can make use of it.

Nothing here holds up the books: sending runs on threads of its own, a few for each channel, so that a server that does
not answer holds up its own channel only.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import msgspec
import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import SQLAlchemyError

from cloud.csms import is_away
from cloud.domain.notices import pause_s
from cloud.notify import texts
from cloud.notify.port import Channel, Notice, PermanentError, Recipient, TemporaryError
from cloud.store.store import Store
from cloud.store.tables import deliveries, notices, preferences, sessions, users

log = structlog.get_logger(__name__)

#: How long an attempt is left alone before another worker may take it for dead. Channels give up long before.
LEASE = timedelta(seconds=120)
#: Attempts of one channel that run at once.
THREADS = 4
#: How often the outbox is looked at, s.
PERIOD_S = 0.5
#: How long to wait at the end for what is being sent, s.
PATIENCE_S = 2.0
WAITING, DELIVERED, FAILED = "waiting", "delivered", "failed"


@dataclass(frozen=True, slots=True)
class Claimed:
    """A delivery that is ours for LEASE."""

    no: int
    channel: str
    notice: Notice
    recipient: Recipient


class Delivery:
    """channels: by kind. now: the clock. draw: chance."""

    def __init__(
        self,
        store: Store,
        channels: Mapping[str, Channel],
        *,
        now: Callable[[], datetime],
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._store = store
        self._channels = channels
        self._now = now
        self._draw = draw
        self._failing: set[str] = set()

    def run(self, stopping: threading.Event) -> None:
        """Deliver until `stopping` is set. What is being sent then is waited for, for a moment."""
        running: dict[str, list[threading.Thread]] = {kind: [] for kind in self._channels}
        away = False
        while not stopping.wait(PERIOD_S):
            try:
                for kind in self.due():
                    running[kind] = [thread for thread in running[kind] if thread.is_alive()]
                    for claimed in self.claim(kind, THREADS - len(running[kind])):
                        # A daemon: a server that does not answer must not keep the process from ending.
                        thread = threading.Thread(target=self._try, args=(claimed,), name=f"notify-{kind}", daemon=True)
                        thread.start()
                        running[kind].append(thread)
                away = False
            except Exception as error:
                # It is tried again all the time, and said once.
                if not away:
                    log.error("notices wait", why=str(error), exc_info=not is_away(error))
                away = True
        end = time.monotonic() + PATIENCE_S
        for thread in (thread for threads in running.values() for thread in threads):
            thread.join(max(0.0, end - time.monotonic()))

    def due(self) -> list[str]:
        """The channels that have something to deliver. Asked often, and most times there is nothing."""
        now = self._now()
        query = select(deliveries.c.channel).where(deliveries.c.state == WAITING, deliveries.c.next_at <= now)
        with self._store.read() as connection:
            return [kind for kind in connection.scalars(query.distinct()) if kind in self._channels]

    def claim(self, channel: str, most: int) -> list[Claimed]:
        """Take at most so many deliveries of a channel that are due."""
        now = self._now()
        due = (
            select(deliveries.c.no)
            .where(deliveries.c.state == WAITING, deliveries.c.next_at <= now, deliveries.c.channel == channel)
            .order_by(deliveries.c.next_at, deliveries.c.no)
            .limit(most)
        )
        if most < 1:
            return []
        with self._store.write() as connection:
            taken = list(connection.scalars(due.with_for_update(skip_locked=True)))
            if not taken:
                return []
            connection.execute(
                update(deliveries)
                .where(deliveries.c.no.in_(taken))
                .values(next_at=now + LEASE, attempts=deliveries.c.attempts + 1)
            )
            query = (
                select(
                    deliveries.c.no,
                    deliveries.c.channel,
                    deliveries.c.target,
                    deliveries.c.attempts,
                    notices.c.id,
                    notices.c.user,
                    notices.c.kind,
                    notices.c.at,
                    notices.c.facts,
                    sessions.c.id.label("session_id"),
                    users.c.email,
                    preferences.c.language,
                )
                .join(notices, notices.c.no == deliveries.c.notice)
                .join(users, users.c.id == notices.c.user)
                .outerjoin(sessions, sessions.c.no == notices.c.session)
                .outerjoin(preferences, preferences.c.user == notices.c.user)
                .where(deliveries.c.no.in_(taken))
                .order_by(deliveries.c.no)
            )
            return [_claimed(row) for row in connection.execute(query)]

    def deliver(self, claimed: Claimed) -> None:
        """Send one, and write down what became of it."""
        try:
            self._channels[claimed.channel].send(claimed.notice, claimed.recipient)
        except PermanentError as error:
            self._mark(claimed, FAILED, str(error))
        except TemporaryError as error:
            self._retry(claimed, str(error), error.after_s)
        except Exception as error:
            log.exception("a channel failed", channel=claimed.channel)
            self._retry(claimed, f"{type(error).__name__}: {error}", None)
        else:
            self._mark(claimed, DELIVERED, "")
            if claimed.channel in self._failing:
                self._failing.discard(claimed.channel)
                log.info("notices are delivered again", channel=claimed.channel)

    def deliver_due(self) -> int:
        """Send all that is due, one after the other. Answers how many attempts that were."""
        count = 0
        for kind in self.due():
            while batch := self.claim(kind, THREADS):
                for claimed in batch:
                    self.deliver(claimed)
                    count += 1
        return count

    def _try(self, claimed: Claimed) -> None:
        try:
            self.deliver(claimed)
        except SQLAlchemyError as error:
            # It stays claimed, and is sent again when the claim is over.
            log.warning("what became of a notice could not be written down", why=str(error))

    def _retry(self, claimed: Claimed, why: str, after_s: float | None) -> None:
        pause = pause_s(claimed.notice.attempt, self._draw())
        if pause is None:
            self._mark(claimed, FAILED, why)
            return
        if claimed.channel not in self._failing:
            self._failing.add(claimed.channel)
            log.warning("notices are not delivered; they are tried again", channel=claimed.channel, why=why)
        self._mark(claimed, WAITING, why, self._now() + timedelta(seconds=max(pause, after_s or 0.0)))

    def _mark(self, claimed: Claimed, state: str, error: str, next_at: datetime | None = None) -> None:
        now = self._now()
        values: dict[str, Any] = {"state": state, "error": error[:300], "next_at": next_at or now}
        if state != WAITING:
            values["done_at"] = now
        # Whoever claimed it after us decides; unless it went out here, which nobody can undo.
        where = (deliveries.c.no == claimed.no) & (deliveries.c.state == WAITING)
        if state != DELIVERED:
            where &= deliveries.c.attempts == claimed.notice.attempt
        with self._store.write() as connection:
            connection.execute(update(deliveries).where(where).values(**values))


def _claimed(row: Any) -> Claimed:
    facts, language = msgspec.json.decode(row.facts), row.language or texts.LANGUAGES[0]
    notice = Notice(
        id=row.id,
        kind=row.kind,
        at=row.at,
        session=row.session_id or "",
        title=texts.title(row.kind, facts, language),
        text=texts.text(row.kind, facts, language),
        delivery=row.no,
        attempt=row.attempts,
    )
    return Claimed(row.no, row.channel, notice, Recipient(row.user, row.email, row.target))
