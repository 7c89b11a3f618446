"""Sessions as stations tell them, made by chance from a seed: the same seed gives the same recording.

They have what makes books hard: registers that start anew or stumble, messages that were lost, vehicles that stand
idle, meters that speak kWh, stations that name the EVSE only once, and an Ended that repeats all samples (E06).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

from protocol.envelope import Call, encode

START = datetime(2026, 1, 5, 6, 0, tzinfo=UTC)
EVSES = 2


class Recorded(NamedTuple):
    """One event, as it was sent at `at`."""

    at: datetime
    station: str
    transaction: str
    payload: dict[str, Any]

    @property
    def key(self) -> tuple[str, str, int]:
        return self.station, self.transaction, self.payload["seqNo"]

    def frame(self, message_id: str) -> bytes:
        return encode(Call(message_id, "TransactionEvent", self.payload))


@dataclass
class Recording:
    """events: of all stations, in the order of time. energy_wh: of each session whose register only ever rose.

    unended: sessions that lost their Ended.
    """

    events: list[Recorded] = field(default_factory=list)
    energy_wh: dict[tuple[str, str], int] = field(default_factory=dict)
    unended: set[tuple[str, str]] = field(default_factory=set)


def record(seed: int, count: int, stations: list[str], cards: list[str]) -> Recording:
    """So many sessions, spread over these stations."""
    chance = random.Random(seed)
    places = [_Place(station, evse, chance) for station in stations for evse in range(1, EVSES + 1)]
    result = Recording()
    for number in range(count):
        place = places[number % len(places)]
        session = list(_lose(place.session(f"tx-{number}", chance.choice(cards)), chance))
        result.events += session
        if session[-1].payload["eventType"] != "Ended":
            result.unended.add((place.station, f"tx-{number}"))
        if place.rose:
            first, last = session[0].payload["meterValue"][0], session[-1].payload["meterValue"][-1]
            result.energy_wh[place.station, f"tx-{number}"] = _register_wh(last) - _register_wh(first)
    result.events.sort(key=lambda event: event.at)
    return result


def _lose(session: Iterator[Recorded], chance: random.Random) -> Iterator[Recorded]:
    """Some sessions lack messages for ever: a few in the middle, the first, or the last."""
    events = list(session)
    lost: set[int] = set()
    kind = chance.random()
    if kind < 0.05:
        lost = set(chance.sample(range(1, len(events) - 1), 2))
    elif kind < 0.07:
        lost = {0}
    elif kind < 0.10:
        lost = {len(events) - 1}
    return (event for number, event in enumerate(events) if number not in lost)


class _Place:
    """An EVSE with its meter. rose: the register never went back in the session made last."""

    def __init__(self, station: str, evse: int, chance: random.Random) -> None:
        self.station = station
        self.evse = evse
        self.rose = True
        self._chance = chance
        self._at = START + timedelta(seconds=chance.uniform(0, 3600))
        self._wh = chance.uniform(0, 5e6)
        self._in_kwh = chance.random() < 0.2
        self._names_evse_once = chance.random() < 0.2

    def session(self, transaction: str, card: str) -> Iterator[Recorded]:
        chance = self._chance
        updates, idle = min(chance.randint(3, 20), chance.randint(3, 20)), chance.choice([0, 0, 0, 1, 3])
        step = timedelta(seconds=chance.choice([30, 60, 300, 900]))
        power_w = chance.choice([3_680.0, 7_360.0, 11_000.0, 22_000.0])
        trouble = {chance.randint(2, updates): kind} if (kind := self._trouble()) else {}
        soc = chance.uniform(5, 60) if chance.random() < 0.3 else None
        offline = chance.random() < 0.05
        told: list[dict[str, Any]] = []
        self.rose = not trouble
        self._at += timedelta(seconds=chance.uniform(60, 7_200))
        for seq_no in range(updates + 2):
            kind = "Started" if seq_no == 0 else "Ended" if seq_no == updates + 1 else "Updated"
            state = "EVConnected" if seq_no == 0 else "SuspendedEV" if seq_no > updates - idle else "Charging"
            values = []
            if seq_no:
                parts = 2 if chance.random() < 0.2 else 1
                for _ in range(parts):
                    self._at += step / parts * chance.uniform(0.98, 1.02)
                    if state == "Charging":
                        power = power_w * chance.uniform(0.8, 1.0)
                        self._wh += power * step.total_seconds() / parts / 3600
                    if trouble.get(seq_no) == "reset":
                        self._wh, trouble = chance.uniform(0, 50), {}
                    soc = None if soc is None else min(100.0, soc + chance.uniform(0, 2))
                    values.append(self._sample(power if state == "Charging" else 0.0, soc))
            else:
                values.append(self._sample(0.0, soc))
            if trouble.get(seq_no) == "stumble":
                values[-1]["sampledValue"][0]["value"] = 0.0
            told += values
            if kind == "Ended" and chance.random() < 0.1:
                values = list(told)
            yield Recorded(
                self._at,
                self.station,
                transaction,
                self._payload(kind, seq_no, transaction, card, state, values, offline),
            )

    def _trouble(self) -> str:
        draw = self._chance.random()
        return "reset" if draw < 0.04 else "stumble" if draw < 0.07 else ""

    def _sample(self, power_w: float, soc_pct: float | None) -> dict[str, Any]:
        scale, unit = (1000.0, "kWh") if self._in_kwh else (1.0, "Wh")
        values: list[dict[str, Any]] = [
            {
                "measurand": "Energy.Active.Import.Register",
                "value": round(self._wh / scale, 4),
                "unitOfMeasure": {"unit": unit},
            },
            {"measurand": "Power.Active.Import", "value": round(power_w, 1), "unitOfMeasure": {"unit": "W"}},
        ]
        if soc_pct is not None:
            values.append({"measurand": "SoC", "value": round(soc_pct, 1), "unitOfMeasure": {"unit": "Percent"}})
        return {"timestamp": _text(self._at), "sampledValue": values}

    def _payload(
        self,
        kind: str,
        seq_no: int,
        transaction: str,
        card: str,
        state: str,
        values: list[dict[str, Any]],
        offline: bool,
    ) -> dict[str, Any]:
        info: dict[str, Any] = {"transactionId": transaction, "chargingState": state}
        payload: dict[str, Any] = {
            "eventType": kind,
            "timestamp": _text(self._at),
            "triggerReason": {"Started": "Authorized", "Ended": "EVDeparted"}.get(kind, "MeterValuePeriodic"),
            "seqNo": seq_no,
            "transactionInfo": info,
            "meterValue": values,
        }
        if kind == "Started":
            payload["idToken"] = {"idToken": card, "type": "ISO14443"}
        if kind == "Ended":
            info["chargingState"] = "Idle"
            info["stoppedReason"] = self._chance.choice(["EVDisconnected", "Local", "Remote"])
        if kind == "Started" or not self._names_evse_once:
            payload["evse"] = {"id": self.evse, "connectorId": 1}
        if offline:
            payload["offline"] = True
        return payload


def _register_wh(meter_value: dict[str, Any]) -> int:
    """The register, as the books round it."""
    sample = meter_value["sampledValue"][0]
    return round(sample["value"] * (1000 if sample["unitOfMeasure"]["unit"] == "kWh" else 1))


def _text(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")
