"""The driver's pages in a real browser: from the QR code to the end of a session."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from cloud.store.tables import sessions
from tests.support.page_world import Network, a_browser, a_network, a_server, now


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with a_network(tmp_path) as made:
        yield made


def only_session(network: Network) -> str:
    with network.store.read() as connection:
        return str(connection.scalars(select(sessions.c.id)).one())


def test_a_driver_starts_behind_the_qr_code_and_stops_on_the_own_page(network: Network) -> None:
    code = network.code("cs-1", 1)
    with a_server(network) as origin, a_browser(origin, 390, 844) as browser:
        page = browser.page
        page.goto(f"{origin}/e/{code}")
        expect(page.locator("#status")).to_have_text("available")
        page.click("text=Log in to start")
        browser.log_in("driver")
        expect(page).to_have_url(f"{origin}/e/{code}")

        station = network.accept_next_call()
        page.click("text=Start charging")
        station.join()
        expect(page.locator(".now")).to_contain_text("Plug in your vehicle")
        expect(page.locator("#start")).to_be_hidden()

        session = only_session(network)
        network.change(session, state="charging", transaction_id="tx", started_at=now(), power_w=7000.0, energy_wh=10)
        expect(page.locator(".now .pill")).to_have_text("charging")
        expect(page.locator(".now")).to_contain_text("7.0 kW")

        page.click("text=My charging")
        expect(page).to_have_url(f"{origin}/me")
        expect(page.locator(".now")).to_contain_text("0.01 kWh")
        station = network.accept_next_call()
        page.click("text=Stop charging")
        station.join()
        network.change(session, state="ended", ended_at=now(), energy_wh=5_000)
        expect(page.locator(".now")).to_have_count(0)
        expect(page.locator(".past")).to_contain_text("5.00 kWh")


def test_a_start_that_is_refused_says_why(network: Network) -> None:
    network.charge("cs-1", 1, 7000.0)
    with a_server(network) as origin, a_browser(origin, 390, 844) as browser:
        page = browser.page
        page.goto(f"{origin}/me")
        browser.log_in("driver")
        page.fill("[name=code]", network.code("cs-1", 1).lower())
        page.click("text=Continue")
        page.click("text=Start charging")
        expect(page.locator("#problem")).to_have_text("somebody is charging here")
        # The browser itself writes the answer 409 to the console.
        assert [line for line in browser.wrong if not line.startswith("Failed to load resource")] == []
        browser.wrong.clear()


def test_another_drivers_session_is_not_told(network: Network) -> None:
    with a_server(network) as origin, a_browser(origin) as browser:
        page = browser.page
        page.goto(f"{origin}/me")
        browser.log_in("driver")
        expect(page.locator("#live")).to_have_text("live")
        other = network.charge("cs-1", 2, 7000.0)
        network.change(other, driver="somebody else")
        own = network.charge("cs-2", 1, 9000.0)
        network.change(own, driver=network.people["driver"])
        expect(page.locator(".now")).to_have_count(1)
        expect(page.locator(".now")).to_contain_text("9.0 kW")


def test_a_driver_chooses_when_to_be_told_and_sees_what_was_told(network: Network) -> None:
    with a_server(network) as origin, a_browser(origin, 390, 844) as browser:
        page = browser.page
        page.goto(f"{origin}/me")
        browser.log_in("driver")
        expect(page.locator("#live")).to_have_text("live")
        expect(page.locator("#threshold-shown")).to_have_text("never")
        page.locator("[name=threshold]").fill("80")
        expect(page.locator("#threshold-shown")).to_have_text("80 %")
        page.check("[name=email]")
        page.click("#preferences button")
        expect(page.locator("#preferences-saved")).to_have_text("Saved.")
        page.reload()
        expect(page.locator("#threshold-shown")).to_have_text("80 %")
        expect(page.locator("[name=email]")).to_be_checked()
        expect(page.locator("#live")).to_have_text("live")
        told = {"id": "n", "at": "2026-11-23T12:00:00.000Z", "kind": "soc_threshold", "session_id": "s"}
        network.publish("notification", "n", told | {"text": "Not yours.", "driver": "somebody else"})
        network.publish("notification", "n", told | {"text": "It is at 80 %.", "driver": network.people["driver"]})
        expect(page.locator("#told")).to_contain_text("It is at 80 %.")
        expect(page.locator(".told")).to_have_count(1)
        assert (
            page.evaluate("navigator.serviceWorker.register('/sw.js').then((worker) => worker.scope)") == f"{origin}/"
        )
