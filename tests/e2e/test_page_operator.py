"""The operator's page in a real browser: what happens in the network is seen at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.page_world import Network, a_browser, a_network, a_server, now


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with a_network(tmp_path) as made:
        yield made


def test_an_operator_sees_the_network_and_what_changes_in_it(network: Network) -> None:
    first = network.charge("cs-1", 1, 7300.0)
    with a_server(network) as origin, a_browser(origin) as browser:
        page = browser.page
        page.goto(f"{origin}/")
        assert page.url == f"{origin}/login?next=%2F"
        browser.log_in("operator")
        expect(page).to_have_url(f"{origin}/operator")
        expect(page.locator("#live")).to_have_text("live")

        expect(page.locator("#total-power")).to_have_text("7.3 kW")
        expect(page.locator("#total-available")).to_have_text("3 of 4")
        card = page.locator(".station", has_text="cs-1")
        expect(card.locator(".evse >> nth=0 >> .pill")).to_have_text("occupied")
        expect(card.locator(".evse >> nth=0")).to_contain_text("1.23 kWh")
        expect(card.locator(".evse >> nth=1 >> .pill")).to_have_text("available")
        row = page.locator("#sessions tr")
        expect(row).to_have_count(1)

        # The chart has the past from the samples, one band for the one station that gave power.
        expect(page.locator(".u-legend .u-series .u-label")).to_have_text(["Time", "cs-1"])
        assert page.evaluate("document.querySelector('.uplot canvas').width") > 0

        network.change(first, power_w=11_000.0, energy_wh=2_500, updated_at=now())
        expect(page.locator("#total-power")).to_have_text("11.0 kW")
        expect(card.locator(".evse >> nth=0")).to_contain_text("2.50 kWh")

        second = network.charge("cs-2", 2, 3000.0)
        network.change(second, energy_wh=100)
        expect(row).to_have_count(2)
        expect(page.locator("#total-power")).to_have_text("14.0 kW")
        expect(page.locator(".u-legend .u-series .u-label")).to_have_text(["Time", "cs-1", "cs-2"])

        network.change(second, state="ended", ended_at=now(), power_w=0.0, stop_reason="EVDisconnected")
        expect(row.first).to_contain_text("Vehicle unplugged")
        expect(page.locator("#total-charging")).to_have_text("1")
        expect(page.locator(".station", has_text="cs-2").locator(".evse >> nth=1 >> .pill")).to_have_text("available")


def test_an_operator_stops_a_session_from_the_table(network: Network) -> None:
    session = network.charge("cs-1", 1, 7300.0)
    with a_server(network) as origin, a_browser(origin) as browser:
        page = browser.page
        page.goto(f"{origin}/operator")
        browser.log_in("operator")
        station = network.accept_next_call()
        page.click("#sessions button")
        station.join()
        network.change(session, state="ended", ended_at=now(), power_w=0.0, stop_reason="Remote")
        expect(page.locator("#sessions tr")).to_contain_text("Remotely")
        expect(page.locator("#sessions button")).to_be_hidden()


def test_the_operators_page_fits_a_phone(network: Network) -> None:
    network.charge("cs-1", 1, 7300.0)
    with a_server(network) as origin, a_browser(origin, 390, 844) as browser:
        page = browser.page
        page.goto(f"{origin}/operator")
        browser.log_in("operator")
        expect(page.locator("#live")).to_have_text("live")
        assert page.evaluate("document.documentElement.scrollWidth") == 390


def test_the_page_of_the_api_is_our_own_from_end_to_end(network: Network) -> None:
    with a_server(network) as origin, a_browser(origin) as browser:
        browser.page.goto(f"{origin}/api/docs")
        expect(browser.page.locator("#operations-Sessions-get__api_v1_sessions")).to_be_visible()
