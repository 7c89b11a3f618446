"""The main job, end to end: bytes from a card reader to the books, on both brokers, whatever dies on the way."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deploy.local.plan import UNKNOWN_CARD
from tests.support import wait_for
from tests.support.demo import Demo

CARD = "04A1B2C3D4E5F6"  # of driver@demo.test


@pytest.fixture(scope="module", params=["mosquitto", "iotcore"])
def demo(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp(request.param), "--no-visitors", "--broker", request.param)
    running.start()
    for station in ("cs-1", "cs-2", "cs-3"):
        running.wait_status(station, "available", 60)
    yield running
    assert running.stop() < 5


def charge(demo: Demo, station: str = "cs-1", connector: int = 1) -> Any:
    """Plug in and tap; answer the session once energy flows."""
    demo.wait_status(station, "available")
    known = {session["id"] for session in demo.sessions(station=station)}
    demo.do(station, "plug", evse=1, connector=connector)
    demo.tap(station, CARD)
    wait_for(lambda: demo.seen(station)["power_w"] > 0, 15)
    return wait_for(
        lambda: next((session for session in demo.sessions(station=station) if session["id"] not in known), None), 15
    )


def finish(demo: Demo, session: Any) -> Any:
    """Tap again and leave; answer the session as it is in the books then, checked against the meter."""
    station = session["station"]
    demo.tap(station, CARD)
    wait_for(lambda: demo.seen(station)["power_w"] == 0, 15)
    demo.do(station, "unplug", evse=1)
    ended = wait_for(lambda: now if (now := demo.session(session["id"]))["state"] == "ended" else None, 30, 0.2)
    register_wh = demo.seen(station)["register_wh"]
    assert ended["start_wh"] + ended["energy_wh"] == pytest.approx(register_wh, abs=1)
    assert ended["energy_wh"] > 0
    assert ended["complete"] is True
    assert ended["flags"] == []
    return ended


def test_a_tap_becomes_a_session_with_the_energy_of_the_meters_register(demo: Demo) -> None:
    session = charge(demo)
    wait_for(lambda: demo.session(session["id"])["energy_wh"] > 0, 15)
    ended = finish(demo, session)
    assert ended["stop_reason"] == "Local"
    status, samples = demo.call("GET", f"/sessions/{session['id']}/samples?measurand=power_w")
    assert status == 200
    assert max(sample["value"] for sample in samples["samples"]) == pytest.approx(7_360, rel=0.6)
    mine = demo.call("GET", f"/sessions/{session['id']}", user="driver")
    assert mine[0] == 200
    assert demo.call("GET", f"/sessions/{session['id']}", user="giulia")[0] == 404


def test_a_card_that_nobody_knows_gets_a_red_light_and_no_transaction(demo: Demo) -> None:
    demo.wait_status("cs-1", "available")
    before = demo.sessions(station="cs-1")
    demo.do("cs-1", "plug", evse=1, connector=1)
    demo.tap("cs-1", UNKNOWN_CARD)
    wait_for(lambda: demo.seen("cs-1")["light"] == {"red": 1, "green": 0, "blue": 0}, 10, 0.05)
    assert demo.seen("cs-1")["connectors"][0]["commanded"] is False
    assert demo.sessions(station="cs-1") == before
    demo.do("cs-1", "unplug", evse=1)


def test_a_silent_meter_opens_the_contactor_and_the_session_goes_on_when_it_answers_again(demo: Demo) -> None:
    session = charge(demo)
    demo.do("cs-1", "meter", evse=1, silent=True)
    demo.wait_status("cs-1", "inoperative")
    wait_for(lambda: demo.evse("cs-1")["detail"] == "Faulted: MeterSilent", 5)
    wait_for(lambda: not demo.seen("cs-1")["connectors"][0]["closed"], 1)
    demo.do("cs-1", "meter", evse=1, silent=False)
    wait_for(lambda: demo.seen("cs-1")["power_w"] > 0, 15)
    demo.wait_status("cs-1", "occupied")
    assert finish(demo, session)["id"] == session["id"]


def test_an_emergency_stop_ends_the_session_and_power_does_not_come_back_by_itself(demo: Demo) -> None:
    session = charge(demo)
    wait_for(lambda: demo.session(session["id"])["energy_wh"] > 0, 15)
    pressed = demo.do("cs-1", "trip", name="emergency_stop", tripped=True)
    coil = wait_for(lambda: found if not (found := contacts(demo))["commanded"] else None, 2, 0.02)
    assert coil["commanded_at"] - pressed < 0.1
    ended = wait_for(lambda: now if (now := demo.session(session["id"]))["state"] == "ended" else None, 15, 0.2)
    assert ended["stop_reason"] == "EmergencyStop"
    demo.wait_status("cs-1", "inoperative")
    demo.do("cs-1", "trip", name="emergency_stop", tripped=False)
    demo.wait_status("cs-1", "occupied")
    assert contacts(demo)["commanded"] is False
    demo.do("cs-1", "unplug", evse=1)


def contacts(demo: Demo) -> Any:
    return demo.seen("cs-1")["connectors"][0]


def test_a_driver_starts_and_stops_from_afar(demo: Demo) -> None:
    code = demo.wait_status("cs-3", "available")["code"]
    status, session = demo.call("POST", "/sessions", {"evse": code}, user="driver")
    assert (status, session["state"]) == (202, "pending")
    status, refusal = demo.call("POST", "/sessions", {"evse": code}, user="giulia")
    assert (status, refusal["reason"]) == (409, "occupied")
    demo.do("cs-3", "plug", evse=1, connector=1)
    wait_for(lambda: demo.session(session["id"])["energy_wh"] > 0, 30, 0.2)
    assert demo.call("POST", f"/sessions/{session['id']}/stop", user="giulia")[0] == 404
    status, _ = demo.call("POST", f"/sessions/{session['id']}/stop", user="driver")
    assert status == 202
    ended = wait_for(lambda: now if (now := demo.session(session["id"]))["state"] == "ended" else None, 15, 0.2)
    assert ended["stop_reason"] == "Remote"
    demo.do("cs-3", "unplug", evse=1)


def test_of_two_connectors_one_is_in_use_and_the_other_cannot_be(demo: Demo) -> None:
    session = charge(demo, "cs-2", connector=2)
    words = wait_for(lambda: found if (found := statuses(demo)) == {1: "Unavailable", 2: "Occupied"} else None, 15, 0.2)
    assert words == {1: "Unavailable", 2: "Occupied"}
    assert demo.seen("cs-2")["connectors"][0]["closed"] is False
    assert finish(demo, session)["connector"] == 2


def statuses(demo: Demo) -> dict[int, str]:
    return {connector["number"]: connector["status"] for connector in demo.evse("cs-2")["connectors"]}


@pytest.mark.parametrize("victim", ["csms-worker", "csms-web", "broker", "cs-1", "bench"])
def test_killing_any_process_in_mid_session_loses_no_energy_and_no_session(demo: Demo, victim: str) -> None:
    before = {session["id"] for session in demo.sessions(station="cs-1")}
    session = charge(demo)
    register_wh = demo.seen("cs-1")["register_wh"]
    demo.restarted(victim, demo.kill(victim))
    wait_for(lambda: alive(demo), 20, 0.2)
    # It charges on: the register has risen by more than it could have before the kill was noticed.
    wait_for(lambda: demo.seen("cs-1")["register_wh"] > register_wh + 8, 40, 0.2)
    ended = finish(demo, session)
    assert {found["id"] for found in demo.sessions(station="cs-1")} - before == {session["id"]}
    assert ended["id"] == session["id"]


def alive(demo: Demo) -> bool:
    try:
        return demo.request("GET", "/healthz")[0] == 200 and demo.seen("cs-1") is not None
    except OSError:
        return False


def test_a_second_demo_on_the_same_ports_says_so_and_exits_with_1(demo: Demo, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "deploy.local", "--port", str(demo.port), "--data", str(tmp_path)]
    second = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
    assert second.returncode == 1
    assert f"in use: port {demo.port} (pages)" in second.stderr
    assert not os.listdir(tmp_path)
