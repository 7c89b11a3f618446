"""Integrity rule 8: whatever a station sends, it gets the right code, and nobody else notices."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.envelope import MAX_FRAME_BYTES, Call, CallError, CallResult
from protocol.messages import Version, actions
from protocol.schema import documents
from tests.support.csms_world import NOON, World, a_world, event, meter_value, metered, status
from tests.support.schemas import instances


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def still_works(world: World) -> None:
    assert world.ask("Heartbeat", {}) == {"currentTime": world.now.isoformat().replace("+00:00", "Z")}


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("MakeCoffee", "NotImplemented"),
        ("", "NotImplemented"),
        ("a" * 60_000, "NotImplemented"),
        ("RequestStartTransaction", "NotSupported"),
        ("StartTransaction", "NotImplemented"),
        ("NotifyReport", "FormatViolation"),
    ],
)
def test_an_action_that_no_station_may_send_is_refused(world: World, action: str, code: str) -> None:
    assert world.refusal(action, {"what": 1}) == code
    still_works(world)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (status("Available", connector=1_000_000_000), "PropertyConstraintViolation"),
        (status("Available", connector=17), "PropertyConstraintViolation"),
        (status("Available", connector=0), "PropertyConstraintViolation"),
        (status("Available", connector=-1), "PropertyConstraintViolation"),
        (status("Available", evse=257), "PropertyConstraintViolation"),
        (status("Available", evse=0), "PropertyConstraintViolation"),
        (status("Available", evse=10**30), "PropertyConstraintViolation"),
        (status("Broken"), "PropertyConstraintViolation"),
        (status("Available", at="yesterday"), "PropertyConstraintViolation"),
        (status("Available", at="9999-12-31T23:59:59-12:00"), "PropertyConstraintViolation"),
        (status("Available", at="0001-01-01T00:00:00+12:00"), "PropertyConstraintViolation"),
        ({"evseId": 1}, "OccurrenceConstraintViolation"),
        ({**status("Available"), "colour": "red"}, "FormatViolation"),
        ({**status("Available"), "evseId": "1"}, "TypeConstraintViolation"),
    ],
)
def test_a_status_that_cannot_be_is_refused(world: World, payload: dict[str, Any], code: str) -> None:
    assert world.refusal("StatusNotification", payload) == code
    assert world.refused() == {("cs-1", code): 1}
    still_works(world)


@pytest.mark.parametrize(
    "payload",
    [
        event("Updated", -1),
        event("Updated", 2**31),
        event("Updated", 10**400),
        event("Updated", 0, evse=0),
        event("Updated", 0, evse=-5),
        event("Updated", 0, evse=257),
        event("Updated", 0, evse=10**18),
        {**event("Updated", 0), "evse": {"id": 1, "connectorId": 1_000_000_000}},
        event("Updated", 0, at="0001-01-01T00:00:00+05:00"),
        event("Updated", 0, at="9999-12-31T23:59:59-05:00"),
        event("Updated", 0, meter_value("9999-12-31T23:59:59-05:00", 1)),
        {**event("Updated", 0), "transactionInfo": {"transactionId": "x" * 37}},
    ],
)
def test_an_event_that_cannot_be_is_refused_and_opens_no_session(world: World, payload: dict[str, Any]) -> None:
    assert world.refusal("TransactionEvent", payload) == "PropertyConstraintViolation"
    assert world.sessions() == []
    still_works(world)


@pytest.mark.parametrize("at", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "1969-12-31T23:00:00+01:00"])
def test_times_that_are_absurd_but_exist_are_kept_and_their_samples_are_not(world: World, at: str) -> None:
    world.ask("TransactionEvent", event("Started", 0, meter_value(at, 1000), at=at))
    world.ask("StatusNotification", status("Occupied", at=at))
    world.ask("MeterValues", {"evseId": 1, "meterValue": [meter_value(at, 1000)]})
    assert world.session().start_wh == 1000
    assert world.samples("energy_wh") == []
    still_works(world)


@pytest.mark.parametrize("value", [1e300, -1e300, 1e308, -5.0])
def test_registers_that_no_meter_shows_are_not_billed(world: World, value: float) -> None:
    world.ask("TransactionEvent", metered("Started", 0, 1000))
    world.ask("TransactionEvent", metered("Updated", 1, value))
    world.ask("TransactionEvent", metered("Ended", 2, 1010))
    assert (world.session().energy_wh, world.session().start_wh) == (10, 1000)


def test_a_value_that_overflows_when_it_is_scaled_is_not_a_sample(world: World) -> None:
    huge = {"value": 1e308, "unitOfMeasure": {"unit": "kWh", "multiplier": 10**30}}
    world.ask("TransactionEvent", event("Started", 0, {"timestamp": NOON, "sampledValue": [huge]}))
    assert world.series.fields("cs-1", 1, NOON, NOON) == []
    assert world.session().start_wh is None


def test_a_remote_start_id_beyond_any_of_ours_is_ignored(world: World) -> None:
    world.ask("TransactionEvent", event("Started", 0, info={"remoteStartId": 2**70}))
    assert world.session().remote_start_id is None


def test_frames_above_the_limit_are_refused_unread(world: World) -> None:
    good = msgspec.json.encode([2, "1", "Heartbeat", {}])
    exact = good[:-2] + b" " * (MAX_FRAME_BYTES - len(good)) + good[-2:]
    (answer,) = world.take(exact)
    assert isinstance(answer, CallResult)
    (answer,) = world.take(exact + b" ")
    assert isinstance(answer, CallError)
    assert (answer.message_id, answer.code) == ("-1", "FormatViolation")
    (answer,) = world.take(b"[" * 70_000)
    assert isinstance(answer, CallError)
    assert world.refused() == {("cs-1", "FormatViolation"): 2}


BYTES = [
    b"",
    b"\xff\xfe\x00",
    b'[2,"\xff","Heartbeat",{}]',
    b'[2,"1","Heart\xffbeat",{}]',
    b'[2,"1","Heartbeat",{"\xff":1}]',
    b'[4,"1","Code","text",{"a":"\xff"}]',
    b'[3,"\xc3(",{}]',
    b"[" * 30_000,
    b'[2,"1","Heartbeat",' + b"[" * 900 + b"]" * 900 + b"]",
    b'[2,"1","TransactionEvent",{"customData":{"vendorId":"x","deep":' + b"[" * 940 + b"]" * 940 + b"}}]",
    b'[2,"1","Heartbeat",{"customData":{"vendorId":"x","n":' + b"9" * 5_000 + b"}}]",
    b'[2,"1","Heartbeat",NaN]',
    b'[2,"\\ud800","Heartbeat",{}]',
    b'[2,"1","TransactionEvent",{"transactionInfo":{"transactionId":"\\u0000"}}]',
    b"[2,1,2,3]",
    b"[5]",
]


@pytest.mark.parametrize("data", BYTES, ids=range(len(BYTES)))
@pytest.mark.parametrize("station", ["cs-1", "nobody"])
def test_bytes_that_are_no_frame_never_stop_the_worker(world: World, data: bytes, station: str) -> None:
    world.take(data, data, station=station)
    assert len(world.acked()) == 2
    still_works(world)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xff",
        b'{"online":1}',
        b'{"online":true,"since":"0001-01-01T00:00:00+05:00"}',
        b'{"online":true,"since":"\xff"}',
        b'{"x":' + b"[" * 5_000,
        b"[" * 5_000,
    ],
)
def test_a_link_message_that_says_nothing_changes_nothing(world: World, payload: bytes) -> None:
    before = world.station()
    world.link(payload)
    assert world.station() == before
    assert len(world.acked()) == 1


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_valid_request_however_odd_fails_inside(world: World, data: st.DataObject) -> None:
    action = data.draw(
        st.sampled_from(["Authorize", "BootNotification", "MeterValues", "StatusNotification", "TransactionEvent"])
    )
    payload = data.draw(instances(documents("v201")[f"{action}Request"]))
    msgspec.convert(payload, actions(Version.V201)[action].request)  # it is valid
    (answer,) = world.take(Call("the-id", action, payload))
    assert getattr(answer, "code", "PropertyConstraintViolation") == "PropertyConstraintViolation"


class TestGaps:
    def test_a_station_cannot_fill_a_row_with_gaps(self, world: World) -> None:
        frames = [Call(str(n), "TransactionEvent", event("Updated", n)) for n in range(0, 2 * 1_010, 2)]
        answers = [getattr(answer, "code", "") for answer in world.take(*frames)]
        assert answers == [""] * 1_001 + ["PropertyConstraintViolation"] * 9
        assert world.refusal("TransactionEvent", event("Updated", 5_000)) == "PropertyConstraintViolation"
        world.ask("TransactionEvent", event("Updated", 1))  # fills a gap
        world.ask("TransactionEvent", event("Updated", 2_002))  # so there is room for another

    def test_nor_by_splitting_one_great_gap(self, world: World) -> None:
        world.ask("TransactionEvent", event("Updated", 2**31 - 1))
        frames = [Call(str(n), "TransactionEvent", event("Updated", 2 * n + 1)) for n in range(1_005)]
        answers = [getattr(answer, "code", "") for answer in world.take(*frames)]
        assert answers == [""] * 999 + ["PropertyConstraintViolation"] * 6
