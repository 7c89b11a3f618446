"""Integrity rule 3 through the whole core: events in any order, late, twice, in any batches give the same session.

And the same cost, to the cent.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from sqlalchemy import insert

from cloud.domain.tariffs import Element, Tariff
from cloud.store import tariffs
from cloud.store.registry import put_id_token
from cloud.store.tables import users
from protocol.envelope import Call, CallResult
from tests.support.csms_world import CARD, NOON, World, a_world, add, event, meter_value, metered, status

OTHER = {"idToken": "04FFFFFF", "type": "ISO14443"}
NOBODYS = {"idToken": "04000000", "type": "ISO14443"}
#: What may differ: how a session is called, and when we worked on it.
OURS = {"no", "id", "transaction_id", "created_at", "updated_at", "station"}
numbers = count()
#: With every part that a cost has, and an hour of its own from NOON on.
TARIFF = Tariff(
    "EUR",
    energy_per_kwh=Decimal("45.67"),
    charging_per_min=Decimal(7),
    idle_per_min=Decimal(11),
    start_fee=Decimal(30),
    minimum=Decimal(40),
    tax_pct=Decimal(22),
    tax_included=False,
    elements=(Element(from_min=12 * 60, to_min=12 * 60 + 15, energy_per_kwh=Decimal(90)),),
)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with a_world(tmp_path_factory.mktemp("world")) as made:
        add(made, "cs-2")
        with made.store.write() as connection:
            tariffs.create(connection, "day", "Day", TARIFF, NOON)
            tariffs.place(connection, tariffs.DEFAULT, "", "day", NOON)
            for driver, card in (("ann", CARD), ("bob", OTHER)):
                row = {"id": driver, "email": driver, "role": "driver", "password_hash": "", "created_at": NOON}
                connection.execute(insert(users).values(**row))
                put_id_token(connection, card["idToken"], card["type"], driver=driver)
        yield made


def outcome(world: World, transaction: str) -> dict[str, Any]:
    row = world.session(transaction)._asdict()
    folded = row.pop("folded")
    return {name: value for name, value in row.items() if name not in OURS} | {"folded": folded}


def samples(world: World, station: str, day: int) -> list[tuple[datetime, float]]:
    start = NOON + timedelta(days=day)
    values = world.series.read(station, 1, "energy_wh", start - timedelta(hours=1), start + timedelta(hours=1))
    return [tuple(value) for value in values]


def deliver(world: World, batches: list[list[dict[str, Any]]], station: str, day: int) -> str:
    """Give the CSMS these events under a transaction of their own, on that day."""
    transaction = f"any-{next(numbers)}"
    for batch in batches:
        frames = []
        for payload in batch:
            moved = {**payload, "transactionInfo": {**payload["transactionInfo"], "transactionId": transaction}}
            moved["timestamp"] = payload["timestamp"] + timedelta(days=day)
            moved["meterValue"] = [
                {**value, "timestamp": value["timestamp"] + timedelta(days=day)} for value in payload["meterValue"]
            ]
            if not moved["meterValue"]:
                del moved["meterValue"]
            frames.append(Call(str(payload["seqNo"]), "TransactionEvent", moved))
        answers = world.take(*frames, station=station)
        assert [type(answer) for answer in answers] == [CallResult] * len(batch), answers
        world.deeds.clear()
    return transaction


@st.composite
def histories(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The events of one transaction, in order: what stations send, and what broken ones do."""
    length = draw(st.integers(1, 6))
    result = []
    ended = draw(st.integers(0, length))
    for seq_no in range(length):
        kind = "Started" if seq_no == 0 else "Ended" if seq_no == ended else "Updated"
        at = NOON + timedelta(seconds=10 * seq_no)
        values = []
        for back in range(draw(st.integers(0, 2))):
            register = draw(st.sampled_from([0, 900, 1_000, 1_005, 1_020, 1_500, 60_000]))
            more = {"SoC": draw(st.integers(0, 100))} if draw(st.booleans()) else {}
            values.append(meter_value(at - timedelta(seconds=15 * back), register, **more))
        more = {"info": {"chargingState": draw(st.sampled_from(["Charging", "SuspendedEV", "EVConnected"]))}}
        token = draw(st.sampled_from([None, None, CARD, OTHER, NOBODYS]))
        if token is not None:
            more["idToken"] = token
        if draw(st.booleans()):
            more["offline"] = True
        payload = event(kind, seq_no, *values, at=at, evse=draw(st.sampled_from([1, 1, None])), **more)
        result.append({"meterValue": [], **payload})
    return result


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    history = draw(histories())
    repeated = draw(st.lists(st.sampled_from(history), max_size=3))
    shuffled = draw(st.permutations([*history, *repeated]))
    cuts = sorted(draw(st.sets(st.integers(1, len(shuffled)), max_size=3)))
    batches = [shuffled[a:b] for a, b in zip([0, *cuts], [*cuts, len(shuffled)], strict=True)]
    return history, [batch for batch in batches if batch]


