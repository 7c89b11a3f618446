"""What a station or a person writes is text and nothing else: stored, told and shown to the letter.

On the real wire, in the real API and in a real browser, with what means something to SQL, HTML, templates, CSV, JSON
and InfluxDB's line protocol.
"""

from __future__ import annotations

import csv
import io
import json
import urllib.request
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

import pytest
from playwright.sync_api import Page, expect

from tests.e2e.test_wire import Wire
from tests.support.demo import Demo
from tests.support.page_world import a_browser

NASTY = {
    "SQL": "x'); DROP TABLE sessions;--",
    "HTML": "<img src=x onerror=alert(1)>",
    "an attribute": "\" onclick='alert(1)' x=\"",
    "a script's end": "</script><b>&amp;</b>",
    "a template": "{{7*7}}{% raw %}${7*7}",
    "line protocol": 'a,b=c d=1i 2\\ "\\"',
    "CSV": 'a;"b",c\t=1+1',
    "a path": "../../etc/%2e%2e/%00",
    "beyond ASCII": "Straße 東京 😀 \u202eabc",
}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = Demo(tmp_path_factory.mktemp("metacharacters"), "--no-visitors", "--stations", "1")
    running.start()
    running.wait_status("cs-1", "available", 60)
    yield running
    running.stop()


@pytest.fixture(scope="module")
def wire(demo: Demo) -> Iterator[Wire]:
    with Wire(demo, "cs-1") as connected:
        yield connected


def tell(wire: Wire, action: str, payload: dict[str, Any]) -> None:
    message_id = f"{action}-{datetime.now(UTC).timestamp()}"[:36]
    answer = wire.ask(json.dumps([2, message_id, action, payload]).encode(), message_id)
    assert answer[0] == 3, answer


def get(demo: Demo, path: str) -> Any:
    status, answer = demo.call("GET", path)
    assert status == 200, answer
    return answer


def boot(text: str) -> dict[str, Any]:
    about = {"vendorName": text, "model": text[:20], "serialNumber": text[:25], "firmwareVersion": text}
    return {"reason": "PowerUp", "chargingStation": about}


def event(kind: str, seq_no: int, text: str) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    values = [
        {"value": 1_000.0 + seq_no},
        {"measurand": "Voltage", "value": 230.0, "unitOfMeasure": {"unit": text[:20]}},
    ]
    return {
        "eventType": kind,
        "timestamp": at,
        "triggerReason": "Authorized",
        "seqNo": seq_no,
        "transactionInfo": {"transactionId": text[:36]},
        "idToken": {"idToken": text[:36], "type": "Central"},
        "evse": {"id": 1, "connectorId": 1},
        "meterValue": [{"timestamp": at, "sampledValue": values}],
    }


@pytest.mark.parametrize("what", NASTY)
def test_what_a_station_says_is_kept_to_the_letter(demo: Demo, wire: Wire, what: str) -> None:
    text = NASTY[what]
    tell(wire, "BootNotification", boot(text))
    station = get(demo, "/stations/cs-1")
    assert (station["vendor"], station["model"], station["firmware"]) == (text, text[:20], text)

    tell(wire, "TransactionEvent", event("Started", 0, text))
    tell(wire, "TransactionEvent", event("Ended", 1, text))
    session = get(demo, "/sessions?limit=1")["sessions"][0]
    assert (session["transaction_id"], session["id_token"], session["energy_wh"]) == (text[:36], text[:36], 1)
    samples = get(demo, f"/sessions/{session['id']}/samples?measurand=energy_wh")["samples"]
    assert [sample["value"] for sample in samples] == [1_000.0, 1_001.0]

    alert = {"type": text, "timestamp": session["started_at"], "techInfo": text}
    tell(wire, "SecurityEventNotification", alert)
    message = get(demo, "/stations/cs-1/messages?action=SecurityEventNotification&limit=1")["messages"][0]
    assert (message["payload"]["type"], message["payload"]["techInfo"]) == (text, text)
    frame = get(demo, "/stations/cs-1/frames?action=SecurityEventNotification&direction=in&limit=1")["frames"][0]
    assert frame["payload"]["techInfo"] == text

    wire.ask(json.dumps([2, "no-such", text, {}]).encode(), "no-such")
    letter = get(demo, "/dead-letters?limit=1")["dead_letters"][0]
    assert json.loads(letter["frame"]) == [2, "no-such", text, {}]


