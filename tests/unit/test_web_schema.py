"""The API against its own description: whatever is sent, and by whom ever, the answer is one that OpenAPI tells of.

Requests are made by schemathesis from /api/openapi.json, such as it allows and such as it does not. Everybody who could
be asking tries every operation, on a network with a station, sessions, a card, a tariff and a site. What is made up
comes out the same every time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from cloud.series.port import Point
from cloud.web.app import create_app
from tests.support.web_world import NOON, World, a_world, admin, client

#: Of each kind for each operation; `COLONNINA_EXAMPLES` times as many to search more.
EXAMPLES = {None: 1, "driver": 2, "operator": 3, "admin": 4}
MORE = int(os.environ.get("COLONNINA_EXAMPLES", "1"))
CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
#: Served by asgi.py and not by Flask, and never ends: see test_web_events.py.
ELSEWHERE = ["/api/v1/events"]
MODES = [GenerationMode.POSITIVE, GenerationMode.NEGATIVE]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        yield made


def fill(world: World) -> dict[str, str]:
    """Something of every kind. Answers what to put into an address to find it."""
    mine = world.add_session(driver=world.people["driver@colonnina.test"])
    world.add_session(evse=2, state="ended", ended_at=NOON)
    world.series.write([Point("cs-1", 1, NOON, {"energy_wh": 1_000.0, "power_w": 7_000.0})])
    boss = admin(world)
    made = {
        "id-tokens": {"id_token": "04A1B2C3", "type": "ISO14443"},
        "tariffs": {"name": "plain", "currency": "EUR", "energy_per_kwh": "45"},
        "sites": {"name": "Rome"},
        "controllers": {"id": "lc-1"},
        "drivers": {"email": "another@colonnina.test", "password": "another password"},
    }
    answers = {}
    for kind, body in made.items():
        answer = boss.post(f"/api/v1/{kind}", body)
        assert answer.status_code == 201, answer.text
        answers[kind] = answer.json
    return {
        "station": "cs-1",
        "evse": "cs-1:1",
        "session": mine,
        "action": "Reset",
        "id_token": "04A1B2C3",
        "tariff": answers["tariffs"]["id"],
        "site": answers["sites"]["id"],
        "driver": answers["drivers"]["id"],
        "controller": "lc-1",
    }


@pytest.mark.parametrize("role", EXAMPLES)
def test_every_answer_is_one_that_the_description_tells_of(world: World, role: str | None) -> None:
    there = fill(world)
    someone = client(world, role and f"{role}@colonnina.test")
    headers = {} if someone.token is None else {"Authorization": f"Bearer {someone.token}"}
    schema = schemathesis.openapi.from_wsgi("/api/openapi.json", create_app(world.services))
    found: dict[str, str] = {}
    for result in schema.exclude(path=ELSEWHERE).get_all_operations():
        operation = result.ok()
        tried = settings(
            max_examples=MORE * EXAMPLES[role],
            phases=[Phase.explicit, Phase.generate],
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        )
        for mode in MODES:

            @tried
            @given(case=operation.as_strategy(generation_mode=mode), known=st.booleans())
            def tell(case: Any, known: bool) -> None:
                if known and case.path_parameters:  # else there is hardly ever such a thing
                    case.path_parameters |= {name: there[name] for name in case.path_parameters if name in there}
                case.call_and_validate(checks=CHECKS, headers=headers)

            try:
                tell()
            except FailureGroup as group:
                found[f"{operation.label}, {mode.value}"] = "; ".join(str(one) for one in group.exceptions)
    assert found == {}
