"""Which sequence numbers have come: exact, in any order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.domain.sequence import MAX_GAPS, Arrival, Sequence


def arrive(numbers: list[int]) -> tuple[Sequence, list[Arrival]]:
    sequence, arrivals = Sequence(), []
    for number in numbers:
        arrival, sequence = sequence.arrive(number)
        arrivals.append(arrival)
    return sequence, arrivals


@given(st.integers(1, 40).flatmap(lambda n: st.tuples(st.just(n), st.permutations([*range(n), *range(0, n, 3)]))))
def test_any_permutation_with_repeats_ends_complete(case: tuple[int, list[int]]) -> None:
    length, numbers = case
    sequence, arrivals = arrive(numbers)
    assert (sequence, sequence.complete) == (Sequence(length - 1), True)
    assert arrivals.count(Arrival.REPEATED) == len(numbers) - length


@given(st.lists(st.integers(0, 60), min_size=1))
def test_the_gaps_are_exactly_what_has_not_come(numbers: list[int]) -> None:
    sequence, arrivals = arrive(numbers)
    missing = [number for first, end in sequence.missing for number in range(first, end + 1)]
    assert missing == sorted(set(range(max(numbers))) - set(numbers))
    assert all(
        end + 1 < following for (_, end), (following, _) in zip(sequence.missing, sequence.missing[1:], strict=False)
    )
    assert [arrival is Arrival.REPEATED for arrival in arrivals] == [
        number in numbers[:place] for place, number in enumerate(numbers)
    ]


def test_an_arrival_says_what_it_was() -> None:
    assert arrive([0, 1, 4, 2, 2, 3])[1] == [
        Arrival.NEXT,
        Arrival.NEXT,
        Arrival.AHEAD,
        Arrival.LATE,
        Arrival.REPEATED,
        Arrival.LATE,
    ]


def test_gaps_are_bounded_and_filling_one_makes_room() -> None:
    sequence, _ = arrive(list(range(0, 2 * MAX_GAPS + 1, 2)))
    assert len(sequence.missing) == MAX_GAPS
    with pytest.raises(ValueError, match="more than 1000 gaps"):
        sequence.arrive(5 * MAX_GAPS)
    assert sequence.arrive(sequence.last + 1)[0] is Arrival.NEXT
    _, sequence = sequence.arrive(1)
    assert sequence.arrive(5 * MAX_GAPS)[0] is Arrival.AHEAD


def test_a_great_gap_cannot_be_split_without_end() -> None:
    sequence, _ = arrive([2**31 - 1, *range(1, 2 * MAX_GAPS - 1, 2)])
    assert len(sequence.missing) == MAX_GAPS
    with pytest.raises(ValueError, match="more than 1000 gaps"):
        sequence.arrive(10**6)
