"""Notices are made in the commit of the books: one of a kind for each driver and session, however the frames come."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert, select, update

from cloud.store.notices import forget_crossings
from cloud.store.registry import put_id_token
from cloud.store.store import new_id
from cloud.store.tables import deliveries, notices, preferences, push_subscriptions, sessions, users
from protocol.envelope import Call
from tests.support.csms_world import CARD, NOON, World, a_world, event, meter_value, status


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        set_up(made)
        yield made


def set_up(world: World) -> None:
    """A driver with CARD and a threshold of 80 %, and two operators, of whom one wants to know of faults."""
    with world.store.write() as connection:
        for name, role in (("driver", "driver"), ("curious", "operator"), ("calm", "operator")):
            row = {"id": name, "email": f"{name}@colonnina.test", "role": role, "created_at": NOON}
            connection.execute(insert(users).values(**row, password_hash=""))
        put_id_token(connection, CARD["idToken"], CARD["type"], driver="driver")
        connection.execute(insert(preferences).values(user="driver", soc_threshold_pct=80))
        connection.execute(insert(preferences).values(user="curious", station_faults=True))


def samples(seq_no: int, soc: float, kind: str = "Updated", **more: Any) -> Call:
    at = NOON + timedelta(seconds=10 * seq_no)
    token = {"idToken": CARD} if seq_no == 0 else {}
    reading = meter_value(at, 1000.0 + 10 * seq_no, SoC=soc)
    return Call(f"{kind}-{seq_no}-{random.random()}", "TransactionEvent", event(kind, seq_no, reading, **token, **more))


def charge(*socs: float) -> list[Call]:
    """The calls of a session with these states of charge, from Started to the one before Ended."""
    return [samples(number, soc, "Started" if number == 0 else "Updated") for number, soc in enumerate(socs)]


def told(world: World, kind: str = "soc_threshold") -> list[tuple[str, dict[str, Any]]]:
    """(user, facts) of the notices of a kind."""
    query = select(notices).where(notices.c.kind == kind, notices.c.moot.is_(False)).order_by(notices.c.no)
    with world.store.read() as connection:
        return [(row.user, msgspec.json.decode(row.facts)) for row in connection.execute(query)]


def test_one_notice_when_the_battery_comes_to_the_threshold(world: World) -> None:
    for call in charge(70, 79.9):
        world.take(call)
    assert told(world) == []
    world.take(samples(2, 80.0))
    facts = {"station": "cs-1", "evse": 1, "threshold_pct": 80, "soc_pct": 80.0, "soc_source": "measured"}
    assert told(world) == [("driver", facts)]
    for number, soc in enumerate((81, 79, 82, 100), 3):
        world.take(samples(number, soc))
    assert told(world) == [("driver", facts)]


def test_a_session_that_starts_above_the_threshold_sends_none(world: World) -> None:
    world.take(*charge(80, 79, 85, 90))
    assert told(world) == []


def test_without_a_threshold_there_is_none(world: World) -> None:
    with world.store.write() as connection:
        connection.execute(delete(preferences))
    world.take(*charge(70, 100))
    assert told(world) == []


def test_a_session_of_nobody_known_tells_nobody_until_its_card_has_come(world: World) -> None:
    started, *rest = charge(70, 85)
    world.take(*rest)
    assert told(world) == []
    world.take(started)
    assert [user for user, _ in told(world)] == ["driver"]


def test_two_sessions_are_two_notices(world: World) -> None:
    world.take(*charge(70, 85))
    second = [event("Started", 0, meter_value(NOON, 5.0, SoC=20), transaction="tx-2", evse=2, idToken=CARD)]
    second += [event("Updated", 1, meter_value(NOON, 5.0, SoC=85), transaction="tx-2", evse=2)]
    world.take(*(Call(str(number), "TransactionEvent", payload) for number, payload in enumerate(second)))
    assert len(told(world)) == 2


CALLS = st.lists(st.integers(60, 100), min_size=2, max_size=6)


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(socs=CALLS, data=st.data())
def test_in_any_order_in_any_batches_and_however_often_it_is_one_or_none(
    tmp_path_factory: pytest.TempPathFactory, socs: list[int], data: st.DataObject
) -> None:
    calls = charge(*socs)
    order = data.draw(st.permutations([*calls, *data.draw(st.lists(st.sampled_from(calls), max_size=4))]))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)))) | {len(order)})
    with a_world(tmp_path_factory.mktemp("world")) as world:
        set_up(world)
        start = 0
        for cut in cuts:
            world.take(*order[start:cut])
            start = cut
        assert len(told(world)) == (socs[0] < 80 <= max(socs))


def test_a_charge_that_is_reckoned_from_what_the_driver_typed_comes_to_the_threshold_too(world: World) -> None:
    """50 % of 10 kWh, and 0.9 of what the meter counts: 80 % after 3.34 kWh."""
    with world.store.write() as connection:
        row = {"id": new_id(NOON), "station": "cs-1", "state": "pending", "driver": "driver", "remote_start_id": 7}
        battery = {"soc_typed_pct": 50.0, "soc_typed_wh": 0, "battery_kwh": 10.0}
        connection.execute(insert(sessions).values(**row, **battery, created_at=NOON, updated_at=NOON))
    for number, wh in enumerate((0, 3_000, 3_400, 5_000)):
        at = NOON + timedelta(hours=number)
        payload = event("Updated" if number else "Started", number, meter_value(at, 1_000 + wh), at=at)
        payload["transactionInfo"]["remoteStartId"] = 7
        world.take(Call(str(number), "TransactionEvent", payload))
        assert len(told(world)) == (wh >= 3_400)
    ((user, facts),) = told(world)
    assert (user, facts["soc_pct"], facts["soc_source"]) == ("driver", 80.6, "estimated")


def test_a_lower_threshold_chosen_above_it_counts_from_the_next_session_on(world: World) -> None:
    world.take(*charge(40, 75))
    choose(world, 60)
    world.take(samples(2, 76))
    assert told(world) == []
    choose(world, 77)
    world.take(samples(3, 77))
    assert [facts["threshold_pct"] for _, facts in told(world)] == [77]
    choose(world, 90)
    world.take(samples(4, 95))
    assert len(told(world)) == 1, "once for a session, whatever is chosen later"


def choose(world: World, threshold: int) -> None:
    with world.store.write() as connection:
        connection.execute(
            update(preferences).where(preferences.c.user == "driver").values(soc_threshold_pct=threshold)
        )
        forget_crossings(connection, "driver", threshold, world.now)


def test_the_end_is_told_once_with_what_is_known_of_it(world: World) -> None:
    world.take(*charge(70, 71), samples(2, 72, "Ended", info={"stoppedReason": "Local"}))
    world.take(samples(2, 72, "Ended", info={"stoppedReason": "Local"}))
    ((user, facts),) = told(world, "session_ended")
    assert (user, facts["energy_wh"], facts["seconds"], facts["reason"]) == ("driver", 20, 20, "Local")


def test_an_end_that_comes_before_what_was_before_it_is_told_when_all_is_there(world: World) -> None:
    started, middle = charge(70, 71)
    world.take(started, samples(2, 72, "Ended"))
    assert told(world, "session_ended") == []
    world.take(middle)
    assert [facts["energy_wh"] for _, facts in told(world, "session_ended")] == [20]


def faulted(evse: int = 1, seconds: int = 15) -> Call:
    at = NOON + timedelta(seconds=seconds)
    return Call(f"fault-{evse}-{seconds}", "StatusNotification", status("Faulted", evse=evse, at=at))


@pytest.fixture
def later(world: World) -> World:
    world.pass_time(60)
    return world


def test_a_fault_during_a_session_is_told_to_its_driver_and_to_the_operators_who_want_to_know(later: World) -> None:
    later.take(*charge(70, 71))
    later.take(faulted(), faulted())
    assert [(user, facts["operator"]) for user, facts in told(later, "fault")] == [("curious", True), ("driver", False)]
    later.take(Call("1", "StatusNotification", status("Occupied", at=NOON + timedelta(seconds=20))))
    later.take(faulted(seconds=25))
    assert len(told(later, "fault")) == 2


def test_a_fault_at_another_evse_or_before_the_session_is_nobodys_business(later: World) -> None:
    later.take(*charge(70, 71), faulted(evse=2), faulted(seconds=-5))
    assert told(later, "fault") == []


def test_a_fault_that_ends_the_session_in_the_same_batch_is_told(later: World) -> None:
    later.take(*charge(70, 71), faulted(seconds=15), samples(2, 72, "Ended", info={"stoppedReason": "EmergencyStop"}))
    assert len(told(later, "fault")) == 2
    assert len(told(later, "session_ended")) == 1


def test_each_notice_has_a_delivery_for_every_place_that_was_chosen(world: World) -> None:
    channels = b'[{"kind":"email"},{"kind":"email","address":"a@b.test"},{"kind":"web_push"},{"kind":"in_app"}]'
    with world.store.write() as connection:
        connection.execute(update(preferences).where(preferences.c.user == "driver").values(channels=channels))
        for name in ("phone", "desk"):
            row = {"id": name, "user": "driver", "endpoint": name, "created_at": NOON}
            connection.execute(insert(push_subscriptions).values(**row, p256dh="", auth=""))
    world.take(*charge(70, 85))
    with world.store.read() as connection:
        rows = connection.execute(select(deliveries.c.channel, deliveries.c.target).order_by(deliveries.c.no)).all()
    assert [tuple(row) for row in rows] == [
        ("email", ""),
        ("email", "a@b.test"),
        ("in_app", ""),
        ("web_push", "desk"),
        ("web_push", "phone"),
    ]


def test_a_driver_who_is_gone_harms_nobody(world: World) -> None:
    world.take(*charge(70, 75))
    with world.store.write() as connection:
        connection.execute(delete(users).where(users.c.id == "driver"))
        connection.execute(update(sessions).values(driver="driver"))
    assert len(world.take(samples(2, 85))) == 1
    assert told(world) == []