def no_evse_until_late() -> tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]:
    """Only Started says which EVSE, as OCPP allows, and it comes last."""
    history = [
        {"meterValue": [], **metered("Started", 0, 1_000, idToken=CARD)},
        {"meterValue": [], **metered("Updated", 1, 1_010, evse=None)},
        {"meterValue": [], **metered("Ended", 2, 1_020, evse=None, idToken=OTHER)},
    ]
    return history, [[history[1]], [history[2]], [history[0]]]


@settings(deadline=None, max_examples=120, suppress_health_check=[HealthCheck.too_slow])
@example(case=no_evse_until_late())
@given(case=arrivals())
def test_any_order_of_arrival_gives_the_same_session_the_same_cost_and_the_same_samples(
    world: World, case: tuple[list[dict[str, Any]], list[list[dict[str, Any]]]]
) -> None:
    history, batches = case
    day = next(numbers)
    in_order = deliver(world, [[payload] for payload in history], "cs-1", day)
    otherwise = deliver(world, batches, "cs-2", day)
    assert outcome(world, otherwise) == outcome(world, in_order)
    session = world.session(in_order)
    assert (session.cost is None) == (session.evse is None)  # what is the same is not nothing
    assert samples(world, "cs-2", day) == samples(world, "cs-1", day)


def test_reversed_with_ended_first_the_session_is_incomplete_until_it_is_whole(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        seen = []
        history = [metered("Started", 0, 1_000), metered("Updated", 1, 1_400), metered("Ended", 2, 1_500)]
        for payload in reversed(history):
            world.ask("TransactionEvent", payload)
            row = world.session()
            seen.append((row.state, row.complete, row.energy_wh, row.flags))
        assert seen == [
            ("ended", False, 0, "no_start"),
            ("ended", False, 100, "no_start"),
            ("ended", True, 500, ""),
        ]
        assert world.session().ended_at == NOON + timedelta(seconds=20)


def test_what_comes_after_ended_counts_but_does_not_open_it_again(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        for payload in (metered("Started", 0, 1_000), metered("Ended", 2, 1_500), metered("Updated", 1, 1_400)):
            world.ask("TransactionEvent", payload)
        row = world.session()
        assert (row.state, row.energy_wh, row.complete, row.power_w) == ("ended", 500, True, 0.0)
        world.ask("TransactionEvent", metered("Updated", 3, 1_510))
        row = world.session()
        assert (row.state, row.energy_wh, row.ended_at) == ("ended", 510, NOON + timedelta(seconds=20))


def test_a_status_that_was_overtaken_changes_nothing(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:

        def show(word: str, at: datetime) -> str:
            world.ask("StatusNotification", status(word, at=at))
            return str(world.connector().status)

        world.pass_time(60)
        assert show("Occupied", NOON + timedelta(seconds=30)) == "Occupied"
        assert show("Available", NOON + timedelta(seconds=20)) == "Occupied"
        assert show("Available", NOON + timedelta(days=1)) == "Available"  # a clock that is ahead ...
        assert show("Faulted", NOON + timedelta(seconds=60)) == "Faulted"  # ... does not outdate what comes after


def test_a_connector_that_nobody_wrote_down_is_believed_within_reason(tmp_path: Path) -> None:
    with a_world(tmp_path) as world:
        world.ask("StatusNotification", status("Occupied", evse=7, connector=2))
        assert world.connector(7, 2).status == "Occupied"
