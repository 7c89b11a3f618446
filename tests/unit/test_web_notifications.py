"""/me: preferences, notifications, push subscriptions, and the event that a notice is."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select, update

from cloud.store.tables import deliveries, notices, push_subscriptions
from cloud.web.api.me import MAX_SUBSCRIPTIONS
from cloud.web.auth import Person
from cloud.web.hub import read
from tests.support.notices_world import Browser, unpack
from tests.support.web_world import NOON, World, a_world, client, driver, operator

PREFERENCES = "/api/v1/me/preferences"
NOTIFICATIONS = "/api/v1/me/notifications"
SUBSCRIPTIONS = "/api/v1/me/push-subscriptions"
NEW = {
    "soc_threshold_pct": None,
    "channels": [],
    "language": "en",
    "vehicle": {"battery_kwh": None},
    "station_faults": False,
}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        made.add_station()
        yield made


# -- preferences -------------------------------------------------------------------------------------------------------


def test_somebody_new_has_chosen_nothing(world: World) -> None:
    answer = driver(world).get(PREFERENCES)
    assert (answer.status_code, answer.json) == (200, NEW)


def test_what_is_chosen_is_kept_and_what_is_left_out_stays(world: World) -> None:
    someone = driver(world)
    chosen = {
        "soc_threshold_pct": 80,
        "channels": ["web_push", {"kind": "email", "address": "me@colonnina.test"}],
        "language": "it",
        "vehicle": {"battery_kwh": 58.5},
    }
    channels = [{"kind": "web_push", "address": ""}, {"kind": "email", "address": "me@colonnina.test"}]
    kept = NEW | chosen | {"channels": channels}
    answer = someone.put(PREFERENCES, chosen)
    assert (answer.status_code, answer.json) == (200, kept)
    assert someone.put(PREFERENCES, {"language": "en"}).json == kept | {"language": "en"}
    assert someone.put(PREFERENCES, {}).json == kept | {"language": "en"}
    assert someone.put(PREFERENCES, {"soc_threshold_pct": None}).json["soc_threshold_pct"] is None
    assert operator(world).get(PREFERENCES).json == NEW, "everybody has their own"


def test_what_was_answered_can_be_sent_back(world: World) -> None:
    someone = driver(world)
    someone.put(PREFERENCES, {"soc_threshold_pct": 50, "channels": ["email", "email", "in_app"]})
    kept = someone.get(PREFERENCES).json
    assert kept["channels"] == [{"kind": "email", "address": ""}, {"kind": "in_app", "address": ""}]
    assert someone.put(PREFERENCES, kept).json == kept


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"soc_threshold_pct": 0}, "soc_threshold_pct"),
        ({"soc_threshold_pct": 101}, "soc_threshold_pct"),
        ({"soc_threshold_pct": "80"}, "soc_threshold_pct"),
        ({"soc_threshold_pct": 80.5}, "soc_threshold_pct"),
        ({"language": "de"}, "language"),
        ({"vehicle": {"battery_kwh": 0}}, "vehicle.battery_kwh"),
        ({"channels": ["pigeon"]}, "channels[0].kind"),
        ({"channels": ["in_app", {"kind": "email", "address": "nobody"}]}, "channels[1].address"),
        ({"channels": [{"kind": "apprise", "address": "json://127.0.0.1/x"}]}, "channels[0].address"),
        ({"channels": [{"kind": "apprise"}]}, "channels[0].address"),
        ({"channels": [{"kind": "web_push", "address": "https://127.0.0.1"}]}, "channels[0].address"),
        ({"channels": ["email"] * 11}, "channels"),
        ({"threshold": 80}, "threshold"),
    ],
)
def test_what_cannot_be_chosen_names_its_field_and_changes_nothing(
    world: World, body: dict[str, Any], field: str
) -> None:
    someone = driver(world)
    answer = someone.put(PREFERENCES, {"language": "it", **body})
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    assert someone.get(PREFERENCES).json == NEW


def test_drivers_are_not_told_of_faults_in_other_peoples_sessions(world: World) -> None:
    assert driver(world).put(PREFERENCES, {"station_faults": True}).status_code == 403
    assert operator(world).put(PREFERENCES, {"station_faults": True}).json["station_faults"] is True


@pytest.mark.parametrize("path", [PREFERENCES, NOTIFICATIONS, "/api/v1/me/push-key"])
def test_nobody_is_told_without_a_login(world: World, path: str) -> None:
    assert client(world).get(path).status_code == 401


def test_a_browser_needs_the_token_against_forged_requests(world: World) -> None:
    http = client(world).http
    http.set_cookie("colonnina", driver(world).token or "")
    answer = http.put(PREFERENCES, json={"soc_threshold_pct": 80})
    assert (answer.status_code, answer.json["reason"]) == (403, "csrf")


def test_a_threshold_below_the_present_charge_counts_from_the_next_session_on(world: World) -> None:
    world.add_session(driver=world.people["driver@colonnina.test"], soc_pct=75.0)
    someone = driver(world)
    moot = select(notices.c.kind, notices.c.moot)
    for threshold, kept in ((60, [("soc_threshold", True)]), (80, []), (75, [("soc_threshold", True)]), (None, [])):
        someone.put(PREFERENCES, {"soc_threshold_pct": threshold})
        with world.store.read() as connection:
            assert [tuple(row) for row in connection.execute(moot)] == kept
        assert someone.get(NOTIFICATIONS).json["notifications"] == []


# -- notifications -----------------------------------------------------------------------------------------------------


def tell(world: World, user: str = "driver@colonnina.test", session: int = 1, **states: str) -> str:
    """A notice. states: of its deliveries, by channel."""
    facts = {"station": "cs-1", "evse": 1, "threshold_pct": 80, "soc_pct": 80.0, "soc_source": "measured"}
    key = f"{session:024d}"
    with world.store.write() as connection:
        row = {"id": key, "user": world.people[user], "session": session, "kind": "soc_threshold", "at": NOON}
        no = connection.scalar(insert(notices).values(**row, facts=msgspec.json.encode(facts)).returning(notices.c.no))
        for channel, state in states.items():
            row = {"notice": no, "channel": channel, "target": "", "state": state, "next_at": NOON}
            connection.execute(insert(deliveries).values(**row))
    return key


def test_what_one_was_told_is_listed_with_how_far_it_came(world: World) -> None:
    session = world.add_session(driver=world.people["driver@colonnina.test"])
    key = tell(world, in_app="delivered", email="waiting")
    someone = driver(world)
    (shown,) = someone.get(NOTIFICATIONS).json["notifications"]
    assert shown == {
        "id": key,
        "at": "2026-11-23T12:00:00.000Z",
        "kind": "soc_threshold",
        "session_id": session,
        "text": "The battery has reached 80 %: it is at 80 % (cs-1, EVSE 1).",
        "delivered": False,
        "deliveries": [
            {"channel": "email", "state": "waiting", "at": None},
            {"channel": "in_app", "state": "delivered", "at": None},
        ],
    }
    with world.store.write() as connection:
        connection.execute(update(deliveries).values(state="delivered", done_at=NOON))
    someone.put(PREFERENCES, {"language": "it"})
    (shown,) = someone.get(NOTIFICATIONS).json["notifications"]
    assert (shown["delivered"], shown["text"][:11]) == (True, "La batteria")


def test_nobody_sees_what_others_were_told(world: World) -> None:
    tell(world, in_app="delivered")
    assert operator(world).get(NOTIFICATIONS).json == {"notifications": [], "next": None}


def test_the_list_comes_in_parts_newest_first(world: World) -> None:
    keys = [tell(world, session=number) for number in range(1, 6)]
    someone, found, cursor = driver(world), [], ""
    while True:
        part = someone.get(f"{NOTIFICATIONS}?limit=2{cursor}").json
        found += [shown["id"] for shown in part["notifications"]]
        if part["next"] is None:
            break
        cursor = f"&cursor={part['next']}"
    assert found == keys[::-1]
    assert someone.get(f"{NOTIFICATIONS}?limit=0").status_code == 422


def test_the_event_goes_to_the_one_who_is_told_and_to_nobody_else() -> None:
    told = read("notification", b'{"id":"n","driver":"2","text":"x"}')
    assert told.shown_to(Person("2", "", "", "driver")) == told.whole
    assert told.shown_to(Person("3", "", "", "driver")) is None
    assert told.shown_to(Person("1", "", "", "operator")) is None
    assert told.shown_to(Person("2", "", "", "operator")) == told.whole


# -- web push ----------------------------------------------------------------------------------------------------------


def test_the_push_key_is_a_point_and_stays_the_same(world: World) -> None:
    first, again = (driver(world).get("/api/v1/me/push-key").json["public_key"] for _ in range(2))
    assert first == again
    assert (len(unpack(first)), unpack(first)[0]) == (65, 4)


def subscribed(world: World) -> list[tuple[str, str]]:
    query = select(push_subscriptions.c.user, push_subscriptions.c.endpoint).order_by(push_subscriptions.c.no)
    with world.store.read() as connection:
        return [tuple(row) for row in connection.execute(query)]


def browser(name: str = "one") -> dict[str, Any]:
    return Browser(f"https://fcm.googleapis.com/fcm/send/{name}").subscription


def test_a_browser_subscribes_once_and_may_leave(world: World) -> None:
    someone, one = driver(world), browser()
    answers = [someone.post(SUBSCRIPTIONS, one) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert len(subscribed(world)) == 1
    key = answers[1].json["id"]
    assert operator(world).delete(f"{SUBSCRIPTIONS}/{key}").status_code == 404
    assert someone.delete(f"{SUBSCRIPTIONS}/{key}").status_code == 204
    assert someone.delete(f"{SUBSCRIPTIONS}/{key}").status_code == 404
    assert someone.delete(f"{SUBSCRIPTIONS}/%00").status_code == 404
    assert subscribed(world) == []


def test_a_browser_belongs_to_whoever_used_it_last(world: World) -> None:
    one = browser()
    driver(world).post(SUBSCRIPTIONS, one)
    operator(world).post(SUBSCRIPTIONS, one)
    assert subscribed(world) == [(world.people["operator@colonnina.test"], one["endpoint"])]


def test_of_too_many_browsers_the_oldest_are_forgotten(world: World) -> None:
    someone = driver(world)
    for number in range(MAX_SUBSCRIPTIONS + 2):
        someone.post(SUBSCRIPTIONS, browser(str(number)))
    ends = [endpoint.rpartition("/")[2] for _, endpoint in subscribed(world)]
    assert ends == [str(number) for number in range(2, MAX_SUBSCRIPTIONS + 2)]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": "https://127.0.0.1/x"}, "endpoint"),
        ({"endpoint": "http://fcm.googleapis.com/x"}, "endpoint"),
        ({"keys": {"p256dh": "AAAA", "auth": "AAAA"}}, "keys.p256dh"),
        ({"keys": {"auth": "AAAA"}}, "keys.p256dh"),
        ({"keys": {"p256dh": browser()["keys"]["p256dh"], "auth": "AAAA"}}, "keys.auth"),
    ],
)
def test_a_subscription_that_is_none_names_its_field(world: World, change: dict[str, Any], field: str) -> None:
    answer = driver(world).post(SUBSCRIPTIONS, browser() | change)
    assert (answer.status_code, answer.json["errors"][0]["field"]) == (422, field)
    assert subscribed(world) == []
