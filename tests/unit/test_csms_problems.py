"""Why an EVSE is out of service: what NotifyEvent says is shown beside the status."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cloud import present
from tests.support.csms_world import HEARTBEAT_S, NOON, World, a_world, status


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as opened:
        yield opened


def event(problem: str | None, *, over: bool = False, evse: int = 1, component: str = "EVSE") -> dict[str, Any]:
    variable = {"name": "Problem"} if problem is None else {"name": "Problem", "instance": problem}
    data = {
        "eventId": 1,
        "timestamp": NOON,
        "trigger": "Alerting",
        "actualValue": "false" if over else "true",
        "eventNotificationType": "HardWiredNotification",
        "component": {"name": component, "evse": {"id": evse}},
        "variable": variable,
    }
    return {"generatedAt": NOON, "seqNo": 0, "eventData": [data]}


def detail(world: World, evse: int = 1) -> str:
    with world.store.read() as connection:
        (station,) = present.station_list(connection, world.now, HEARTBEAT_S, ["cs-1"])
    return str(station["evses"][evse - 1]["detail"])


def test_the_problem_is_shown_while_the_evse_is_faulted(world: World) -> None:
    world.ask("StatusNotification", status("Faulted"))
    assert detail(world) == "Faulted"
    assert world.ask("NotifyEvent", event("MeterSilent")) == {}
    assert detail(world) == "Faulted: MeterSilent"


def test_problems_come_and_go_one_by_one_and_coming_twice_is_coming_once(world: World) -> None:
    world.ask("StatusNotification", status("Faulted"))
    for problem in ("MeterSilent", "EmergencyStop", "MeterSilent"):
        world.ask("NotifyEvent", event(problem))
    assert detail(world) == "Faulted: EmergencyStop, MeterSilent"
    world.ask("NotifyEvent", event("MeterSilent", over=True))
    assert detail(world) == "Faulted: EmergencyStop"
    world.ask("NotifyEvent", event("EmergencyStop", over=True))
    assert detail(world) == "Faulted"


def test_it_is_not_shown_of_an_evse_that_works(world: World) -> None:
    world.ask("NotifyEvent", event("MeterSilent"))
    world.ask("StatusNotification", status("Available"))
    assert detail(world) == "Available"


def test_events_of_other_things_and_of_evses_that_nobody_knows_change_nothing(world: World) -> None:
    world.ask("StatusNotification", status("Faulted"))
    for other in (event("Hot", component="Connector"), event("Hot", evse=99), event("Hot", evse=2**70)):
        assert world.ask("NotifyEvent", other) == {}
    assert detail(world) == "Faulted"


def test_a_station_that_invents_problems_cannot_fill_the_row(world: World) -> None:
    world.ask("StatusNotification", status("Faulted"))
    for number in range(100):
        world.ask("NotifyEvent", event(f"{number:02}" + "x" * 40))
    assert len(detail(world)) < 400
