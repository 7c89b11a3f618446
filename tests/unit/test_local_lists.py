"""Local authorization lists (OCPP 2.0.1, D01): each station is told what it lacks, in order, until it knows all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from cloud.csms import Csms
from cloud.local_lists import Tokens
from cloud.store.queue import queue_call
from cloud.store.registry import put_id_token, remove_id_token
from cloud.store.tables import local_lists, station_variables
from protocol.envelope import Call, CallResult
from tests.support.csms_world import HEARTBEAT_S, UNHURRIED, World, a_world


class Site:
    """A CSMS that keeps local lists, one card, and station cs-1, which is online."""

    def __init__(self, world: World, tokens: Tokens) -> None:
        self.world = world
        world.csms = Csms(
            world.store,
            world.series,
            world.publish,
            now=world.clock,
            heartbeat_s=HEARTBEAT_S,
            limits=UNHURRIED,
            tokens=tokens,
        )

    def put(self, *cards: str, kind: str = "ISO14443", **columns: Any) -> None:
        with self.world.store.write() as connection:
            for card in cards:
                put_id_token(connection, card, kind, **columns)

    def remove(self, card: str) -> None:
        with self.world.store.write() as connection:
            remove_id_token(connection, card, "ISO14443")

    def tell(self, **limits: str) -> None:
        """The station has reported how much it takes."""
        with self.world.store.write() as connection:
            for variable, value in limits.items():
                row = {"station": "cs-1", "component": "LocalAuthListCtrlr", "variable": variable, "value": value}
                row |= {"attribute": "Actual", "mutability": "ReadOnly", "persistent": True, "constant": True}
                row |= {"report": 1, "at": self.world.now}
                row |= {"max_limit": float(value)} if variable == "Entries" else {}
                connection.execute(insert(station_variables).values(**row))

    def push(self, answer: str | None = "Accepted") -> list[tuple[str, int, list[str]]]:
        """What the station is sent until there is no more: (type, version, tokens; those taken out with a minus)."""
        sent = []
        for _ in range(50):
            calls = [call for call in self.world.tick() if call.action == "SendLocalList"]
            if not calls:
                return sent
            [call] = calls
            sent.append(_told(call))
            if answer is None:
                return sent
            self.world.take(CallResult(call.message_id, {"status": answer}))
            if answer != "Accepted":
                return sent
        raise AssertionError("there is no end of it")

    def row(self) -> Any:
        with self.world.store.read() as connection:
            return connection.execute(select(local_lists)).one()


def _told(call: Call) -> tuple[str, int, list[str]]:
    payload = msgspec.json.decode(call.payload) if not isinstance(call.payload, dict) else call.payload
    entries: Sequence[Any] = payload.get("localAuthorizationList", [])
    names = [("" if "idTokenInfo" in entry else "-") + entry["idToken"]["idToken"] for entry in entries]
    return payload["updateType"], payload["versionNumber"], names


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


@pytest.fixture
def site(world: World) -> Site:
    return Site(world, Tokens())


def test_a_station_is_sent_all_first_and_then_only_what_changed(site: Site) -> None:
    assert site.push() == [("Full", 1, ["04A1B2C3"])]
    assert site.push() == []
    site.put("04000001", "04000002")
    site.put("04A1B2C3", status="Blocked")
    assert site.push() == [("Differential", 4, ["04000001", "04000002", "04A1B2C3"])]
    site.remove("04000001")
    assert site.push() == [("Differential", 5, ["-04000001"])]
    site.put("04000001")
    assert site.push() == [("Differential", 6, ["04000001"])]
    assert site.push() == []


def test_an_entry_says_all_that_the_station_needs_offline(site: Site) -> None:
    expires_at = site.world.now + timedelta(days=1)
    site.put("04000001", status="Accepted", expires_at=expires_at, group_id="FLEET")
    site.put("04000002", status="Accepted", expires_at=site.world.now)
    [call] = site.world.tick()
    assert isinstance(call.payload, msgspec.Raw)
    [_, first, second] = msgspec.json.decode(call.payload)["localAuthorizationList"]
    assert first == {
        "idToken": {"idToken": "04000001", "type": "ISO14443"},
        "idTokenInfo": {
            "status": "Accepted",
            "cacheExpiryDateTime": "2026-11-24T12:00:00.000Z",
            "groupIdToken": {"idToken": "FLEET", "type": "Central"},
        },
    }
    assert second["idTokenInfo"] == {"status": "Expired"}


def test_tokens_that_no_reader_sees_are_not_sent(site: Site) -> None:
    site.push()
    site.put("Dsomebody", kind="Central", driver=None)
    assert site.push() == []


def test_a_list_is_split_as_the_station_wants_it_and_goes_on_where_it_was(site: Site) -> None:
    site.tell(ItemsPerMessage="2")
    site.put(*(f"0400000{number}" for number in range(4)))
    assert site.push(answer=None) == [("Full", 2, ["04A1B2C3", "04000000"])]
    site.world.pass_time(HEARTBEAT_S)  # no answer: the call lapses
    site.world.ask("Heartbeat", {})
    assert site.push() == []
    site.world.pass_time(HEARTBEAT_S)
    site.world.ask("Heartbeat", {})
    assert site.push() == [
        ("Full", 2, ["04A1B2C3", "04000000"]),
        ("Differential", 4, ["04000001", "04000002"]),
        ("Differential", 5, ["04000003"]),
    ]


def test_no_message_is_larger_than_the_station_takes(site: Site) -> None:
    site.tell(BytesPerMessage="500")
    site.put(*(f"0400000{number}" for number in range(8)))
    sent = site.push()
    assert [token for _, _, tokens in sent for token in tokens] == [
        "04A1B2C3",
        *(f"0400000{number}" for number in range(8)),
    ]
    assert [kind for kind, _, _ in sent] == ["Full"] + ["Differential"] * (len(sent) - 1)
    assert len(sent) > 2


def test_on_a_version_mismatch_all_of_it_is_sent_again_at_once(site: Site) -> None:
    site.push()
    site.put("04000001")
    assert site.push("VersionMismatch") == [("Differential", 2, ["04000001"])]
    assert site.push() == [("Full", 2, ["04A1B2C3", "04000001"])]
    assert site.push() == []


def test_a_station_that_refuses_is_asked_again_later_and_less_and_less_often(site: Site) -> None:
    assert site.push("Failed") == [("Full", 1, ["04A1B2C3"])]
    asked = []
    for second in range(0, 400, 10):
        site.world.pass_time(10)
        site.world.ask("Heartbeat", {})
        if site.push("Failed"):
            asked.append(second + 10)
    assert asked == [30, 90, 210]
    assert (site.row().status, site.row().version) == ("Failed", 0)


def test_a_station_that_is_offline_is_told_when_it_is_back(site: Site) -> None:
    site.push()
    site.world.link(b'{"online":false}')
    site.put("04000001")
    assert site.push() == []
    site.world.link()
    assert site.push() == [("Differential", 2, ["04000001"])]


def test_where_there_are_more_tokens_than_fit_those_that_may_charge_go_first(world: World) -> None:
    site = Site(world, Tokens(local_list_max=2))
    site.put("04000001", status="Blocked")
    site.put("04000002")
    assert site.push() == [("Full", 3, ["04A1B2C3", "04000002"])]
    site.put("04A1B2C3", status="Blocked")
    site.put("04000003")
    assert site.push() == [("Full", 5, ["04000002", "04000003"])]
    site.remove("04000002")
    site.remove("04000003")
    assert site.push() == [("Full", 7, ["04000001", "04A1B2C3"])]
    site.remove("04000001")
    assert site.push() == [("Differential", 8, ["-04000001"])]


def test_a_bounded_list_that_is_split_goes_on_where_it_was(world: World) -> None:
    site = Site(world, Tokens(local_list_max=3))
    site.tell(ItemsPerMessage="2")
    site.put("04000001", "04000002", "04000003")
    assert site.push() == [("Full", 2, ["04A1B2C3", "04000001"]), ("Differential", 4, ["04000002"])]
    assert site.push() == []


def test_a_station_that_keeps_fewer_gets_fewer(site: Site) -> None:
    site.tell(Entries="1")
    site.put("04000001")
    assert site.push() == [("Full", 2, ["04A1B2C3"])]


def test_an_empty_list_empties_the_stations(site: Site) -> None:
    site.remove("04A1B2C3")
    assert site.push() == [("Full", 2, [])]


def test_a_list_that_an_operator_sends_is_none_of_ours(site: Site) -> None:
    site.push()
    with site.world.store.write() as connection:
        queue_call(
            connection,
            "cs-1",
            "SendLocalList",
            b'{"versionNumber": 9, "updateType": "Full"}',
            now=site.world.now,
            expires_at=site.world.now + timedelta(seconds=10),
        )
    [call] = site.world.wake()
    site.world.take(CallResult(call.message_id, {"status": "Accepted"}))
    assert site.row().version == 1


def test_lists_can_be_switched_off(world: World) -> None:
    assert Site(world, Tokens(local_lists=False)).push() == []
