"""What is dropped when not everything can be kept (integrity rule 4)."""

from __future__ import annotations

from itertools import pairwise

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from cloud.domain.sequence import MAX_GAPS, Arrival, Sequence
from edge.station.worth import MOST_LEFT, Weight, Worth, surplus, weigh
from tests.support.csms_world import event

UPDATED, NOTICE, PRECIOUS = Weight(Worth.UPDATED, "tx-1"), Weight(Worth.NOTICE), Weight(Worth.PRECIOUS, "tx-1")


def left(calls: dict[int, Weight], limit: int) -> list[int]:
    dropped = set(surplus(calls, limit))
    return [key for key in calls if key not in dropped]


def queue(*weights: Weight) -> dict[int, Weight]:
    return dict(enumerate(weights))


def test_what_a_call_is_worth() -> None:
    assert [
        weigh("TransactionEvent", msgspec.json.encode(event(kind, 1))) for kind in ("Started", "Updated", "Ended")
    ] == [PRECIOUS, UPDATED, PRECIOUS]
    assert weigh("NotifyEvent", b"{}") == NOTICE
    assert weigh("TransactionEvent", b"{") == Weight(Worth.PRECIOUS)


def test_while_there_is_room_nothing_goes() -> None:
    assert surplus(queue(UPDATED, UPDATED), 2) == []


def test_every_second_updated_goes_of_each_transaction() -> None:
    other = Weight(Worth.UPDATED, "tx-2")
    calls = queue(PRECIOUS, UPDATED, other, UPDATED, other, UPDATED, other, UPDATED, other, PRECIOUS)
    assert left(calls, 9) == [0, 1, 2, 5, 6, 9]
    assert left(calls, 5) == [0, 1, 2, 9]


def test_then_the_last_updated_then_notices_oldest_first_and_never_the_rest() -> None:
    calls = queue(PRECIOUS, NOTICE, UPDATED, NOTICE, Weight(Worth.UPDATED, "tx-2"), PRECIOUS)
    assert left(calls, 5) == [0, 1, 3, 4, 5]
    assert left(calls, 4) == [0, 1, 3, 5]
    assert left(calls, 3) == [0, 3, 5]
    assert left(calls, 0) == [0, 5]


weights = st.one_of(
    st.just(NOTICE),
    st.builds(Weight, st.sampled_from([Worth.UPDATED, Worth.PRECIOUS]), st.sampled_from(["tx-1", "tx-2", "tx-3"])),
)


@given(st.lists(weights, max_size=60), st.integers(0, 60))
def test_no_more_stay_than_may_but_what_is_precious(calls: list[Weight], limit: int) -> None:
    keys = left(queue(*calls), limit)
    precious = [number for number, weight in enumerate(calls) if weight.worth == Worth.PRECIOUS]
    assert set(precious) <= set(keys)
    assert len(keys) <= max(limit, len(precious))
    if any(weight.worth == Worth.UPDATED for weight in (calls[key] for key in keys)):
        assert [key for key in keys if calls[key].worth == Worth.NOTICE] == [
            key for key, weight in enumerate(calls) if weight.worth == Worth.NOTICE
        ]


def test_a_long_transaction_is_thinned_evenly_and_the_csms_can_still_book_it() -> None:
    calls = queue(PRECIOUS, *[UPDATED] * 19_999, PRECIOUS)
    keys = left(calls, 20_000)
    assert 2 < len(keys) <= MOST_LEFT + 2
    assert len({second - first for first, second in pairwise(keys[1:-1])}) == 1
    sequence, gaps = Sequence(), 0
    for seq_no in keys:
        arrival, sequence = sequence.arrive(seq_no)
        gaps += arrival is Arrival.AHEAD
    assert gaps <= MOST_LEFT < MAX_GAPS
