"""Status words, EVSE codes and measurands."""

from __future__ import annotations

import random
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cloud.domain import codes, measurands
from cloud.domain.status import evse_status, is_online
from protocol.errors import ProtocolError
from protocol.messages import Version, make_request
from tests.support.csms_world import NOON


@pytest.mark.parametrize(
    ("online", "connectors", "session_open", "status", "detail"),
    [
        (True, ["Available"], False, "available", "Available"),
        (True, ["Available", "Available"], False, "available", "Available"),
        (True, ["Available"], True, "occupied", "Preparing: waiting for the plug"),
        (True, ["Occupied"], True, "occupied", "Occupied"),
        (True, ["Available", "Occupied"], False, "occupied", "Occupied"),
        (True, ["Unavailable", "Occupied"], False, "occupied", "Occupied"),
        (True, ["Reserved"], False, "occupied", "Reserved"),
        (True, ["Faulted", "Occupied"], False, "inoperative", "Faulted"),
        (True, ["Unavailable"], False, "inoperative", "Unavailable"),
        (True, ["Unavailable", "Available"], False, "available", "Available"),
        (True, ["", ""], False, "inoperative", "Unknown: no status yet"),
        (True, [], False, "inoperative", "Unknown: no status yet"),
        (False, ["Available"], False, "inoperative", "Offline"),
        (False, ["Occupied"], True, "inoperative", "Offline"),
        (False, [], False, "inoperative", "Offline"),
    ],
)
def test_the_three_words(online: bool, connectors: list[str], session_open: bool, status: str, detail: str) -> None:
    words = evse_status(online, connectors, session_open=session_open)
    assert (words.status, words.detail) == (status, detail)


def test_a_reason_is_told_with_the_word() -> None:
    assert evse_status(True, ["Faulted"], reason="no meter").detail == "Faulted: no meter"


@pytest.mark.parametrize(
    ("link_up", "seen_s", "online"),
    [(True, 0, True), (True, 180, True), (True, 180.1, False), (False, 0, False), (True, None, False)],
)
def test_online_takes_a_link_and_a_word_in_time(link_up: bool, seen_s: float | None, online: bool) -> None:
    seen_at = None if seen_s is None else NOON - timedelta(seconds=seen_s)
    assert is_online(link_up, seen_at, 60, NOON) is online


SAMPLE = [codes.make(random.Random(seed).choice) for seed in range(40)] + ["222222"]


@pytest.mark.parametrize("code", SAMPLE)
def test_every_single_slip_in_a_code_is_caught(code: str) -> None:
    assert codes.normal(code) == code
    slips = [
        code[:place] + other + code[place + 1 :]
        for place in range(6)
        for other in codes.ALPHABET
        if other != code[place]
    ]
    assert [codes.normal(slip) for slip in slips] == [None] * (6 * 30)


@pytest.mark.parametrize("code", SAMPLE)
def test_every_swap_of_neighbours_in_a_code_is_caught(code: str) -> None:
    swaps = {code[:n] + code[n + 1] + code[n] + code[n + 2 :] for n in range(5)} - {code}
    assert [codes.normal(swap) for swap in swaps] == [None] * len(swaps)


def test_a_code_may_be_typed_as_people_type() -> None:
    code = SAMPLE[0]
    for typed in (code.lower(), f" {code[:3]} {code[3:]} ", f"{code[:2]}-{code[2:4]}-{code[4:]}"):
        assert codes.normal(typed) == code


@pytest.mark.parametrize("typed", ["", "ABC", "22222", "2222222", "22222O", "ÀÀÀÀÀÀ", "22222\n", "x" * 10_000])
def test_what_is_no_code_is_none(typed: str) -> None:
    assert codes.normal(typed) is None


def test_the_alphabet_has_no_look_alikes() -> None:
    assert set("01ILO") & set(codes.ALPHABET) == set()
    assert len(set(codes.ALPHABET)) == 31


def sample(**sampled: Any) -> list[tuple[str, float]]:
    payload = {"evseId": 1, "meterValue": [{"timestamp": NOON, "sampledValue": [sampled]}]}
    request = make_request(Version.V201, "MeterValues", payload)
    return [tuple(one) for part in measurands.read(request.meter_value) for one in part.samples]


@pytest.mark.parametrize(
    ("sampled", "field", "value"),
    [
        ({"value": 5.0}, "energy_wh", 5.0),
        ({"value": 5.0, "unitOfMeasure": {"unit": "kWh"}}, "energy_wh", 5_000.0),
        ({"value": 5.0, "unitOfMeasure": {"unit": "Wh", "multiplier": 3}}, "energy_wh", 5_000.0),
        ({"value": 5.0, "unitOfMeasure": {"multiplier": -1}}, "energy_wh", 0.5),
        ({"value": 2.5, "unitOfMeasure": {"unit": "kWh", "multiplier": 1}}, "energy_wh", 25_000.0),
        ({"value": 7.4, "measurand": "Power.Active.Import", "unitOfMeasure": {"unit": "kW"}}, "power_w", 7_400.0),
        ({"value": 2.0, "measurand": "Power.Active.Import", "phase": "L1"}, "power_l1_w", 2.0),
        ({"value": 400.0, "measurand": "Voltage", "phase": "L1-L2"}, "voltage_l1_l2_v", 400.0),
        ({"value": 230.0, "measurand": "Voltage", "phase": "L3-N"}, "voltage_l3_n_v", 230.0),
        ({"value": 16_000.0, "measurand": "Current.Import", "unitOfMeasure": {"unit": "mA"}}, "current_a", 16.0),
        ({"value": 55.5, "measurand": "SoC", "unitOfMeasure": {"unit": "Percent"}, "location": "EV"}, "soc_pct", 55.5),
        ({"value": 50.0, "measurand": "Frequency", "location": "Outlet"}, "frequency_hz", 50.0),
    ],
)
def test_a_value_is_scaled_to_its_fields_unit(sampled: dict[str, Any], field: str, value: float) -> None:
    assert sample(**sampled) == [(field, pytest.approx(value))]
    assert measurands.unit_of(field) is not None


@pytest.mark.parametrize(
    "sampled",
    [
        {"value": 5.0, "measurand": "Power.Factor"},
        {"value": 5.0, "measurand": "Voltage", "location": "Inlet"},
        {"value": 1e308, "unitOfMeasure": {"unit": "kWh", "multiplier": 9}},
    ],
)
def test_what_is_not_in_the_table_or_in_no_number_is_not_kept(sampled: dict[str, Any]) -> None:
    assert sample(**sampled) == []


def test_a_field_that_does_not_exist_has_no_unit() -> None:
    assert [measurands.unit_of(field) for field in ("colour", "", "energy", "power_l4_w")] == [None] * 4


def test_a_time_is_in_utc_and_one_without_a_zone_is_taken_for_it() -> None:
    east = timezone(timedelta(hours=1))
    assert measurands.utc(datetime(2026, 11, 23, 13, tzinfo=east)) == NOON
    assert measurands.utc(NOON.replace(tzinfo=None)) == NOON


@pytest.mark.parametrize("text", ["0001-01-01T00:00:00+01:00", "9999-12-31T23:59:59-01:00"])
def test_a_time_outside_the_calendar_is_refused(text: str) -> None:
    with pytest.raises(ProtocolError) as error:
        measurands.utc(datetime.fromisoformat(text))
    assert error.value.code == "PropertyConstraintViolation"
