"""Events per second of the station's pure core: a driver's visit as a Pi sees it, over and over.

The reference is the standard library's JSON, reading the TransactionEvents that come out of it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from edge.station import machine
from edge.station.kept import Kept
from edge.station.ports import (
    Action,
    Answered,
    CardRead,
    Event,
    LinkChanged,
    Metered,
    PlugChanged,
    Restored,
    Send,
    SocRead,
    Tick,
)
from edge.station.state import Now, Settings, Station
from edge.station.tokens import IdToken
from hardware.ports import Reading
from protocol.envelope import Call, encode
from protocol.messages import Version, make_request, make_response

ROUNDS, VISITS = 5, 20
CARD = IdToken("04A1B2C3D4E5F6", "ISO14443")
START = datetime(2026, 1, 1, tzinfo=UTC)
CHARGING_S = 600


def run() -> None:
    events = list(visits())
    _, actions = replay(events)
    frames = [
        encode(Call("id", action.action, make_request(Version.V201, action.action, action.payload)))
        for action in actions
        if isinstance(action, Send) and action.action == "TransactionEvent"
    ]
    ours, reference = [], []
    for _ in range(ROUNDS):  # in turn, so that a machine that slows down slows both down
        started = time.perf_counter()
        replay(events)
        ours.append((time.perf_counter() - started) / len(events))
        started = time.perf_counter()
        for frame in frames:
            json.loads(frame)
        reference.append((time.perf_counter() - started) / len(frames))
    step, loads = min(ours), min(reference)
    print(f"{len(events)} events of {VISITS} visits, {len(actions)} actions, best of {ROUNDS} rounds")
    print(f"machine.step                            {step * 1e6:8.2f} us  {1 / step:8.0f} events/s")
    print(f"reference: json.loads of an event sent  {loads * 1e6:8.2f} us  ours takes {step / loads:.1f} times as long")


def replay(events: list[tuple[Event, Now]]) -> tuple[Station, list[Action]]:
    station, done = new_station(), []
    for event, now in events:
        station, actions = machine.step(station, event, now)
        done += actions
    return station, done


def new_station() -> Station:
    identity = {"vendorName": "Colonnina", "model": "Bench"}
    return machine.initial([(1, [1]), (2, [1])], "seed", Settings(), identity)


def visits() -> Iterator[tuple[Event, Now]]:
    """Plug in, tap, charge with a reading every second and the state of charge every other one, tap, leave."""
    mono, register_wh = 0.0, 1_000.0

    def now() -> Now:
        return Now(START + timedelta(seconds=mono), mono)

    def metered(power_w: float) -> tuple[Event, Now]:
        reading = Reading(int(register_wh), power_w, power_w / 230, 230.0)
        return Metered(1, reading, mono), now()

    yield Restored(Kept()), now()
    yield LinkChanged(True), now()
    boot = {"currentTime": START.isoformat(), "interval": 60, "status": "Accepted"}
    yield answered("BootNotification", {}, boot), now()
    for _ in range(VISITS):
        yield metered(0.0)
        yield PlugChanged(1, 1, True), now()
        yield CardRead(CARD), now()
        token = {"idToken": {"idToken": CARD.id_token, "type": CARD.type}}
        yield answered("Authorize", token, {"idTokenInfo": {"status": "Accepted"}}), now()
        for second in range(CHARGING_S):
            mono += 0.5
            yield Tick(), now()
            mono += 0.5
            register_wh += 7_360 / 3600
            yield metered(7_360.0)
            if second % 2:
                yield SocRead(1, 20 + second / 60), now()
        yield CardRead(CARD), now()
        mono += 0.5
        yield metered(0.0)
        mono += 5
        yield PlugChanged(1, 1, False), now()


def answered(action: str, request: dict[str, Any], response: dict[str, Any]) -> Answered:
    return Answered(action, request, make_response(Version.V201, action, response))


if __name__ == "__main__":
    run()
