"""What charging costs, on the pages: before, while and after."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from playwright.sync_api import expect
from sqlalchemy import insert, select

from cloud.domain.tariffs import Tariff
from cloud.store import tariffs
from cloud.store.tables import preferences, sessions
from tests.support.page_world import Network, a_browser, a_network, a_server, now


@pytest.fixture
def network(tmp_path: Path) -> Iterator[Network]:
    with a_network(tmp_path) as made:
        with made.store.write() as connection:
            tariffs.create(connection, "day", "Day", Tariff("EUR", energy_per_kwh=Decimal(45)), now())
            tariffs.place(connection, tariffs.DEFAULT, "", "day", now())
            connection.execute(insert(preferences).values(user=made.people["driver"], battery_kwh=50.0))
        yield made


def test_a_driver_sees_the_price_then_the_cost_and_may_type_the_state_of_charge(network: Network) -> None:
    code = network.code("cs-1", 1)
    with a_server(network) as origin, a_browser(origin, 390, 844) as browser:
        page = browser.page
        page.goto(f"{origin}/e/{code}")
        expect(page.locator(".facts")).to_contain_text("0.45 EUR/kWh")
        page.click("text=Log in to start")
        browser.log_in("driver")
        page.fill("#soc", "35")
        station = network.accept_next_call()
        page.click("text=Start charging")
        station.join()
        expect(page.locator(".now")).to_contain_text("35 %")
        with network.store.read() as connection:
            session = str(connection.scalars(select(sessions.c.id)).one())
        more = {"state": "charging", "transaction_id": "tx", "started_at": now(), "energy_wh": 5_000}
        network.change(session, **more, cost=225, currency="EUR")
        expect(page.locator(".now")).to_contain_text("€2.25")
        page.click("text=My charging")
        network.change(session, state="ended", ended_at=now(), energy_wh=10_000, cost=450)
        expect(page.locator(".past")).to_contain_text("€4.50")


def test_an_operator_sees_what_each_session_costs(network: Network) -> None:
    session = network.charge("cs-1", 1, 7000.0)
    network.change(session, cost=1234, currency="JPY")
    with a_server(network) as origin, a_browser(origin) as browser:
        browser.page.goto(f"{origin}/operator")
        browser.log_in("operator")
        expect(browser.page.locator("#sessions tr").first).to_contain_text("¥1,234")
