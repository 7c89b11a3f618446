"""When a driver is told that the battery is at the threshold: once, truly, in whatever order the samples come."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud.domain.notices import PAUSES_S, Charge, charge, pause_s
from cloud.domain.sequence import Sequence
from cloud.domain.sessions import Fact, fold_all
from cloud.notify.texts import LANGUAGES, text, title

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def fact(number: int, *socs: float) -> Fact:
    return Fact(number, "Started" if number == 0 else "Updated", NOON + timedelta(seconds=number), socs=socs)


def crossed(facts: list[Fact], threshold: float, lost: int = -1) -> bool:
    """What is known when these have come, in this order."""
    sequence = Sequence()
    for one in facts:
        _, sequence = sequence.arrive(one.seq_no)
    session = fold_all(facts)
    known = charge(session.soc_first_pct, session.soc_first_no, session.soc_peak_pct, sequence.missing, lost)
    return known is not None and known.crossed(threshold)


def test_it_is_crossed_from_below_also_when_a_sample_is_at_the_threshold_exactly() -> None:
    assert crossed([fact(0, 70), fact(1, 79)], 80) is False
    assert crossed([fact(0, 70), fact(1, 80)], 80) is True
    assert crossed([fact(0, 70), fact(1, 90)], 80) is True


@pytest.mark.parametrize("first", [80.0, 81.0, 100.0])
def test_a_session_that_starts_at_the_threshold_or_above_crosses_nothing(first: float) -> None:
    assert crossed([fact(0, first), fact(1, 79), fact(2, 85)], 80) is False


def test_without_a_sample_nothing_is_crossed() -> None:
    assert crossed([fact(0), fact(1)], 1) is False


def test_all_samples_of_one_event_count() -> None:
    assert crossed([fact(0, 70, 85, 79)], 80) is True
    assert crossed([fact(0, 85, 70)], 80) is False


def test_while_earlier_events_may_still_come_nothing_is_told_and_when_they_are_lost_it_is() -> None:
    late = [fact(3, 70), fact(4, 85)]
    assert crossed(late, 80) is False
    assert crossed(late, 80, lost=4) is True
    assert crossed([*late, fact(0, 90)], 80) is False
    assert crossed([*late, fact(0, 60)], 80) is True, "events 1 and 2 cannot change what was first"


SERIES = st.lists(st.lists(st.integers(0, 100), max_size=3), min_size=1, max_size=8)


@given(series=SERIES, threshold=st.integers(1, 100), data=st.data())
def test_in_any_order_and_however_often_it_is_told_once_and_only_when_it_is_true(
    series: list[list[int]], threshold: int, data: st.DataObject
) -> None:
    facts = [fact(number, *socs) for number, socs in enumerate(series)]
    again = data.draw(st.lists(st.sampled_from(facts)))
    order = data.draw(st.permutations([*facts, *again]))
    flat = [soc for socs in series for soc in socs]
    truth = bool(flat) and flat[0] < threshold <= max(flat)
    answers = [crossed(order[:count], threshold) for count in range(1, len(order) + 1)]
    assert answers[-1] is truth
    assert answers == sorted(answers), "once told, it stays true"


@given(st.floats(0, 100), st.floats(0, 100), st.integers(1, 100))
def test_a_charge_that_is_not_certain_crosses_nothing(first: float, peak: float, threshold: int) -> None:
    assert Charge(first, peak, certain=False).crossed(threshold) is False


def test_pauses_grow_until_there_are_no_more() -> None:
    pauses = [pause_s(attempt, 0.0) for attempt in range(1, len(PAUSES_S) + 2)]
    assert pauses == [*map(float, PAUSES_S), None]
    assert pause_s(1, 1.0) == 12


FACTS = {
    "soc_threshold": {"station": "cs-1", "evse": 1, "threshold_pct": 80, "soc_pct": 80.4, "soc_source": "measured"},
    "session_ended": {
        "station": "cs-1",
        "evse": 2,
        "energy_wh": 12345,
        "seconds": 5400,
        "cost": 617,
        "currency": "EUR",
        "reason": "Local",
    },
    "fault": {"station": "cs-1", "evse": 1, "problem": "MeterSilent", "operator": False},
}


def test_what_is_said_in_english() -> None:
    assert {kind: text(kind, facts, "en") for kind, facts in FACTS.items()} == {
        "soc_threshold": "The battery has reached 80 %: it is at 80 % (cs-1, EVSE 1).",
        "session_ended": "Charging at cs-1, EVSE 2 has ended (at the station): 12.35 kWh in 1 h 30 min, 6.17 EUR.",
        "fault": "cs-1, EVSE 1 reports a fault (MeterSilent). Charging may have stopped.",
    }


def test_what_is_said_in_italian() -> None:
    assert {kind: text(kind, facts, "it") for kind, facts in FACTS.items()} == {
        "soc_threshold": "La batteria ha raggiunto la soglia di 80 %: ora 80 % (cs-1, punto di ricarica 1).",
        "session_ended": "La ricarica presso cs-1, punto di ricarica 2 è terminata (alla colonnina):"
        " 12,35 kWh in 1 h 30 min, 6,17 EUR.",
        "fault": "cs-1, punto di ricarica 1 segnala un guasto (MeterSilent). La ricarica potrebbe essersi fermata.",
    }


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_is_not_known_is_left_out(language: str) -> None:
    ended = FACTS["session_ended"]
    for facts in (ended | {"cost": None}, ended | {"seconds": None}, ended | {"reason": None}, ended | {"evse": None}):
        assert "None" not in text("session_ended", facts, language)
    estimated = FACTS["soc_threshold"] | {"soc_source": "estimated"}
    assert text("soc_threshold", estimated, language) != text("soc_threshold", FACTS["soc_threshold"], language)
    operators = FACTS["fault"] | {"operator": True, "problem": ""}
    assert text("fault", operators, language) != text("fault", FACTS["fault"], language)
    assert all(title(kind, facts, language) for kind, facts in FACTS.items())
