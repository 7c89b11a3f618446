"""Decode and validate one TransactionEvent: ours, against the standard library's JSON with jsonschema."""

from __future__ import annotations

import json
import time
from collections.abc import Callable

from jsonschema import Draft7Validator

from protocol.envelope import Call, decode
from protocol.messages import Sender, Version, read_request
from protocol.schema import documents
from tests.bench.frames import frame

ROUNDS = 5


def run() -> None:
    data = frame("a-transaction", 7)
    validator = Draft7Validator(documents("v201")["TransactionEventRequest"])

    def ours() -> None:
        call = decode(data)
        assert isinstance(call, Call)
        read_request(Version.V201, call, Sender.STATION)

    def reference() -> None:
        validator.validate(json.loads(data)[3])

    # In turn, so that a machine that slows down slows both down.
    pairs = [(per_call_us(ours, 20_000), per_call_us(reference, 200)) for _ in range(ROUNDS)]
    best, best_reference = (min(times) for times in zip(*pairs, strict=True))
    print(f"frame of {len(data)} bytes, best of {ROUNDS} rounds")
    print(f"protocol (envelope, decode, validate)   {best:8.2f} us")
    print(f"reference: json and jsonschema          {best_reference:8.2f} us   {best_reference / best:.0f} times ours")


def per_call_us(call: Callable[[], None], times: int) -> float:
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times * 1e6
