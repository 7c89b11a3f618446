"""What the device contracts share: emulated serial ports, and waiting for a thing to become true."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hardware.emulators.loop import EmulatorLoop
from hardware.emulators.pty import Pty
from wiring.pins import PinMap, load

Until = Callable[[Callable[[], object]], None]
MakePty = Callable[[str], Pty]


@pytest.fixture
def until() -> Until:
    """Wait until this is true; fail after 5 s."""

    def wait(condition: Callable[[], object]) -> None:
        deadline = time.monotonic() + 5
        while not condition():
            assert time.monotonic() < deadline, "did not become true in 5 s"
            time.sleep(0.002)

    return wait


@pytest.fixture(scope="session")
def pins() -> PinMap:
    return load()


@pytest.fixture
def loop() -> Iterator[EmulatorLoop]:
    emulators = EmulatorLoop()
    emulators.start()
    yield emulators
    emulators.stop()


@pytest.fixture
def make_pty(tmp_path: Path, loop: EmulatorLoop) -> Iterator[MakePty]:
    """Ptys by name, not started; stopped at the end."""
    made: list[Pty] = []

    def make(name: str) -> Pty:
        made.append(Pty(tmp_path / name, loop))
        return made[-1]

    yield make
    for pty in made:
        pty.stop()
