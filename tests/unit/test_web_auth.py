"""Logging in: tokens, cookies, slowing down, and requests that a foreign page forged."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from flask.testing import FlaskClient
from sqlalchemy import select

from cloud.store.tables import logins
from cloud.web import auth
from cloud.web.app import create_app
from cloud.web.login import local_path
from cloud.web.throttle import FREE, MOST, Throttle
from tests.support.web_world import NOON, PASSWORD, World, a_world, client, driver, operator


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


def log_in(http: FlaskClient, target: str = "/me", password: str = PASSWORD) -> int:
    """Log a browser in by the form, as a person does."""
    form = {"email": "driver@colonnina.test", "password": password, "next": target, "csrf_token": csrf(http, "/login")}
    return http.post("/login", data=form).status_code


def csrf(http: FlaskClient, page: str) -> str:
    found = re.search(r'name="csrf-token" content="([^"]+)"', http.get(page).text)
    assert found is not None
    return found[1]


def test_a_password_becomes_a_token_with_role_and_end(world: World) -> None:
    body = {"email": " Driver@Colonnina.test", "password": PASSWORD}
    answer = client(world).post("/api/v1/auth/token", body)
    assert answer.status_code == 200
    assert answer.json["role"] == "driver"
    assert answer.json["expires_at"] == "2026-11-24T00:00:00.000Z"


def test_the_database_does_not_hold_the_token(world: World) -> None:
    someone = driver(world)
    with world.store.read() as connection:
        [kept] = connection.scalars(select(logins.c.token_hash))
    assert kept != someone.token
    assert len(kept) == 64


def test_a_token_is_worthless_after_twelve_hours(world: World) -> None:
    someone = driver(world)
    world.pass_time(hours=11, minutes=59)
    assert someone.get("/api/v1/sessions").status_code == 200
    world.pass_time(minutes=1)
    assert someone.get("/api/v1/sessions").status_code == 401


@pytest.mark.parametrize("body", [{"email": "driver@colonnina.test", "password": "x"}, {"email": "x", "password": "x"}])
def test_a_wrong_password_and_an_unknown_email_get_the_same_answer(world: World, body: dict[str, str]) -> None:
    answer = client(world).post("/api/v1/auth/token", body)
    assert answer.status_code == 401
    assert answer.content_type == "application/problem+json"
    assert answer.json == {"title": "Unauthorized", "status": 401, "detail": "wrong e-mail or password"}


def test_guessing_is_answered_with_429_and_when_to_come_back(world: World) -> None:
    someone = client(world)
    body = {"email": "driver@colonnina.test", "password": "x"}
    assert [someone.post("/api/v1/auth/token", body).status_code for _ in range(FREE + 1)] == [401] * FREE + [429]
    world.pass_time(seconds=1)
    assert someone.post("/api/v1/auth/token", body).status_code == 401
    answer = someone.post("/api/v1/auth/token", body | {"password": PASSWORD})
    assert answer.status_code == 429
    assert answer.headers["Retry-After"] == "2"
    world.pass_time(seconds=2)
    assert someone.post("/api/v1/auth/token", body | {"password": PASSWORD}).status_code == 200


def test_each_failure_doubles_the_wait_up_to_a_quarter_of_an_hour() -> None:
    throttle = Throttle()
    waits = []
    for _ in range(16):
        throttle.failed("a", "1.2.3.4", NOON)
        waits.append(throttle.wait("a", "1.2.3.4", NOON).total_seconds())
    assert waits == [0, 0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900, 900, 900]


def test_the_wait_is_for_one_email_from_one_address_and_is_forgotten() -> None:
    throttle = Throttle()
    for _ in range(9):
        throttle.failed("a", "1.2.3.4", NOON)
    assert throttle.wait("a", "5.6.7.8", NOON) == timedelta(0)
    assert throttle.wait("b", "1.2.3.4", NOON) == timedelta(0)
    assert throttle.wait("A ", "1.2.3.4", NOON) > timedelta(0)
    assert throttle.wait("a", "1.2.3.4", NOON + timedelta(hours=2)) == timedelta(0)
    throttle.succeeded("a", "1.2.3.4")
    assert throttle.wait("a", "1.2.3.4", NOON) == timedelta(0)


def test_guessing_with_many_names_does_not_fill_the_memory() -> None:
    throttle = Throttle()
    for number in range(MOST + 50):
        throttle.failed(f"{number}", "1.2.3.4", NOON)
    assert len(throttle._failures) == MOST


def test_a_browser_logs_in_to_where_it_wanted_to_go(world: World) -> None:
    http = create_app(world.services).test_client()
    sent = http.get("/e?code=ABC")
    assert sent.headers["Location"] == "/login?next=%2Fe%3Fcode%3DABC"
    form = {"email": "driver@colonnina.test", "password": PASSWORD, "next": "/me", "csrf_token": csrf(http, "/login")}
    answer = http.post("/login", data=form)
    assert (answer.status_code, answer.headers["Location"]) == (303, "/me")
    cookie = next(line for line in answer.headers.getlist("Set-Cookie") if line.startswith(auth.COOKIE + "="))
    assert re.search("HttpOnly", cookie)
    assert re.search("SameSite=Lax", cookie)
    assert http.get("/me").status_code == 200


def test_the_login_page_says_what_is_wrong_and_keeps_the_email(world: World) -> None:
    http = create_app(world.services).test_client()
    form = {"email": "driver@colonnina.test", "password": "x", "csrf_token": csrf(http, "/login")}
    answer = http.post("/login", data=form)
    assert answer.status_code == 401
    assert re.search("wrong e-mail or password", answer.text)
    assert re.search('value="driver@colonnina.test"', answer.text)


@pytest.mark.parametrize(
    ("target", "allowed"),
    [
        ("/e/ABC?x=1", "/e/ABC?x=1"),
        ("https://evil.test/", "/"),
        ("//evil.test/", "/"),
        ("/\\evil.test", "/"),
        ("/\t/evil.test", "/"),
        ("me", "/"),
        (None, "/"),
    ],
)
def test_a_login_leads_to_paths_of_this_site_only(target: str | None, allowed: str) -> None:
    assert local_path(target) == allowed


def test_logging_out_makes_the_token_worthless(world: World) -> None:
    http = create_app(world.services).test_client()
    log_in(http)
    cookie = http.get_cookie(auth.COOKIE)
    assert cookie is not None
    stolen = cookie.value
    assert http.post("/logout", data={"csrf_token": csrf(http, "/me")}).status_code == 303
    assert http.get("/me").status_code == 302
    assert http.get("/api/v1/sessions", headers={"Authorization": f"Bearer {stolen}"}).status_code == 401


def test_a_request_with_the_cookie_needs_the_token_of_a_page(world: World) -> None:
    http = create_app(world.services).test_client()
    log_in(http)
    answer = http.post("/api/v1/sessions", json={"evse": "cs-1:1"})
    assert (answer.status_code, answer.json["reason"]) == (403, "csrf")
    headers = {"X-CSRFToken": csrf(http, "/me")}
    assert http.post("/api/v1/sessions", json={"evse": "cs-1:1"}, headers=headers).status_code == 404


def test_an_authorization_header_does_not_let_the_cookie_pass_unchecked(world: World) -> None:
    http = create_app(world.services).test_client()
    log_in(http)
    answer = http.post("/api/v1/sessions", json={"evse": "cs-1:1"}, headers={"Authorization": "Basic eDp4"})
    assert answer.status_code == 401


def test_the_login_form_needs_the_token_too(world: World) -> None:
    http = create_app(world.services).test_client()
    answer = http.post("/login", data={"email": "driver@colonnina.test", "password": PASSWORD})
    assert answer.status_code == 403


@pytest.mark.parametrize(
    ("authorization", "cookie", "token"),
    [
        ("Bearer abc", None, "abc"),
        ("bearer  abc ", "colonnina=def", "abc"),
        ("Basic abc", "colonnina=def", None),
        ("Bearer", None, None),
        (None, "other=1; colonnina=def", "def"),
        (None, "other=1", None),
        (None, None, None),
    ],
)
def test_the_header_is_judged_before_the_cookie(authorization: str | None, cookie: str | None, token: str) -> None:
    assert auth.token_of(authorization, cookie) == token


def test_an_admin_has_an_operators_rights_and_an_operator_a_drivers() -> None:
    ranks = {role: auth.Person("1", "", "", role) for role in ("driver", "operator", "admin")}
    allowed = {who: [role for role in ranks if person.may(role)] for who, person in ranks.items()}
    assert allowed == {
        "driver": ["driver"],
        "operator": ["driver", "operator"],
        "admin": ["driver", "operator", "admin"],
    }


def test_home_sends_people_to_their_page(world: World) -> None:
    assert driver(world).get("/").headers["Location"] == "/me"
    assert operator(world).get("/").headers["Location"] == "/operator"
    assert client(world).get("/").headers["Location"] == "/login?next=%2F"
