"""What may happen to a station, each by the name that the page gives it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

from edge.station.explore.world import Visit, World
from edge.station.ports import CardRead, FaultCleared, FaultRaised, PilotChanged, Tick
from edge.station.state import Now
from edge.station.tokens import IdToken

CARD, OTHER = IdToken("04A1", "ISO14443"), IdToken("04B2", "ISO14443")
_HELD = {"idToken": {"idToken": CARD.id_token, "type": CARD.type}}

#: Conditions of which one at a time is looked at: all pairs of them would fill a book.
LIMIT_0, LIMIT_10, FAULT, EMERGENCY, OVER, LOST, OUT, RESERVED, LEAVING = (
    "limit 0 A",
    "limit 10 A",
    "fault",
    "emergency stop",
    "drew too much",
    "pilot lost",
    "out of service",
    "reserved",
    "reset ordered",
)


class Stimulus(NamedTuple):
    """name: on the page. fits: in which world it can happen at all. happen: what it is."""

    name: str
    fits: Callable[[World], bool]
    happen: Callable[[Visit], None]


def condition(world: World) -> str | None:
    """What is out of the ordinary, of which there is at most one."""
    evse, kept = world.evse, world.station.kept
    names = {"MeterSilent": FAULT, "EmergencyStop": EMERGENCY, "OverCurrent": OVER, "PilotLost": LOST}
    found = [names[fault] for fault in sorted(evse.faults)]
    if kept.profiles.installed:
        found.append(LIMIT_0 if kept.profiles.installed[0].profile.id == 1 else LIMIT_10)
    if kept.inoperative:
        found.append(OUT)
    if kept.reservations:
        found.append(RESERVED)
    if world.station.leaving is not None:
        found.append(LEAVING)
    assert len(found) <= 1, found
    return found[0] if found else None


def _free(world: World) -> bool:
    return condition(world) is None


def _in(*names: str) -> Callable[[World], bool]:
    return lambda world: condition(world) in names


def _nobody(world: World) -> bool:
    return world.evse.authorization is None and world.evse.transaction is None


def _card(token: IdToken) -> Callable[[Visit], None]:
    def happen(visit: Visit) -> None:
        visit.step(CardRead(token))
        visit.answer("Authorize", {"idTokenInfo": {"status": "Accepted"}})

    return happen


def _park(vehicle: Any) -> Callable[[Visit], None]:
    def happen(visit: Visit) -> None:
        visit.park(vehicle)
        if vehicle == "pauses" and not visit.world.piloted:
            visit.pass_time(1)
            visit.pass_time(visit.world.station.settings.suspended_s)

    return happen


def _call(action: str, payload: dict[str, Any]) -> Callable[[Visit], None]:
    return lambda visit: visit.call(action, payload)


def _remote_stop(visit: Visit) -> None:
    transaction = visit.world.evse.transaction
    assert transaction is not None
    visit.call("RequestStopTransaction", {"transactionId": transaction.id})


def _limit(limit_a: float, id: int) -> Callable[[Visit], None]:
    schedule = {
        "id": 1,
        "chargingRateUnit": "A",
        "startSchedule": "2026-01-01T00:00:00Z",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": limit_a}],
    }
    profile = {
        "id": id,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": [schedule],
    }
    return _call("SetChargingProfile", {"evseId": 1, "chargingProfile": profile})


def _lift(visit: Visit) -> None:
    for number in (1, 2):
        visit.call("ClearChargingProfile", {"chargingProfileId": number})


def _silence(visit: Visit) -> None:
    visit.change(silent=True)
    visit.step(FaultRaised(1, "MeterSilent"))


def _speak(visit: Visit) -> None:
    visit.change(silent=False)
    visit.pass_time(0)
    visit.step(FaultCleared(1, "MeterSilent"))


def _draw_too_much(visit: Visit) -> None:
    for _ in range(2):
        visit.pass_time(visit.world.station.settings.over_current_s, current_a=50.0)


def _lose_pilot(visit: Visit) -> None:
    visit.change(lost=True)
    visit.step(PilotChanged(1, 1, None))


def _time_out(visit: Visit) -> None:
    now, waiting = visit.world.now, visit.world.evse.authorization
    assert waiting is not None
    seconds = waiting.until_mono - now.mono
    visit.change(now=Now(now.utc + timedelta(seconds=seconds), waiting.until_mono))
    visit.step(Tick())


def _reserve(visit: Visit) -> None:
    until = visit.world.now.utc + timedelta(days=30)
    visit.call("ReserveNow", {"id": 1, "expiryDateTime": until.isoformat(), "evseId": 1, **_HELD})


def _expire(visit: Visit) -> None:
    """On the wall clock alone: nobody's right to charge lapses by that."""
    (held,) = visit.world.station.kept.reservations
    visit.change(now=Now(held.until, visit.world.now.mono))
    visit.step(Tick())


