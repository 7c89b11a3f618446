"""What people are told of, and when: the state of charge crossed a threshold, a session is over, a fault during one.

Whether a threshold was crossed is asked of what is known of the whole session, not of one sample and the one before it.
So the answer is the same in whatever order the samples come, and however often; once it is yes it stays yes. That a
notice is made only once is then a matter of its key (`cloud.store.notices`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

#: The state of charge has come to the driver's threshold.
SOC = "soc_threshold"
ENDED = "session_ended"
FAULT = "fault"
KINDS = (SOC, ENDED, FAULT)

#: How long to wait after each attempt that failed, s: about a day in all. After the last one there is none.
PAUSES_S = (10, 60, 240, 900, 3_600, 7_200, 14_400, 28_800, 28_800)


@dataclass(frozen=True, slots=True)
class Charge:
    """The states of charge of a session, %. first: the first one that is known. peak: the highest.

    certain: nothing earlier than `first` may still become known.
    """

    first_pct: float
    peak_pct: float
    certain: bool = True

    def crossed(self, threshold_pct: float) -> bool:
        """Whether it came to the threshold from below. One that began there or above never does."""
        return self.certain and self.first_pct < threshold_pct <= self.peak_pct


def charge(
    first_pct: float | None,
    first_no: int | None,
    peak_pct: float | None,
    missing: Sequence[tuple[int, int]],
    lost: int,
) -> Charge | None:
    """The measured Charge of a session; None where nothing was measured.

    first_no: seqNo of the event that told `first_pct`. missing: ranges of seqNos that have not come. lost: the seqNo up
    to which what is missing will never come.
    """
    if first_pct is None or first_no is None or peak_pct is None:
        return None
    certain = not any(lost < first < first_no for first, _ in missing)
    return Charge(first_pct, peak_pct, certain)


def estimated(typed_pct: float | None, now_pct: float | None) -> Charge | None:
    """The Charge of a session whose driver typed how full the battery was; it never falls while it charges."""
    return None if typed_pct is None or now_pct is None else Charge(typed_pct, max(typed_pct, now_pct))


def pause_s(attempts: int, draw: float) -> float | None:
    """Seconds until the next attempt, after so many that failed; None when that was the last.

    draw: chance, from 0 to 1. Up to a fifth is added by it, so that what failed together is not tried together.
    """
    if attempts > len(PAUSES_S):
        return None
    return PAUSES_S[attempts - 1] * (1 + 0.2 * draw)
