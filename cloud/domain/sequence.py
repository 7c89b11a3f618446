"""Which sequence numbers of a transaction have come, in little room: the highest, and the ranges missing below it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

#: A transaction with more separate gaps than this is refused new ones: a station that lies cannot fill a row.
MAX_GAPS = 1_000


class Arrival(Enum):
    NEXT = "next"  # the one that was due
    AHEAD = "ahead"  # after a gap
    LATE = "late"  # fills a gap
    REPEATED = "repeated"  # has come before


@dataclass(frozen=True, slots=True)
class Sequence:
    """last: the highest seqNo that came, -1 before the first. missing: ranges [from, to], ends included, ascending."""

    last: int = -1
    missing: tuple[tuple[int, int], ...] = ()

    @property
    def complete(self) -> bool:
        """Nothing is missing below the highest."""
        return not self.missing

    def arrive(self, seq_no: int) -> tuple[Arrival, Sequence]:
        """What the coming of `seq_no` (0 or more) means, and the sequence then. Raises ValueError: too many gaps."""
        if seq_no == self.last + 1:
            return Arrival.NEXT, replace(self, last=seq_no)
        if seq_no > self.last:
            if len(self.missing) >= MAX_GAPS:
                raise _too_many_gaps()
            return Arrival.AHEAD, Sequence(seq_no, (*self.missing, (self.last + 1, seq_no - 1)))
        for index, (first, end) in enumerate(self.missing):
            if first <= seq_no <= end:
                rest = [part for part in ((first, seq_no - 1), (seq_no + 1, end)) if part[0] <= part[1]]
                if len(self.missing) - 1 + len(rest) > MAX_GAPS:
                    raise _too_many_gaps()
                return Arrival.LATE, replace(self, missing=(*self.missing[:index], *rest, *self.missing[index + 1 :]))
        return Arrival.REPEATED, self


def _too_many_gaps() -> ValueError:
    return ValueError(f"more than {MAX_GAPS} gaps in one transaction")
