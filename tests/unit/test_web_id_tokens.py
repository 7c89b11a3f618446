"""Id tokens over the API: one by one, and as a file."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from cloud.store.tables import id_tokens
from tests.support.web_world import Client, World, a_world, admin, client, driver, operator

PATH = "/api/v1/id-tokens"
CARD = {"id_token": "04:a1:b2:c3", "type": "ISO14443"}


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with a_world(tmp_path) as made:
        yield made


@pytest.fixture
def someone(world: World) -> Client:
    return operator(world)


def kept(world: World) -> dict[str, tuple[str, str, str | None, str | None]]:
    with world.store.read() as connection:
        rows = connection.execute(select(id_tokens)).all()
    return {row.id_token: (row.type, row.status, row.driver, row.group_id) for row in rows}


def test_a_token_is_added_changed_and_removed(world: World, someone: Client) -> None:
    answer = someone.post(PATH, CARD | {"driver": "Driver@colonnina.test", "group": "FLEET"})
    assert (answer.status_code, answer.headers["Location"]) == (201, f"{PATH}/04A1B2C3?type=ISO14443")
    expected = {
        "id_token": "04A1B2C3",
        "type": "ISO14443",
        "status": "Accepted",
        "driver": world.people["driver@colonnina.test"],
        "expires_at": None,
        "group": "FLEET",
        "master_pass": False,
    }
    assert answer.json == someone.get(f"{PATH}/04a1b2c3").json == expected
    change = {"status": "Blocked", "driver": None, "expires_at": "2027-01-01T01:00:00+01:00"}
    expected |= {"status": "Blocked", "driver": None, "expires_at": "2027-01-01T00:00:00.000Z"}
    assert someone.patch(f"{PATH}/04A1B2C3", change).json == expected
    assert someone.delete(f"{PATH}/04A1B2C3").status_code == 204
    assert someone.get(f"{PATH}/04A1B2C3").status_code == 404


@pytest.mark.parametrize(
    ("id_token", "kind", "kept_as"),
    [
        ("04 a1 b2 c3 d4 e5 f6", "ISO14443", "04A1B2C3D4E5F6"),
        ("e004010012345678", "ISO15693", "E004010012345678"),
        ("00:1a:2b:3c:4d:5e", "MacAddress", "001A2B3C4D5E"),
        ("it-abc-c12345678-x", "eMAID", "IT-ABC-C12345678-X"),
        ("1234", "KeyCode", "1234"),
        ("anything@example.org", "Central", "ANYTHING@EXAMPLE.ORG"),
    ],
)
def test_every_type_is_kept_in_one_form(someone: Client, id_token: str, kind: str, kept_as: str) -> None:
    assert someone.post(PATH, {"id_token": id_token, "type": kind}).json["id_token"] == kept_as


@pytest.mark.parametrize(
    "body",
    [
        {"id_token": "04A1B2"},
        {"id_token": "04A1B2C3", "type": "ISO15693"},
        {"id_token": "XYZ", "type": "eMAID"},
        {"id_token": "a b", "type": "KeyCode"},
        {"id_token": "<script>", "type": "Central"},
        {"id_token": "x" * 37, "type": "Central"},
        {"id_token": "04A1B2C3", "type": "Barcode"},
        {"id_token": "04A1B2C3", "status": "Lovely"},
        {"id_token": "04A1B2C3", "driver": "nobody@colonnina.test"},
        {"id_token": "04A1B2C3", "group": "a group"},
        {"id_token": "04A1B2C3", "expires_at": "2027-01-01"},
        {"id_token": "04A1B2C3", "colour": "red"},
    ],
)
def test_what_is_no_token_is_refused(world: World, someone: Client, body: dict[str, Any]) -> None:
    answer = someone.post(PATH, body)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert kept(world) == {}


def test_a_token_cannot_be_added_twice_and_types_are_told_apart(someone: Client) -> None:
    someone.post(PATH, CARD)
    assert someone.post(PATH, CARD).json["reason"] == "exists"
    someone.post(PATH, {"id_token": "04A1B2C3", "type": "KeyCode"})
    answer = someone.delete(f"{PATH}/04A1B2C3")
    assert (answer.status_code, answer.json["reason"]) == (409, "ambiguous")
    assert someone.delete(f"{PATH}/04A1B2C3?type=KeyCode").status_code == 204
    assert someone.get(f"{PATH}/04A1B2C3").json["type"] == "ISO14443"


def test_tokens_are_listed_in_parts_and_by_what_is_asked(someone: Client) -> None:
    for number in range(5):
        someone.post(PATH, {"id_token": f"0400000{number}", "status": "Blocked" if number == 3 else "Accepted"})
    first = someone.get(f"{PATH}?limit=2").json
    second = someone.get(f"{PATH}?limit=2&cursor={first['next']}").json
    third = someone.get(f"{PATH}?limit=2&cursor={second['next']}").json
    shown = [token["id_token"] for part in (first, second, third) for token in part["id_tokens"]]
    assert (shown, third["next"]) == ([f"0400000{number}" for number in range(5)], None)
    [blocked] = someone.get(f"{PATH}?status=Blocked").json["id_tokens"]
    assert blocked["id_token"] == "04000003"
    assert someone.get(f"{PATH}?driver=driver@colonnina.test").json["id_tokens"] == []


def test_drivers_may_not_see_or_change_tokens(world: World) -> None:
    for who, status in ((driver(world), 403), (client(world), 401)):
        answers = [
            who.get(PATH),
            who.get(f"{PATH}/04A1B2C3"),
            who.post(PATH, CARD),
            who.patch(f"{PATH}/04A1B2C3", {}),
            who.delete(f"{PATH}/04A1B2C3"),
            who.upload(f"{PATH}/import", b"id_token\n04A1B2C3\n"),
            who.upload(PATH, b"id_token\n04A1B2C3\n"),
        ]
        assert {answer.status_code for answer in answers} == {status}
    assert admin(world).get(PATH).status_code == 200


def test_a_file_comes_in_as_people_have_it(world: World, someone: Client) -> None:
    someone.post(PATH, {"id_token": "04000002"})
    someone.post(PATH, {"id_token": "04000003", "group": "FLEET"})
    file = (
        "Numero tessera;E-mail;Stato;Scadenza;Società\r\n"
        "04:00:00:01;driver@colonnina.test;Attiva;31/12/2026;x\r\n"
        "\r\n"
        "04000002;;bloccata;;\r\n"
        "04000003;;;;\r\n"
    ).encode("cp1252")
    preview = someone.upload(f"{PATH}/import?dry_run=true", file).json
    assert (preview["applied"], preview["added"], preview["changed"], preview["same"]) == (False, 1, 1, 1)
    assert preview["columns"] == {
        "id_token": "Numero tessera",
        "driver": "E-mail",
        "status": "Stato",
        "expires_at": "Scadenza",
    }
    assert [(row["line"], row["change"]) for row in preview["rows"]] == [(2, "added"), (4, "changed"), (5, "same")]
    assert kept(world).keys() == {"04000002", "04000003"}
    answer = someone.upload(PATH, file)
    assert (answer.status_code, answer.json["applied"]) == (200, True)
    assert kept(world) == {
        "04000001": ("ISO14443", "Accepted", world.people["driver@colonnina.test"], None),
        "04000002": ("ISO14443", "Blocked", None, None),
        "04000003": ("ISO14443", "Accepted", None, "FLEET"),
    }
    assert someone.get(f"{PATH}/04000001").json["expires_at"] == "2027-01-01T00:00:00.000Z"


def test_a_file_with_a_bad_row_changes_nothing_and_every_bad_row_is_told(world: World, someone: Client) -> None:
    file = b"uid,status,driver\n04000001,Accepted,\nnonsense,,\n\n04000002,Lovely,\n"
    file += b"04000001,,\n04000003,,who@x.test\n1,2,3,4\n"
    answer = someone.upload(f"{PATH}/import", file)
    assert (answer.status_code, answer.json["reason"]) == (422, "rows")
    told = {error["field"]: error["message"] for error in answer.json["errors"]}
    assert list(told) == ["line 3", "line 5", "line 6", "line 7", "line 8"]
    assert told["line 6"] == "04000001 is in line 2 already"
    assert told["line 7"] == "there is no user who@x.test"
    assert told["line 8"] == "more cells than the header has"
    preview = someone.upload(f"{PATH}/import?dry_run=true", file).json
    assert [fault["line"] for fault in preview["faults"]] == [3, 5, 6, 7, 8]
    assert (preview["added"], kept(world)) == (1, {})


@pytest.mark.parametrize(
    "file",
    [
        b"04000001\n04000002\n",
        b"04000001,driver@colonnina.test\n04000002,driver@colonnina.test\n",
        b"\xef\xbb\xbfidTag,parentIdTag\n04000001,\n04000002,\n",
        "UID\tName\n04000001\tZoë\n04000002\tx\n".encode("utf-16"),
        b'[{"token": "04000001"}, {"token": "04000002"}]',
        b"uid\r\n04000001\r\n04000002",
    ],
    ids=["one column", "no header", "byte order mark", "utf-16 with tabs", "json", "no last line end"],
)
def test_headers_separators_and_encodings_are_guessed(world: World, someone: Client, file: bytes) -> None:
    answer = someone.upload(f"{PATH}/import", file)
    assert (answer.status_code, sorted(kept(world))) == (200, ["04000001", "04000002"])


@pytest.mark.parametrize(
    "file",
    [b"", b"\n\n", b"name,colour\nx,y\n", b"\0\0\0", b"{", b"[1, 2]", b"\xff\xfe\x00", b'"', b"=1+1\n"],
    ids=repr,
)
def test_what_is_no_such_file_is_refused(world: World, someone: Client, file: bytes) -> None:
    answer = someone.upload(f"{PATH}/import", file)
    assert (answer.status_code, answer.content_type) == (422, "application/problem+json")
    assert kept(world) == {}


def test_an_export_harms_no_spreadsheet_and_comes_in_again(world: World, someone: Client) -> None:
    someone.post(PATH, {"id_token": "=1+1", "type": "KeyCode", "group": "@SUM"})
    someone.post(PATH, CARD | {"driver": "driver@colonnina.test", "expires_at": "2027-01-01T00:00:00Z"})
    answer = someone.get(PATH, Accept="text/csv")
    assert answer.content_type == "text/csv; charset=utf-8"
    assert list(csv.reader(io.StringIO(answer.text))) == [
        ["id_token", "type", "status", "driver", "expires_at", "group"],
        ["04A1B2C3", "ISO14443", "Accepted", "driver@colonnina.test", "2027-01-01T00:00:00.000Z", ""],
        ["'=1+1", "KeyCode", "Accepted", "", "", "'@SUM"],
    ]
    before = kept(world)
    again = someone.upload(f"{PATH}/import", answer.data).json
    assert (again["same"], again["added"], again["changed"]) == (2, 0, 0)
    someone.delete(f"{PATH}/04A1B2C3")
    someone.delete(f"{PATH}/=1+1")
    assert someone.upload(f"{PATH}/import", answer.data).json["added"] == 2
    assert kept(world) == before
