"""The units: what safety rests on is in them, and systemd itself finds nothing wrong."""

from __future__ import annotations

import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from edge.main import cli

FOLDER = Path(__file__).parents[2] / "deploy" / "systemd"
UNIT = FOLDER / "colonnina-station.service"


def settings(path: Path) -> dict[str, str]:
    lines = [line.partition("=") for line in path.read_text().splitlines() if line and not line.startswith(("#", "["))]
    found = {key: value for key, _, value in lines}
    assert len(found) == len(lines), "a key is there twice"
    return found


def test_a_station_that_hangs_or_dies_is_made_safe_and_started_again() -> None:
    unit = settings(UNIT)
    assert (unit["Type"], unit["Restart"], unit["StartLimitIntervalSec"]) == ("notify", "always", "0")
    assert 5 <= int(unit["WatchdogSec"]) <= 60
    config = ["--config", "/etc/colonnina/station.toml"]
    assert shlex.split(unit["ExecStart"])[1:] == ["run", *config]
    assert shlex.split(unit["ExecStopPost"])[1:] == ["safe", *config]
    assert {"run", "safe"} <= set(cli.commands)


def test_the_pi_resets_itself_before_its_watchdog_could_not_wait_any_longer() -> None:
    assert int(settings(FOLDER / "watchdog.conf")["RuntimeWatchdogSec"]) <= 15


def test_the_journal_has_bounds() -> None:
    assert {"SystemMaxUse", "RuntimeMaxUse"} <= set(settings(FOLDER / "journald.conf"))


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd on this machine")
def test_systemd_finds_nothing_wrong(tmp_path: Path) -> None:
    copy = tmp_path / UNIT.name
    program = shutil.which("true")
    copy.write_text(UNIT.read_text().replace("/opt/colonnina/bin/colonnina-station", str(program)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(copy)], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