def _availability(word: str) -> Callable[[Visit], None]:
    return _call("ChangeAvailability", {"operationalStatus": word, "evse": {"id": 1}})


def _going_on(world: World) -> bool:
    return world.evse.transaction is not None


STIMULI = (
    Stimulus("card accepted", _nobody, _card(CARD)),
    Stimulus("same card again", lambda world: not _nobody(world), _card(CARD)),
    Stimulus("another's card", _in(RESERVED), _card(OTHER)),
    Stimulus("remote start", _nobody, _call("RequestStartTransaction", {"remoteStartId": 1, "evseId": 1, **_HELD})),
    Stimulus("remote stop", _going_on, _remote_stop),
    Stimulus("plug in", lambda world: world.vehicle == "none" and not world.piloted, _park("asks")),
    Stimulus("plug in", lambda world: world.vehicle == "none" and world.piloted, _park("pauses")),
    Stimulus("plug out", lambda world: world.vehicle != "none", _park("none")),
    Stimulus("vehicle pauses", lambda world: world.vehicle == "asks" and not world.lost, _park("pauses")),
    Stimulus("vehicle asks for power", lambda world: world.vehicle == "pauses" and not world.lost, _park("asks")),
    Stimulus("connection time-out", lambda world: world.evse.authorization is not None, _time_out),
    Stimulus("limit 0 A", _free, _limit(0, 1)),
    Stimulus("limit 10 A", _free, _limit(10, 2)),
    Stimulus("limit lifted", _in(LIMIT_0, LIMIT_10), _lift),
    Stimulus("reserve", _free, _reserve),
    Stimulus("reservation expires", _in(RESERVED), _expire),
    Stimulus("reservation cancelled", _in(RESERVED), _call("CancelReservation", {"reservationId": 1})),
    Stimulus("out of service", _free, _availability("Inoperative")),
    Stimulus("back in service", _in(OUT), _availability("Operative")),
    Stimulus("fault", _free, _silence),
    Stimulus("fault gone", _in(FAULT), _speak),
    Stimulus("emergency stop", _free, lambda visit: visit.step(FaultRaised(1, "EmergencyStop"))),
    Stimulus("emergency stop released", _in(EMERGENCY), lambda visit: visit.step(FaultCleared(1, "EmergencyStop"))),
    Stimulus("vehicle draws too much", lambda world: _free(world) and world.evse.closed == 1, _draw_too_much),
    Stimulus("pilot lost", lambda world: _free(world) and world.piloted, _lose_pilot),
    Stimulus("pilot back", _in(LOST), lambda visit: visit.park(visit.world.vehicle)),
    Stimulus("reset when idle", _free, _call("Reset", {"type": "OnIdle"})),
    Stimulus("reset at once", _free, _call("Reset", {"type": "Immediate"})),
    Stimulus("power cut", lambda world: not world.silent and not world.lost, lambda visit: visit.start()),
)
