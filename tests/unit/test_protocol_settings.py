"""A settings file that is wrong says which key, on which line, and what would be right."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import msgspec
import pytest

from edge.station.state import Settings
from protocol.errors import ColonninaError, SettingsError
from protocol.mqtt import FIRST_PAUSE_S, LONGEST_PAUSE_S, Broker, pause_s
from protocol.settings import convert, load, parse
from protocol.topics import StationIdError, Topic, down, link, station_of, up


class Socket(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    number: Annotated[int, msgspec.Meta(ge=1)]
    kind: Literal["Type2", "CCS2"] = "Type2"


class Evse(msgspec.Struct):
    socket: list[Socket]


class Site(msgspec.Struct):
    evse: list[Evse]


class File(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    broker: Broker = Broker()
    socket: tuple[Socket, ...] = ()
    behaviour: Settings = Settings()


GOOD = """\
# a comment
[broker]
host = "broker.test"
port = 8883

[behaviour]
sample_s = 5

[[socket]]
number = 1

[[socket]]
number = 2
kind = "CCS2"
"""


def error(text: str) -> str:
    with pytest.raises(SettingsError) as caught:
        parse(text, File, "station.toml")
    return str(caught.value)


def test_what_is_right_is_read() -> None:
    file = parse(GOOD, File)
    assert (file.broker, file.behaviour.sample_s) == (Broker(host="broker.test", port=8883), 5.0)
    assert file.socket == (Socket(1), Socket(2, "CCS2"))


BROKER_KEYS = "host, port, username, password, ca, certificate, key, keepalive_s"


@pytest.mark.parametrize(
    ("wrong", "instead_of", "message"),
    [
        (
            "prot = 8883",
            "port = 8883",
            "station.toml:4: broker.prot: Object contains unknown field `prot` - at `$.broker`",
        ),
        ('port = "8883"', "port = 8883", "station.toml:4: broker.port: Expected `int`, got `str`"),
        ("port = 88830", "port = 8883", "station.toml:4: broker.port: Expected `int` <= 65535"),
        ("port = 0", "port = 8883", "station.toml:4: broker.port: Expected `int` >= 1"),
        ('host = ""', 'host = "broker.test"', "station.toml:3: broker.host: Expected `str` of length >= 1"),
        ("sample_s = 0", "sample_s = 5", "station.toml:7: behaviour.sample_s: Expected `float` > 0.0"),
        ("sample_s = nan", "sample_s = 5", "station.toml:7: behaviour.sample_s: Expected `float` > 0.0"),
        ("sample_s = 1e9", "sample_s = 5", "station.toml:7: behaviour.sample_s: Expected `float` <= 86400.0"),
        ("[[plug]]", "[[socket]]\nnumber = 1", "station.toml:9: plug: Object contains unknown field `plug`"),
    ],
)
def test_what_is_wrong_names_the_file_the_line_and_the_key(wrong: str, instead_of: str, message: str) -> None:
    said = error(GOOD.replace(instead_of, wrong, 1))
    assert said.startswith(message.partition(" - at ")[0])
    assert "\n" not in said


def test_an_unknown_key_is_answered_with_those_there_are_and_the_one_that_was_meant() -> None:
    said = error(GOOD.replace("port", "prot", 1))
    assert said.endswith(f"; allowed are {BROKER_KEYS} (did you mean port?)")
    assert error(GOOD.replace("port", "colour", 1)).endswith(f"; allowed are {BROKER_KEYS}")


def test_a_word_that_is_not_there_is_answered_with_those_there_are() -> None:
    said = error(GOOD.replace("CCS2", "CCS3"))
    assert said == "station.toml:14: socket[1].kind: Invalid enum value 'CCS3'; allowed are CCS2, Type2"


NESTED = """\
[[evse]]
[[evse.socket]]
number = 1
[[evse]]
[[evse.socket]]
number = 1
[[evse.socket]]
number = 'x'
"""


def test_of_tables_within_tables_the_right_one_is_named() -> None:
    with pytest.raises(SettingsError) as caught:
        parse(NESTED, Site, "site.toml")
    assert str(caught.value) == "site.toml:8: evse[1].socket[1].number: Expected `int`, got `str`"


def test_a_part_of_a_file_is_named_by_its_place_in_the_whole() -> None:
    with pytest.raises(SettingsError) as caught:
        convert({"number": "x"}, Socket, "site.toml", NESTED, ("evse", "[1]", "socket", "[1]"))
    assert str(caught.value) == "site.toml:8: evse[1].socket[1].number: Expected `int`, got `str`"


def test_a_key_within_a_table_on_one_line_is_found_by_that_line() -> None:
    assert error("[behaviour]\nsample_s = 1\n\n[unheard]\nof = 1").startswith("station.toml:4: unheard: ")
    said = error('\nbroker = { host = "x", port = "1" }')
    assert said == "station.toml:2: broker.port: Expected `int`, got `str`"


def test_a_key_that_is_missing_is_named() -> None:
    said = error("[[socket]]\nnumber = 1\n\n[[socket]]\nkind = 'CCS2'\n")
    assert said == "station.toml:4: socket[1].number: Object missing required field `number`"


def test_what_is_no_toml_says_where() -> None:
    said = error("[broker\nhost = 1")
    assert said.startswith("station.toml: not valid TOML: ")
    assert "line 1" in said


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        load(tmp_path / "none.toml", File)
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"bytes.toml: cannot be read"):
        load(tmp_path / "bytes.toml", File)


def test_a_settings_error_is_one_of_ours_and_a_value_error() -> None:
    assert issubclass(SettingsError, ColonninaError)
    assert issubclass(SettingsError, ValueError)


@pytest.mark.parametrize(
    "station",
    ["", "a" * 49, "a/b", "+", "#", "a+", "cs-1\n", "cs 1", "à", "$share", "cs-1/up/#", "\x00", "a\u200b", "¹"],
)
def test_topics_refuse_ids_that_would_be_more_than_one_level(station: str) -> None:
    for make in (up, down, link):
        with pytest.raises(StationIdError):
            make(station)
    assert station_of(f"cs/{station}/up") is None


@pytest.mark.parametrize("station", ["a", "A" * 48, "cs-1", "a.b_c-D9", ".", "..", "-"])
def test_topics_take_the_ids_that_are_allowed(station: str) -> None:
    assert up(station) == Topic(f"cs/{station}/up", 1, False)
    assert down(station) == Topic(f"cs/{station}/down", 1, False)
    assert link(station) == Topic(f"cs/{station}/link", 1, True)
    assert station_of(f"cs/{station}/up") == station


@pytest.mark.parametrize(
    "topic", ["", "cs", "cs/cs-1", "cs/cs-1/up/more", "lc/cs-1/up", "/cs/cs-1/up", "cs/cs-1/", "csms/calls"]
)
def test_other_topics_are_no_stations(topic: str) -> None:
    assert station_of(topic) == ("cs-1" if topic == "cs/cs-1/" else None)


def test_the_pause_doubles_up_to_half_a_minute_and_is_jittered_by_half() -> None:
    longest = [pause_s(attempt, lambda: 1.0) for attempt in range(1, 12)]
    assert longest[:8] == [FIRST_PAUSE_S * 2**n for n in range(7)] + [LONGEST_PAUSE_S]
    assert set(longest[7:]) == {LONGEST_PAUSE_S}
    assert [pause_s(attempt, lambda: 0.0) for attempt in range(1, 12)] == [pause / 2 for pause in longest]


def test_the_pause_has_bounds_after_any_number_of_attempts() -> None:
    assert pause_s(10**9, lambda: 1.0) == LONGEST_PAUSE_S
    assert all(FIRST_PAUSE_S / 2 <= pause_s(1) <= FIRST_PAUSE_S for _ in range(100))
