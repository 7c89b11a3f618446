"""What a process writes to its log, by a real process: for a person, for the journal, to a file; without secrets."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from protocol import redact

SPEAKER = """
import logging, pathlib, sys
import structlog
from protocol import logs
logs.set_up()
if len(sys.argv) > 1:
    logs.keep(pathlib.Path(sys.argv[1]))
log = structlog.get_logger("test")
log.info("link is back", client="cs-1", password="hunter2")
log.warning("refused", why="https://cs-1:hunter2@example/log?sig=hunter2 says no")
log.error("two\\nlines")
log.debug("too much")
logging.getLogger("library").warning("a library's\\nhttp://a:hunter2@b/ word")
assert logs.recent()[0].endswith("password=***"), logs.recent()
if len(sys.argv) > 2:
    for number in range(int(sys.argv[2])):
        log.info("x" * 1000, number=number)
logs.close()
"""


def speak(*arguments: str, journal: bool = False) -> list[str]:
    reading, writing = os.pipe()
    with os.fdopen(reading) as lines:
        told = os.fstat(writing)
        environ = {**os.environ, "JOURNAL_STREAM": f"{told.st_dev}:{told.st_ino}" if journal else "1:2"}
        command = [sys.executable, "-c", SPEAKER, *arguments]
        process = subprocess.Popen(command, stderr=writing, env=environ)
        os.close(writing)
        said = lines.read().splitlines()
        assert process.wait(30) == 0, said
    return said


def test_the_journal_gets_priorities_and_no_times() -> None:
    assert speak(journal=True) == [
        '<6>level=info event="link is back" client=cs-1 password=***',
        '<4>level=warning event=refused why="https://***@example/log?*** says no"',
        "<3>level=error event=two\\nlines",
        "<4>level=WARNING a library's\\nhttp://***@b/ word",
    ]


def test_a_person_gets_times_and_a_file_gets_the_same(tmp_path: Path) -> None:
    said = speak(str(tmp_path / "log" / "station.log"))
    assert [line.partition("Z ")[2] for line in said[:3]] == [
        'level=info event="link is back" client=cs-1 password=***',
        'level=warning event=refused why="https://***@example/log?*** says no"',
        "level=error event=two\\nlines",
    ]
    assert (tmp_path / "log" / "station.log").read_text().splitlines() == said


def test_the_files_stay_small(tmp_path: Path) -> None:
    said = speak(str(tmp_path / "station.log"), "3000")
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"station.log", "station.log.1"}
    assert [size for size in sizes.values() if size > 512 * 1024] == []
    assert (tmp_path / "station.log").read_text().splitlines()[-1] == said[-1]


def test_the_journal_keeps_the_lines_itself(tmp_path: Path) -> None:
    speak(str(tmp_path / "station.log"), journal=True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("tree", "masked"),
    [
        ({"password": "hunter2", "host": "broker"}, {"password": "***", "host": "broker"}),
        ({"password": ""}, {"password": ""}),
        ({"wifi": {"ssid": "home", "psk": "hunter2"}}, {"wifi": {"ssid": "***", "psk": "***"}}),
        ({"idToken": {"idToken": "04A1", "type": "ISO14443"}}, {"idToken": {"idToken": "***", "type": "***"}}),
        ([{"url": "ftp://u:p@h/x"}], [{"url": "ftp://***@h/x"}]),
        ({"local_list_enabled": True, "token_cache": True}, {"local_list_enabled": True, "token_cache": True}),
        ({"keepalive_s": 20, "monkey": "see"}, {"keepalive_s": 20, "monkey": "see"}),
    ],
)
def test_secrets_are_known_by_their_names_and_places(tree: Any, masked: Any) -> None:
    assert redact.tree(tree) == masked
