"""What stations tell beside their sessions: every action that OCPP lets them send is answered, and kept to be seen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import Table, insert, select

from cloud.handlers import HANDLERS
from cloud.limits import Limits
from cloud.store import reports
from cloud.store.queue import queue_call
from cloud.store.tables import (
    station_messages,
    station_monitors,
    station_profiles,
    station_statuses,
    station_variables,
)
from protocol.messages import Sender, Version, actions
from protocol.schema import documents
from tests.support.csms_world import NOON, World, a_world, status
from tests.support.schemas import example

BY_STATIONS = sorted(name for name, action in actions(Version.V201).items() if Sender.STATION in action.sender)
UNSUPPORTED = {"reasonCode": "UnsupportedRequest"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path, Limits(frames_per_s=0, kept_messages=3)) as made:
        yield made


def rows(world: World, table: Table) -> list[dict[str, Any]]:
    with world.store.read() as connection:
        return [row._asdict() for row in connection.execute(select(table).order_by(table.c.no))]


def messages(world: World) -> list[tuple[str, Any]]:
    return [(row["action"], msgspec.json.decode(row["payload"])) for row in rows(world, station_messages)]


def test_the_table_has_every_action_that_a_station_may_send() -> None:
    assert sorted(HANDLERS) == BY_STATIONS


@pytest.mark.parametrize("action", BY_STATIONS)
def test_every_action_that_a_station_may_send_is_answered(world: World, action: str) -> None:
    whole = example(documents("v201")[f"{action}Request"])
    needed = set(documents("v201")[f"{action}Request"].get("required", ()))
    least = {name: value for name, value in whole.items() if name in needed}
    for payload in (whole, least):
        answer = world.ask(action, payload)
        msgspec.convert(answer, actions(Version.V201)[action].response)
    assert world.refused() == {}


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("Get15118EVCertificate", {"status": "Failed", "exiResponse": "", "statusInfo": UNSUPPORTED}),
        ("GetCertificateStatus", {"status": "Failed", "statusInfo": UNSUPPORTED}),
        ("NotifyEVChargingNeeds", {"status": "Rejected", "statusInfo": {"reasonCode": "NoChargingProfile"}}),
        ("NotifyEVChargingSchedule", {"status": "Accepted"}),
        ("DataTransfer", {"status": "UnknownVendorId"}),
        ("SecurityEventNotification", {}),
        ("NotifyChargingLimit", {}),
    ],
)
def test_what_has_no_table_of_its_own_is_kept_as_it_came(world: World, action: str, answer: dict[str, Any]) -> None:
    payload = example(documents("v201")[f"{action}Request"])
    assert world.ask(action, payload) == answer
    assert messages(world) == [(action, payload)]


def test_a_certificate_is_not_signed_and_the_station_is_told_why(world: World) -> None:
    answer = world.ask("SignCertificate", {"csr": "pem"})
    assert answer["status"] == "Rejected"
    assert answer["statusInfo"]["reasonCode"] == "UnsupportedRequest"


def test_the_last_messages_of_each_action_are_kept(world: World) -> None:
    world.ask("DataTransfer", {"vendorId": "x"})
    for number in range(5):
        world.ask("ReservationStatusUpdate", {"reservationId": number, "reservationUpdateStatus": "Expired"})
    kept = [(action, payload.get("reservationId")) for action, payload in messages(world)]
    assert kept == [("DataTransfer", None), *(("ReservationStatusUpdate", number) for number in (2, 3, 4))]


def test_the_progress_of_an_update_is_kept_by_its_request(world: World) -> None:
    world.ask("FirmwareStatusNotification", {"status": "Downloading", "requestId": 7})
    world.ask("FirmwareStatusNotification", {"status": "Installed", "requestId": 7})
    world.ask("LogStatusNotification", {"status": "Idle"})
    with world.store.read() as connection:
        kept = connection.execute(select(station_statuses).order_by(station_statuses.c.kind)).all()
    assert [(row.kind, row.status, row.request_id) for row in kept] == [
        ("firmware", "Installed", 7),
        ("log", "Idle", None),
    ]
    assert world.refusal("FirmwareStatusNotification", {"status": "Idle", "requestId": 2**70}) == (
        "PropertyConstraintViolation"
    )


# -- reports -----------------------------------------------------------------------------------------------------------


def asks(world: World, action: str, payload: dict[str, Any]) -> None:
    """The CSMS has asked for a report."""
    with world.store.write() as connection:
        data = msgspec.json.encode(payload)
        queue_call(connection, "cs-1", action, data, now=world.now, expires_at=world.now + timedelta(seconds=10))


def variable(name: str, value: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "component": {"name": "EVSE", "evse": {"id": 1}},
        "variable": {"name": name},
        "variableAttribute": [{"value": value, **more}],
    }


def page(seq_no: int, *data: dict[str, Any], more: bool = False, request: int = 1) -> dict[str, Any]:
    payload = {"requestId": request, "generatedAt": NOON, "seqNo": seq_no, "tbc": more}
    return {**payload, "reportData": list(data)} if data else payload


def known(world: World) -> dict[str, str]:
    return {row["variable"]: row["value"] for row in rows(world, station_variables)}


def test_a_variable_is_kept_with_all_that_is_told_of_it(world: World) -> None:
    data = {
        "component": {"name": "EVSE", "instance": "a", "evse": {"id": 2, "connectorId": 1}},
        "variable": {"name": "Power", "instance": "b"},
        "variableAttribute": [
            {"type": "Actual", "value": "5", "mutability": "ReadOnly"},
            {"type": "MaxSet", "value": "7", "persistent": True, "constant": True},
        ],
        "variableCharacteristics": {
            "unit": "W",
            "dataType": "decimal",
            "minLimit": 0,
            "maxLimit": 9,
            "valuesList": "1,2",
            "supportsMonitoring": True,
        },
    }
    world.ask("NotifyReport", page(0, data))
    first, second = rows(world, station_variables)
    about = {"component": "EVSE", "component_instance": "a", "evse": 2, "connector": 1, "variable_instance": "b"}
    characteristics = {"data_type": "decimal", "unit": "W", "min_limit": 0.0, "max_limit": 9.0, "values_list": "1,2"}
    assert (about | characteristics).items() <= first.items()
    assert [(row["attribute"], row["value"], row["mutability"], row["persistent"]) for row in (first, second)] == [
        ("Actual", "5", "ReadOnly", False),
        ("MaxSet", "7", "ReadWrite", True),
    ]


def test_a_password_that_a_station_tells_is_not_kept(world: World) -> None:
    world.ask("NotifyReport", page(0, variable("BasicAuthPassword", "secret", mutability="WriteOnly")))
    assert known(world) == {"BasicAuthPassword": None}


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_a_full_report_replaces_in_whatever_order_its_parts_come(world: World, order: tuple[int, ...]) -> None:
    world.ask("NotifyReport", page(0, variable("Old"), variable("A", "old"), request=9))
    asks(world, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
    parts = [page(n, variable("ABC"[n], "new"), more=n < 2) for n in range(3)]
    for n in (*order[:2], order[0]):
        world.ask("NotifyReport", parts[n])
        assert known(world)["Old"] == "1"  # until all of it has come
    world.ask("NotifyReport", parts[order[2]])
    assert known(world) == {"A": "new", "B": "new", "C": "new"}


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("GetReport", {"requestId": 1}),
        ("GetBaseReport", {"requestId": 1, "reportBase": "ConfigurationInventory"}),
        ("GetBaseReport", {"requestId": 2, "reportBase": "FullInventory"}),
    ],
)
def test_a_report_that_is_not_a_full_one_only_adds(world: World, action: str, payload: dict[str, Any]) -> None:
    world.ask("NotifyReport", page(0, variable("Old"), request=9))
    asks(world, action, payload)
    world.ask("NotifyReport", page(0, variable("New")))
    assert known(world) == {"Old": "1", "New": "1"}


def test_the_same_request_id_asked_again_is_another_report(world: World) -> None:
    for value in ("first", "second"):
        asks(world, "GetBaseReport", {"requestId": 1, "reportBase": "FullInventory"})
        world.ask("NotifyReport", page(0, variable(value), more=True))
        world.ask("NotifyReport", page(1, variable("both", value)))
    assert known(world) == {"second": "1", "both": "second"}


@pytest.mark.parametrize(
    "payload",
    [
        page(-1),
        page(2**40),
        page(0, request=2**40),
        page(0, {**variable("X"), "component": {"name": "EVSE", "evse": {"id": 10**6}}}),
        page(0, {**variable("X"), "component": {"name": "EVSE", "evse": {"id": 1, "connectorId": 10**6}}}),
    ],
)
def test_a_report_that_cannot_be_is_refused_and_leaves_nothing(world: World, payload: dict[str, Any]) -> None:
    assert world.refusal("NotifyReport", payload) == "PropertyConstraintViolation"
    assert rows(world, station_variables) == []
    assert rows(world, reports.reports) == []


def test_a_station_that_lies_cannot_fill_the_table(world: World) -> None:
    with world.store.write() as connection:
        places = {"component": "C", "evse": 0, "connector": 0, "report": 1, "at": NOON, "attribute": "Actual"}
        whole = {"station": "cs-1", **places, "mutability": "ReadOnly", "persistent": False, "constant": False}
        connection.execute(
            insert(station_variables), [{**whole, "variable": str(n)} for n in range(2 * reports.MAX_ROWS)]
        )
    assert world.refusal("NotifyReport", page(0, variable("X"))) == "PropertyConstraintViolation"


def test_only_the_last_reports_are_remembered(world: World) -> None:
    for request in range(reports.MAX_REPORTS + 5):
        world.ask("NotifyReport", page(0, request=request))
    assert [row["request_id"] for row in rows(world, reports.reports)] == list(range(5, reports.MAX_REPORTS + 5))


def monitoring(seq_no: int, *numbers: int, more: bool = False) -> dict[str, Any]:
    data = [
        {
            "component": {"name": "EVSE"},
            "variable": {"name": "Power"},
            "variableMonitoring": [
                {"id": number, "transaction": False, "value": 5.5, "type": "UpperThreshold", "severity": 4}
                for number in numbers
            ],
        }
    ]
    return {"requestId": 3, "generatedAt": NOON, "seqNo": seq_no, "tbc": more, "monitor": data}


def test_monitors_are_kept_and_a_report_of_all_replaces_them(world: World) -> None:
    world.ask("NotifyMonitoringReport", monitoring(0, 1, 2))
    asks(world, "GetMonitoringReport", {"requestId": 3})
    world.ask("NotifyMonitoringReport", monitoring(1, 4))
    world.ask("NotifyMonitoringReport", monitoring(0, 2, more=True))
    kept = [(row["monitor"], row["type"], row["value"], row["severity"]) for row in rows(world, station_monitors)]
    assert sorted(kept) == [(2, "UpperThreshold", 5.5, 4), (4, "UpperThreshold", 5.5, 4)]


def profiles(evse: int, *numbers: int, more: bool = False) -> dict[str, Any]:
    schedule = {"id": 1, "chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 16}]}
    return {
        "requestId": 5,
        "chargingLimitSource": "CSO",
        "evseId": evse,
        "tbc": more,
        "chargingProfile": [
            {
                "id": number,
                "stackLevel": 0,
                "chargingProfilePurpose": "TxDefaultProfile",
                "chargingProfileKind": "Absolute",
                "chargingSchedule": [schedule],
            }
            for number in numbers
        ],
    }


def test_profiles_are_kept_by_evse_and_a_report_of_all_replaces_them(world: World) -> None:
    world.ask("ReportChargingProfiles", profiles(1, 1))
    asks(world, "GetChargingProfiles", {"requestId": 5, "chargingProfile": {}})
    world.ask("ReportChargingProfiles", profiles(0, 2, more=True))
    world.ask("ReportChargingProfiles", profiles(2, 3))
    kept = rows(world, station_profiles)
    assert [(row["evse"], row["profile"], row["purpose"]) for row in kept] == [
        (0, 2, "TxDefaultProfile"),
        (2, 3, "TxDefaultProfile"),
    ]
    assert msgspec.json.decode(kept[0]["content"]) == profiles(0, 2)["chargingProfile"][0]


def test_a_text_with_a_nul_character_is_refused(world: World) -> None:
    assert world.refusal("DataTransfer", {"vendorId": "a\0b"}) == "PropertyConstraintViolation"
    assert world.ask("StatusNotification", status("Available")) == {}
