"""The station's core: a function of (what is known, what happened, when) to (what is known, what to do).

    state, actions = step(state, event, now)

An event changes facts: a plug is in, a card was accepted, a meter is silent. `settle.py` then derives from the facts
what must be so - which contactor is closed, which transaction runs, what the light shows, what the CSMS is told - and
says what to do where it is not so yet. Nothing here reads a clock, a network or a pin, so the same core runs on a Pi,
in the demo and by the thousand.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from edge.station.cards import authorize_answered, give_up_asking, read_card, transaction_answered
from edge.station.changes import ending, get_evse, with_evse
from edge.station.handlers import HANDLERS
from edge.station.ports import (
    Action,
    Answered,
    CallReceived,
    CardRead,
    Event,
    FaultCleared,
    FaultRaised,
    LinkChanged,
    Metered,
    PlugChanged,
    Refuse,
    Restored,
    SaveKept,
    Send,
    SocRead,
    Tick,
)
from edge.station.settle import settle
from edge.station.state import Evse, Measured, Now, Settings, Station, Stop
from edge.station.tokens import AuthorizationSettings

DEFAULT_RULES = AuthorizationSettings()
#: Pause before the next BootNotification when the CSMS has not answered one, beside the time waited for it, s.
BOOT_RETRY_S = 2.0
#: Faults after which power must not come back by itself, and OCPP's ReasonEnumType for the transaction that they end.
ENDING_FAULTS = {"EmergencyStop": "EmergencyStop", "ResidualCurrent": "GroundFault"}
#: No interval that a CSMS asks for is taken for longer than this, s.
LONGEST_INTERVAL_S = 86_400


def initial(
    layout: Iterable[tuple[int, Iterable[int]]],
    seed: str,
    settings: Settings,
    identity: Mapping[str, str],
    rules: AuthorizationSettings = DEFAULT_RULES,
) -> Station:
    """A station that has just started.

    layout: (EVSE number, its connectors' numbers) for each EVSE. seed: new at every start, for transaction ids.
    identity: OCPP's ChargingStationType, as BootNotification tells it. rules: who may charge.
    """
    evses = tuple(Evse(number, tuple(connectors)) for number, connectors in layout)
    return Station(settings, evses, seed, dict(identity), rules, heartbeat_s=settings.heartbeat_s)


def step(station: Station, event: Event, now: Now) -> tuple[Station, list[Action]]:
    """The station after an event, and what to do, in the order in which to do it."""
    actions: list[Action] = []
    kept = station.kept
    station = _react(_lapse(station, now), event, now, actions)
    settled = None
    while settled != (running := _running(station)):  # what starts or ends at one EVSE changes what others may draw
        settled = running
        for number in [evse.number for evse in station.evses]:
            station, evse = settle(station, get_evse(station, number), now, actions)
            station = replace(station, evses=tuple(evse if old.number == number else old for old in station.evses))
    station = _keep_in_touch(station, now, actions)
    if station.kept is not kept and station.kept != kept:
        actions.append(SaveKept(station.kept))
    return station, actions


def _running(station: Station) -> list[bool]:
    return [evse.transaction is not None for evse in station.evses]


def wake_mono(station: Station) -> float | None:
    """When the machine next wants a Tick if nothing else happens, on the monotonic clock; None for never."""
    times: list[float | None] = [station.boot_mono if station.online else None]
    times.append(station.heartbeat_mono if station.booted else None)
    times.append(station.asking.until_mono if station.asking else None)
    for evse in station.evses:
        times.append(evse.authorization.until_mono if evse.authorization else None)
        times.append(evse.ending.deadline_mono if evse.ending else None)
        times.append(evse.refused_mono)
        times.append(evse.limit_until_mono)
        if evse.transaction and not evse.ending and not evse.resumed:
            times.append(evse.sample_mono)
    return min((at for at in times if at is not None), default=None)


def _react(station: Station, event: Event, now: Now, actions: list[Action]) -> Station:
    match event:
        case CardRead():
            return read_card(station, event, now, actions)
        case PlugChanged():
            return _plug(station, event)
        case Metered():
            measured = Measured(event.reading, now.utc, event.asked_mono)
            return with_evse(station, event.evse, measured=measured)
        case SocRead():
            return with_evse(station, event.evse, soc_pct=event.soc_pct)
        case FaultRaised():
            return _fault(station, event, now)
        case FaultCleared():
            return with_evse(station, event.evse, faults=get_evse(station, event.evse).faults - {event.reason})
        case LinkChanged():
            return _link(station, event, now)
        case CallReceived():
            handler = HANDLERS.get(event.action)
            if handler is None:
                actions.append(Refuse(event.message_id, "NotSupported", f"{event.action} is not supported here"))
                return station
            return handler(station, event, now, actions)
        case Answered():
            return _answer(station, event, now, actions)
        case Restored():
            return _restore(station, event, now)
        case Tick():
            return station


def _restore(station: Station, event: Restored, now: Now) -> Station:
    for number, transaction in event.transactions:
        if station.evse(number) is None:
            continue  # the configuration has one EVSE fewer than before
        end = None if transaction.stop is None else ending(transaction.stop, now)
        station = with_evse(station, number, transaction=transaction, resumed=True, ending=end)
    goes_on = [evse.transaction.id for evse in station.evses if evse.transaction is not None]
    profiles = event.kept.profiles.keep_transactions(goes_on)
    return replace(station, kept=replace(event.kept, profiles=profiles))


def _fault(station: Station, event: FaultRaised, now: Now) -> Station:
    evse = get_evse(station, event.evse)
    station = with_evse(station, event.evse, faults=evse.faults | {event.reason})
    stopped_reason = ENDING_FAULTS.get(event.reason)
    if stopped_reason is None:
        return station
    station = with_evse(station, event.evse, authorization=None)
    if evse.transaction is None or evse.ending is not None:
        return station
    return with_evse(station, event.evse, ending=ending(Stop(stopped_reason, "AbnormalCondition", now.utc), now))


def _plug(station: Station, event: PlugChanged) -> Station:
    evse = get_evse(station, event.evse)
    plugs = evse.plugs | {event.connector} if event.plugged else evse.plugs - {event.connector}
    # Only one connector of an EVSE can be in use: the first one that was plugged in keeps it.
    plugged = evse.plugged if evse.plugged in plugs else min(plugs, default=None)
    if plugged == evse.plugged:
        return with_evse(station, event.evse, plugs=plugs)
    station = with_evse(station, event.evse, plugs=plugs, plugged=plugged, finishing=False, soc_pct=None)
    if plugged is not None and evse.authorization is None and evse.transaction is None:
        # A card is read for the whole station: its holder may choose another EVSE than the one we thought of.
        for other in station.evses:
            waiting = other.authorization
            if waiting is None or waiting.remote_start_id is not None or other.plugged:
                continue
            if not waiting.evses or event.evse in waiting.evses:
                station = with_evse(station, event.evse, authorization=other.authorization)
                return with_evse(station, other.number, authorization=None)
    return station


def _link(station: Station, event: LinkChanged, now: Now) -> Station:
    if not event.up:
        return replace(give_up_asking(station, now), online=False, boot_mono=None)
    if not station.booted:
        return replace(station, online=True, boot_mono=now.mono)
    evses = tuple(replace(evse, reported=()) for evse in station.evses)  # it may have missed what we said last
    return replace(station, online=True, evses=evses)


def _answer(station: Station, event: Answered, now: Now, actions: list[Action]) -> Station:
    if event.action == "Authorize":
        return authorize_answered(station, event, now, actions)
    if event.action == "TransactionEvent":
        return transaction_answered(station, event, now, actions)
    if event.action == "BootNotification" and not station.booted:
        if event.response is None:
            return replace(station, boot_mono=now.mono + BOOT_RETRY_S)
        accepted = event.response.status == "Accepted"
        interval = float(min(event.response.interval, LONGEST_INTERVAL_S))
        if interval <= 0:  # the station chooses
            interval = station.settings.heartbeat_s if accepted else BOOT_RETRY_S
        if not accepted:
            return replace(station, boot_mono=now.mono + interval)
        return replace(station, booted=True, boot_mono=None, heartbeat_s=interval, heartbeat_mono=now.mono + interval)
    return station


def _lapse(station: Station, now: Now) -> Station:
    if station.asking is not None and now.mono >= station.asking.until_mono:
        station = give_up_asking(station, now)
    for evse in station.evses:
        if evse.authorization is not None and now.mono >= evse.authorization.until_mono:
            station = with_evse(station, evse.number, authorization=None)
        if evse.refused_mono is not None and now.mono >= evse.refused_mono:
            station = with_evse(station, evse.number, refused_mono=None)
    return station


def _keep_in_touch(station: Station, now: Now, actions: list[Action]) -> Station:
    if station.online and not station.booted and station.boot_mono is not None and now.mono >= station.boot_mono:
        actions.append(Send("BootNotification", {"reason": "PowerUp", "chargingStation": station.identity}))
        return replace(station, boot_mono=None)
    due = station.heartbeat_mono
    if station.online and station.booted and due is not None and now.mono >= due:
        actions.append(Send("Heartbeat", {}))
    if station.booted and due is not None and now.mono >= due:
        return replace(station, heartbeat_mono=now.mono + station.heartbeat_s)
    return station