@pytest.mark.parametrize("what", NASTY)
def test_what_a_person_writes_is_kept_to_the_letter(demo: Demo, what: str) -> None:
    text = NASTY[what]
    if "\t" in text:
        assert demo.call("POST", "/sites", {"name": text})[0] == 422  # a name is one line
        text = text.replace("\t", "")
    status, site = demo.call("POST", "/sites", {"name": text, "address": text})
    assert (status, site["name"], site["address"]) == (201, text, text)
    assert [one["name"] for one in get(demo, "/sites?limit=500")["sites"]].count(text) == 1
    status, tariff = demo.call("POST", "/tariffs", {"name": text, "currency": "EUR", "energy_per_kwh": "45"})
    assert (status, get(demo, f"/tariffs/{tariff['id']}")["name"]) == (201, text)
    person = {"email": f"{len(text)}-{ord(text[0])}@colonnina.test", "name": text, "password": "a long password"}
    status, driver = demo.call("POST", "/drivers", person)
    assert (status, get(demo, f"/drivers/{quote(driver['id'])}")["name"]) == (201, text)
    assert demo.call("GET", f"/sessions/{quote(text, safe='')}")[0] == 404
    assert demo.call("GET", f"/sessions?station={quote(text)}")[1]["sessions"] == []


def test_the_export_is_read_back_to_the_letter(demo: Demo, wire: Wire) -> None:
    for text in NASTY.values():
        tell(wire, "TransactionEvent", event("Started", 0, f"CSV {text}"[:36]))
        tell(wire, "TransactionEvent", event("Ended", 1, f"CSV {text}"[:36]))
    headers = {"Accept": "text/csv", "Authorization": f"Bearer {demo._token('operator')}"}
    request = urllib.request.Request(f"http://127.0.0.1:{demo.port}/api/v1/sessions", headers=headers)
    with urllib.request.urlopen(request, timeout=10) as answer:
        rows = list(csv.DictReader(io.StringIO(answer.read().decode("utf-8-sig"), newline="")))
    exported = {row["transaction_id"] for row in rows}
    assert {f"CSV {text}"[:36] for text in NASTY.values()} - exported == set()


SHOWN = [NASTY["HTML"], NASTY["an attribute"], NASTY["a script's end"], NASTY["a template"]]
#: What would be there if a text had become a part of the page.
INJECTED = "main img, main b, [onclick], main script"


def log_in(page: Page, email: str, password: str) -> None:
    page.fill("[name=email]", email)
    page.fill("[name=password]", password)
    page.click("text=Log in >> nth=-1")


def test_the_operators_page_shows_it_as_text(demo: Demo, wire: Wire) -> None:
    origin = f"http://127.0.0.1:{demo.port}"
    with a_browser(origin) as browser:
        browser.page.goto(f"{origin}/operator")
        log_in(browser.page, "operator@demo.test", "colonnina")
        for text in SHOWN:
            tell(wire, "BootNotification", boot(text))
            tell(wire, "TransactionEvent", event("Started", 0, f"page {text}"))
            tell(wire, "TransactionEvent", event("Ended", 1, f"page {text}"))
            browser.page.reload()
            expect(browser.page.locator(".station .about")).to_have_text(f"{text} {text[:20]}".strip() + f" · {text}")
            assert browser.page.locator(INJECTED).count() == 0


@pytest.mark.parametrize("text", SHOWN[::2])
def test_a_drivers_pages_show_it_as_text(demo: Demo, text: str) -> None:
    person = {"email": f"shown-{len(text)}@colonnina.test", "name": text, "password": "a long password"}
    assert demo.call("POST", "/drivers", person)[0] == 201
    origin = f"http://127.0.0.1:{demo.port}"
    with a_browser(origin) as browser:
        browser.page.goto(f"{origin}/me")
        log_in(browser.page, person["email"], person["password"])
        expect(browser.page.locator(".who")).to_have_text(text)
        browser.page.goto(f"{origin}/e?code={quote(text)}")  # a code that was typed is shown once more
        expect(browser.page.locator("[name=code]")).to_have_value(text)
        assert browser.page.locator(INJECTED).count() == 0
        # There is no such code, and the browser says so on its console.
        browser.wrong = [one for one in browser.wrong if "404 (Not Found)" not in one]
