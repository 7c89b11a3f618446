"""Accounts at a real Mosquitto with its dynamic-security plugin: made, bounded and removed while it runs."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from cloud.accounts.dynamic_security import DynamicSecurity
from cloud.accounts.port import AccountError, ForeignAccountError, station_account
from cloud.web.app import create_app
from deploy.local.broker import find_mosquitto, prepare
from protocol import topics
from protocol.mqtt import Broker, Link, Message
from protocol.topics import Topic
from tests.conftest import BrokerProcess
from tests.support import free_port, wait_for
from tests.support.web_world import Client, World, a_world, admin

NEW = {"id": "cs-9", "evses": [{"number": 1, "connectors": [{"number": 1}]}]}


@pytest.fixture
def accounts(mosquitto: BrokerProcess) -> Iterator[DynamicSecurity]:
    made = DynamicSecurity(mosquitto.broker)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def boss(tmp_path: Path, accounts: DynamicSecurity) -> Iterator[Client]:
    with a_world(tmp_path) as world:
        yield Client(create_app(_services(world, accounts)).test_client(), admin(world).token)


def _services(world: World, accounts: DynamicSecurity) -> Any:
    services = world.services
    object.__setattr__(services, "accounts", accounts)
    return services


class Speaker:
    """Whoever logs in at the broker. heard: what it was sent. ups: each change of its link, and when."""

    def __init__(self, broker: Broker, name: str, *reads: str) -> None:
        self.heard: list[tuple[str, bytes]] = []
        self.ups: list[tuple[bool, float]] = []
        self.link = Link(
            broker,
            name,
            on_message=self._take,
            on_change=lambda up: self.ups.append((up, time.monotonic())),
            subscriptions=[Topic(read, 1, False) for read in reads],
            session_expiry_s=0,
        )

    def _take(self, message: Message) -> None:
        message.ack()
        self.heard.append((message.topic, message.payload))

    def __enter__(self) -> Speaker:
        self.link.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.link.stop()

    def say(self, topic: str, payload: bytes, *, retain: bool = False) -> None:
        self.link.publish(Topic(topic, 1, retain), payload)


def login(broker: BrokerProcess, credentials: Any) -> Broker:
    return msgspec.structs.replace(broker.broker, username=credentials["username"], password=credentials["password"])


def test_a_new_station_connects_and_is_heard(mosquitto: BrokerProcess, boss: Client) -> None:
    answer = boss.post("/api/v1/stations", NEW)
    assert (answer.status_code, answer.json["advice"]) == (201, "")
    with (
        Speaker(mosquitto.broker, "worker", topics.ALL_UP.name) as csms,
        Speaker(login(mosquitto, answer.json), "cs-9", "cs/cs-9/down") as station,
    ):
        wait_for(lambda: csms.link.up and station.link.up)
        wait_for(lambda: csms.heard or station.say("cs/cs-9/up", b"hello"), period_s=0.1)
        wait_for(lambda: station.heard or csms.say("cs/cs-9/down", b"welcome"), period_s=0.1)
    assert (csms.heard[0], station.heard[0]) == (("cs/cs-9/up", b"hello"), ("cs/cs-9/down", b"welcome"))


def test_it_cannot_touch_anothers_topics_nor_the_accounts(mosquitto: BrokerProcess, boss: Client) -> None:
    answer = boss.post("/api/v1/stations", NEW).json
    foreign = ("cs/#", "cs/cs-1/down", "cs/+/link", "lc/#", "csms/#", "$CONTROL/dynamic-security/v1/response", "#")
    with (
        Speaker(mosquitto.broker, "everything", "cs/#", "lc/#", "csms/#") as csms,
        Speaker(login(mosquitto, answer), "cs-9", *foreign, "cs/cs-9/down") as station,
    ):
        wait_for(lambda: csms.link.up and station.link.up)
        for topic in ("cs/cs-1/up", "cs/cs-1/link", "lc/cs-9/group", "csms/calls"):
            station.say(topic, b"a lie")
        command = {"commands": [{"command": "setDefaultACLAccess", "acls": [{"acltype": "subscribe", "allow": True}]}]}
        station.say("$CONTROL/dynamic-security/v1", json.dumps(command).encode())
        csms.say("cs/cs-1/down", b"for another")
        csms.say("csms/calls", b"for us")
        # What comes after all that shows that all that is over.
        wait_for(
            lambda: ("cs/cs-9/up", b"the end") in csms.heard or station.say("cs/cs-9/up", b"the end"), period_s=0.1
        )
        wait_for(lambda: station.heard or csms.say("cs/cs-9/down", b"the end"), period_s=0.1)
    assert {topic for topic, _ in station.heard} == {"cs/cs-9/down"}
    assert b"a lie" not in {payload for _, payload in csms.heard}


def test_it_is_cut_off_at_once_when_it_is_removed_and_what_the_broker_kept_of_it_goes(
    mosquitto: BrokerProcess, boss: Client
) -> None:
    answer = boss.post("/api/v1/stations", NEW).json
    with Speaker(login(mosquitto, answer), "cs-9") as station:
        wait_for(lambda: station.link.up)
        station.say("cs/cs-9/link", b'{"online":true}', retain=True)
        assert station.link.flush(5)
        removed_at = time.monotonic()
        assert boss.delete("/api/v1/stations/cs-9").status_code == 204
        wait_for(lambda: not station.link.up, 5)
        assert [up for up, _ in station.ups] == [True, False]
        assert station.ups[-1][1] - removed_at < 1.0
    with Speaker(login(mosquitto, answer), "cs-9") as station:
        assert not station.link.wait_up(0.5)
    with Speaker(mosquitto.broker, "later", "cs/+/link", "csms/mark") as later:
        wait_for(lambda: later.heard or later.say("csms/mark", b""), period_s=0.1)
    assert {topic for topic, _ in later.heard} == {"csms/mark"}


def test_a_removed_station_can_be_registered_again_with_another_password(
    mosquitto: BrokerProcess, boss: Client
) -> None:
    first = boss.post("/api/v1/stations", NEW).json
    boss.delete("/api/v1/stations/cs-9")
    second = boss.post("/api/v1/stations", NEW).json
    with Speaker(login(mosquitto, first), "cs-9") as station:
        assert not station.link.wait_up(0.5)
    with Speaker(login(mosquitto, second), "cs-9") as station:
        assert station.link.wait_up(5)


def test_new_credentials_make_the_old_ones_worthless(mosquitto: BrokerProcess, boss: Client) -> None:
    first = boss.post("/api/v1/stations", NEW).json
    with Speaker(login(mosquitto, first), "cs-9") as station:
        assert station.link.wait_up(5)
        second = boss.post("/api/v1/stations/cs-9/credentials").json
        wait_for(lambda: not station.link.up, 5)
    with Speaker(login(mosquitto, second), "cs-9") as station:
        assert station.link.wait_up(5)


def test_a_controller_speaks_for_itself_and_the_stations_behind_it(mosquitto: BrokerProcess, boss: Client) -> None:
    boss.post("/api/v1/stations", NEW)
    answer = boss.post("/api/v1/controllers", {"id": "lc-1", "stations": ["cs-9"]}).json
    with (
        Speaker(mosquitto.broker, "everything", "cs/#", "lc/#") as csms,
        Speaker(login(mosquitto, answer), "lc-1", "cs/cs-9/down") as controller,
    ):
        wait_for(lambda: csms.link.up and controller.link.up)
        controller.say("cs/cs-1/up", b"a lie")
        wait_for(lambda: ("lc/lc-1/group", b"{}") in csms.heard or controller.say("lc/lc-1/group", b"{}"), period_s=0.1)
        wait_for(lambda: ("cs/cs-9/up", b"x") in csms.heard or controller.say("cs/cs-9/up", b"x"), period_s=0.1)
        assert boss.delete("/api/v1/stations/cs-9").status_code == 204
        controller.say("cs/cs-9/up", b"too late")
        csms.heard.clear()
        wait_for(lambda: csms.heard or controller.say("lc/lc-1/group", b"{}"), period_s=0.1)
    assert {topic for topic, _ in csms.heard} == {"lc/lc-1/group"}


def test_accounts_survive_the_end_of_the_broker(mosquitto: BrokerProcess, boss: Client) -> None:
    answer = boss.post("/api/v1/stations", NEW).json
    mosquitto.kill()
    mosquitto.start()
    with Speaker(login(mosquitto, answer), "cs-9") as station:
        assert station.link.wait_up(5)


def test_an_account_that_is_not_ours_is_never_touched(mosquitto: BrokerProcess, accounts: DynamicSecurity) -> None:
    with pytest.raises(ForeignAccountError):
        accounts.put(station_account("csms"), "stolen")
    accounts.remove("csms", "station")
    assert accounts.found() == {"cs-1": "station"}


def test_a_broker_without_the_plugin_says_so(iotcore: BrokerProcess) -> None:
    lonely = DynamicSecurity(iotcore.broker, answer_s=0.5)
    lonely.start()
    try:
        with pytest.raises(AccountError, match="does not answer"):
            lonely.found()
    finally:
        lonely.stop()


def test_many_ask_at_the_same_time(accounts: DynamicSecurity) -> None:
    threads = [
        threading.Thread(target=accounts.put, args=(station_account(f"s{number}"), "secret")) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(accounts.found() or {}) == ["cs-1", *(f"s{number}" for number in range(8))]


def test_without_the_plugin_accounts_are_in_files_and_have_their_own_topics(tmp_path: Path) -> None:
    port = free_port()
    prepared = prepare(tmp_path, "127.0.0.1", port, {"csms": "secret", "cs-1": "secret"}, find_mosquitto())
    broker = Broker(port=port, username="csms", password="secret")
    process = BrokerProcess("mosquitto", list(prepared.argv), broker, True, tmp_path)
    process.start()
    try:
        with (
            Speaker(broker, "everything", "cs/#") as csms,
            Speaker(login(process, {"username": "cs-1", "password": "secret"}), "cs-1") as station,
        ):
            wait_for(lambda: csms.link.up and station.link.up)
            station.say("cs/cs-2/up", b"a lie")
            wait_for(lambda: csms.heard or station.say("cs/cs-1/up", b"hello"), period_s=0.1)
        assert {topic for topic, _ in csms.heard} == {"cs/cs-1/up"}
    finally:
        process.kill()
