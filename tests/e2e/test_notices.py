"""A driver's threshold, all the way: from the vehicle's own bytes to the page, the mailbox and the browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import wait_for
from tests.support.demo import Demo

CARD = "04A1B2C3D4E5F6"  # of driver@demo.test, who wants to know at 80 %


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    running = Demo(tmp_path, "--no-visitors", "--stations", "1", "--speed", "500")
    running.start()
    running.wait_status("cs-1", "available", 60)
    yield running
    assert running.stop() < 5


def listed(demo: Demo, kind: str) -> list[Any]:
    status, answer = demo.call("GET", "/me/notifications", user="driver")
    assert status == 200
    return [shown for shown in answer["notifications"] if shown["kind"] == kind]


def arrived(demo: Demo) -> list[Any]:
    status, answer = demo.request("GET", "/", port=demo.port + 4)
    assert status == 200
    return list(answer)


def test_a_driver_with_threshold_80_gets_exactly_one_notice_by_each_channel(demo: Demo) -> None:
    demo.do("cs-1", "plug", evse=1, connector=1)
    demo.tap("cs-1", CARD)
    wait_for(lambda: demo.seen("cs-1")["power_w"] > 0, 20)
    demo.restarted("csms-worker", demo.kill("csms-worker"))
    (told,) = wait_for(lambda: listed(demo, "soc_threshold"), 120, 0.5)
    session = demo.session(told["session_id"])
    assert session["soc_pct"] >= 80
    wait_for(lambda: listed(demo, "soc_threshold")[0]["delivered"], 30, 0.2)
    # More samples above it, and a worker that is killed, make no second one.
    demo.restarted("csms-worker", demo.kill("csms-worker"))
    demo.tap("cs-1", CARD)
    wait_for(lambda: demo.session(session["id"])["state"] == "ended", 40, 0.2)
    (ended,) = wait_for(lambda: [one for one in listed(demo, "session_ended") if one["delivered"]], 30, 0.2)
    assert len(listed(demo, "soc_threshold")) == 1

    came = arrived(demo)
    mails = [one for one in came if one["channel"] == "email" and one["text"] == told["text"]]
    pushes = [one for one in came if one["channel"] == "web_push" and one["body"] == told["text"]]
    assert [mail["to"] for mail in mails] == ["driver@demo.test"]
    assert [(push["id"], push["topic"]) for push in pushes] == [(told["id"], told["id"])]
    by_apprise = [one for one in came if one["channel"] == "ntfy" and one["text"] == told["text"]]
    assert [one["topic"] for one in by_apprise] == ["dario"]
    assert sorted(one["channel"] for one in told["deliveries"]) == ["apprise", "email", "in_app", "web_push"]
    assert sorted(one["channel"] for one in came) == ["email", "email", "ntfy", "ntfy", "web_push", "web_push"]
    assert ended["session_id"] == session["id"]
