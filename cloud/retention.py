"""How long things are kept: samples become means when they are old, old rows of the audit trail go."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated

import msgspec
import structlog
from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError

from cloud.series.port import SeriesError, SeriesStore
from cloud.store.store import Store
from cloud.store.tables import audit

log = structlog.get_logger(__name__)

#: What old samples become: one for each EVSE in so much time.
STEP = timedelta(minutes=15)
#: How often a worker looks.
EVERY_S = 3_600.0

_Days = Annotated[int, msgspec.Meta(ge=0, le=36_500)]


class Retention(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """raw_days: samples are kept as they came for so many days, then as means of 15 minutes; 0 for as they came always.

    sample_days: after so many days those go, too; 0 for never. audit_days: so long the audit trail is kept; 0 for ever.
    """

    raw_days: _Days = 90
    sample_days: _Days = 0
    audit_days: _Days = 0


@dataclass(frozen=True, slots=True)
class Done:
    """How many samples there were in what was thinned, how many it became, and how many rows went for good."""

    thinned: int = 0
    means: int = 0
    samples: int = 0
    deeds: int = 0


def apply(store: Store, series: SeriesStore, settings: Retention, now: datetime) -> Done:
    """Do what is due. Doing it again changes nothing. Raises SeriesError."""
    thinned = means = samples = deeds = 0
    if settings.raw_days:
        thinned, means = series.thin(now - timedelta(days=settings.raw_days), STEP)
    if settings.sample_days:
        samples = series.forget(now - timedelta(days=settings.sample_days))
    if settings.audit_days:
        with store.write() as connection:
            old = delete(audit).where(audit.c.at < now - timedelta(days=settings.audit_days))
            deeds = connection.execute(old).rowcount
    return Done(thinned, means, samples, deeds)


class Keeper:
    """Does it again and again, on a thread of its own."""

    def __init__(self, store: Store, series: SeriesStore, settings: Retention, now: Callable[[], datetime]) -> None:
        self._store = store
        self._series = series
        self._settings = settings
        self._now = now
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="retention", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stopping.set()
        if self._thread is not None:
            self._thread.join(5)

    def _run(self) -> None:
        while not self._stopping.wait(EVERY_S):
            try:
                done = apply(self._store, self._series, self._settings, self._now())
            except (SeriesError, SQLAlchemyError) as error:
                log.warning("what is old could not be thinned; it is tried again", why=str(error))
                continue
            if done != Done():
                log.info("thinned", samples=done.thinned, means=done.means, removed=done.samples, audit_rows=done.deeds)
