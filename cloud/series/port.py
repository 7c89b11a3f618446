"""What a time-series store is to the CSMS."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

from cloud.errors import CloudError


class SeriesError(CloudError, OSError):
    """The store cannot be used now. The same points may be written later."""


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at one EVSE at one moment. fields: see cloud.domain.measurands, e.g. {"power_w": 7350.0}."""

    station: str
    evse: int
    at: datetime
    fields: Mapping[str, float]


class Value(NamedTuple):
    """One value of one field, as it is read back."""

    at: datetime
    value: float


class SeriesStore(Protocol):
    def start(self) -> None:
        """Open."""

    def stop(self) -> None:
        """Close; what was written is safe."""

    def write(self, points: Sequence[Point]) -> None:
        """Keep these. When it returns they are safe. The same point twice is kept once; fields of one moment add up.

        Raises SeriesError, and has then kept none of them.
        """

    def read(self, station: str, evse: int, field: str, start: datetime, end: datetime) -> list[Value]:
        """Values with start <= time <= end, in the order of time."""

    def fields(self, station: str, evse: int, start: datetime, end: datetime) -> list[str]:
        """The fields that have a value in that time, by name."""

    def thin(self, before: datetime, step: timedelta) -> tuple[int, int]:
        """Make one point of all in each step of time before then: means, and of registers the first.

        It is at the step's start. Steps are counted from 1970; one that is not over by then stays. Doing it again
        changes nothing. Answers how many points there were in what was thinned, and how many there are now. Raises
        SeriesError.
        """

    def forget(self, before: datetime) -> int:
        """Remove what was measured before then. Answers how many points that were. Raises SeriesError."""
