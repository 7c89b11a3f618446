"""Taps are told from cards that rest, and a device that is lost from one that stumbles."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from edge.station.polling import Poller, Taps
from hardware.ports import DeviceError
from tests.support import wait_for


class TestTaps:
    def test_a_card_that_rests_is_one_tap(self) -> None:
        taps = Taps()
        assert [taps.see("A", second / 10) for second in range(100)] == ["A"] + [None] * 99

    def test_a_reader_that_misses_it_once_makes_no_second_tap(self) -> None:
        taps = Taps(away_s=0.8)
        assert [taps.see(uid, at) for uid, at in (("A", 0.0), (None, 0.2), (None, 0.7), ("A", 0.75))] == [
            "A",
            *[None] * 3,
        ]

    def test_a_card_that_was_away_taps_again(self) -> None:
        taps = Taps(away_s=0.8)
        assert [taps.see(uid, at) for uid, at in (("A", 0.0), (None, 0.4), (None, 0.8), ("A", 0.9))] == [
            "A",
            None,
            None,
            "A",
        ]

    def test_away_is_counted_from_when_it_was_last_seen(self) -> None:
        taps = Taps(away_s=0.8)
        seen = [("A", 0.0), ("A", 5.0), (None, 5.7), ("A", 5.75)]
        assert [taps.see(uid, at) for uid, at in seen] == ["A", None, None, None]

    def test_another_card_is_a_tap_at_once(self) -> None:
        taps = Taps()
        assert [taps.see(uid, 0.0) for uid in ("A", "B", "B", "A")] == ["A", "B", None, "A"]

    def test_nothing_is_no_tap(self) -> None:
        assert Taps().see(None, 0.0) is None


@dataclass
class FakeDevice:
    """Does what it is told to: each question waits for the next of `script`, an error to raise or None."""

    script: queue.Queue[Exception | None] = field(default_factory=queue.Queue)
    said: list[str] = field(default_factory=list)
    up: bool = False

    def start(self) -> None:
        self.said.append("start")
        self.up = True

    def stop(self) -> None:
        self.said.append("stop")
        self.up = False

    def ask(self) -> None:
        assert self.up
        error = self.script.get()
        if error is not None:
            self.said.append("error")
            raise error
        self.said.append("well")


Make = Callable[..., Poller]


@pytest.fixture
def device() -> FakeDevice:
    return FakeDevice()


@pytest.fixture
def make(device: FakeDevice) -> Iterator[Make]:
    made: list[Poller] = []

    def start(**more: float) -> Poller:
        poller = Poller(
            "device",
            device,
            device.ask,
            period_s=more.get("period_s", 0),
            patience_s=more.get("patience_s", 0),
            lost=lambda: device.said.append("lost"),
            found=lambda: device.said.append("found"),
        )
        made.append(poller)
        poller.start()
        return poller

    yield start
    for poller in made:
        stopper = threading.Thread(target=poller.stop)
        stopper.start()
        device.script.put(None)
        stopper.join()


def follow(device: FakeDevice, poller: Poller, *script: Exception | None) -> list[str]:
    for step in script:
        device.script.put(step)
    wait_for(
        lambda: (poller.hurry(), sum(word in ("well", "error") for word in device.said) == len(script))[1], 5, 0.005
    )
    return device.said


@pytest.mark.parametrize("error", [DeviceError("gone"), ValueError("a driver's own mistake"), RuntimeError("so too")])
def test_a_device_that_is_lost_is_told_once_and_taken_up_anew(device: FakeDevice, make: Make, error: Exception) -> None:
    """Whatever went wrong: a meter that nobody reads any more must never go unnoticed while power flows."""
    poller = make()
    follow(device, poller, None, error, error, None)
    wait_for(lambda: "found" in device.said)
    words = ["start", "well", "error", "lost", "stop", "start", "error", "stop", "start", "well", "found"]
    assert device.said == words


def test_one_that_stumbles_within_its_patience_is_not_lost(device: FakeDevice, make: Make) -> None:
    poller = make(patience_s=60)
    follow(device, poller, None, DeviceError("busy"), None)
    assert [word for word in device.said if word in ("lost", "found")] == []


def test_hurry_asks_before_the_period_is_over(device: FakeDevice, make: Make) -> None:
    poller = make(period_s=3600)
    follow(device, poller, None, None, None)
    assert device.said == ["start", "well", "well", "well"]


def test_stop_lets_go_of_the_device(device: FakeDevice, make: Make) -> None:
    poller = make(period_s=3600)
    follow(device, poller, None)
    device.script.put(None)  # should it be asking just now
    poller.stop()
    assert (device.said[0], device.said[-1], device.up) == ("start", "stop", False)
