"""The station's core: a function of (what is known, what happened, when) to (what is known, what to do).

    state, actions = step(state, event, now)

An event changes facts: a plug is in, a card was accepted, a meter is silent. `settle.py` then derives from the facts
what must be so - which contactor is closed, which transaction runs, what the light shows, what the CSMS is told - and
says what to do where it is not so yet. Nothing here reads a clock, a network or a pin, so the same core runs on a Pi,
in the demo and by the thousand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from edge.station.cards import authorize_answered, give_up_asking, read_card, transaction_answered
from edge.station.changes import ending, get_evse, with_evse
from edge.station.device_model import apply_kept
from edge.station.handlers import HANDLERS
from edge.station.job_orders import FirmwareProgress, LogProgress
from edge.station.jobs import at_the_installer, fall_due, firmware_progress, log_progress, settle_jobs
from edge.station.kept import POWER_UP
from edge.station.plugs import pilot_changed, plug_changed
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
    PilotChanged,
    PlugChanged,
    Refuse,
    Restart,
    Restored,
    SaveKept,
    Send,
    SocRead,
    Tick,
)
from edge.station.reservations import lapse_reservations
from edge.station.settle import OVER_CURRENT, settle
from edge.station.state import Evse, Measured, Now, Settings, Station, Stop
from edge.station.tokens import AuthorizationSettings

DEFAULT_RULES = AuthorizationSettings()
#: Pause before the next BootNotification when the CSMS has not answered one, beside the time waited for it, s.
BOOT_RETRY_S = 2.0
#: Faults after which power must not come back by itself, and OCPP's ReasonEnumType for the transaction that they end.
ENDING_FAULTS = {"EmergencyStop": "EmergencyStop", "ResidualCurrent": "GroundFault"}
#: Faults that outlast a power cut: no sensor would raise them again before the next driver comes.
LATCHED = frozenset({"ContactorWelded", OVER_CURRENT})
#: No interval that a CSMS asks for is taken for longer than this, s.
LONGEST_INTERVAL_S = 86_400


def initial(
    layout: Iterable[tuple[int, Iterable[int]]],
    seed: str,
    settings: Settings,
    identity: Mapping[str, str],
    rules: AuthorizationSettings = DEFAULT_RULES,
    *,
    piloted: Iterable[tuple[int, int]] = (),
    types: Iterable[tuple[int, int, str]] = (),
    station_id: str = "",
) -> Station:
    """A station that has just started. Until `Restored` comes, it takes note of what happens and does nothing.

    layout: (EVSE number, its connectors' numbers) for each EVSE. seed: new at every start, for transaction ids.
    identity: OCPP's ChargingStationType, as BootNotification tells it. rules: who may charge.
    piloted: (EVSE, connector) of those with a control pilot. types: (EVSE, connector, OCPP's ConnectorEnumType).
    station_id: as it is registered at the CSMS, which may ask.
    """
    with_pilot = set(piloted)
    evses = tuple(
        Evse(
            number,
            tuple(connectors),
            piloted=frozenset(connector for connector in connectors if (number, connector) in with_pilot),
        )
        for number, connectors in layout
    )
    heartbeat_s = settings.heartbeat_s
    station = Station(settings, evses, seed, dict(identity), rules, heartbeat_s=heartbeat_s, types=tuple(types))
    return replace(station, station_id=station_id)


def step(station: Station, event: Event, now: Now) -> tuple[Station, list[Action]]:
    """The station after an event, and what to do, in the order in which to do it."""
    actions: list[Action] = []
    if not station.restored and not isinstance(event, Restored):
        return _react(station, event, now, actions), actions
    kept = event.kept if isinstance(event, Restored) else station.kept
    station = _react(lapse_reservations(_lapse(station, now), now, actions), event, now, actions)
    station = fall_due(station, now)
    settled = None
    while settled != (running := _running(station)):  # what starts or ends at one EVSE changes what others may draw
        settled = running
        for number in [evse.number for evse in station.evses]:
            station, evse = settle(station, get_evse(station, number), now, actions)
            station = replace(station, evses=tuple(evse if old.number == number else old for old in station.evses))
    station = lapse_reservations(station, now, actions)  # again: its EVSE may have broken
    station = settle_jobs(station, now, actions)
    station = _leave(_note_faults(_keep_in_touch(station, now, actions)), actions)
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
    times += [station.reservation_mono, station.job_mono]
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
            return plug_changed(station, event)
        case PilotChanged():
            return pilot_changed(station, event)
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
        case LogProgress():
            return log_progress(station, event, actions)
        case FirmwareProgress():
            return firmware_progress(station, event, now, actions)
        case Restored():
            return _restore(station, event, now)
        case Tick():
            return station


def _restore(station: Station, event: Restored, now: Now) -> Station:
    for number, transaction in event.transactions:
        evse = station.evse(number)
        if evse is None:
            continue  # the configuration has one EVSE fewer than before
        connector = transaction.connector
        if evse.plugged is None and any(place == connector for place, _ in evse.pilot_problems):
            # The pilot does not say whether the vehicle is there: believed as it was, as without a power cut.
            station = with_evse(station, number, plugs=evse.plugs | {connector}, plugged=connector)
        end = None if transaction.stop is None else ending(transaction.stop, now)
        station = with_evse(station, number, transaction=transaction, resumed=True, ending=end)
    for number, reason in event.kept.faults:
        evse = station.evse(number)
        if evse is None:
            continue
        # Others are raised anew by what measures them, or told as over. And whoever drew too much may have gone.
        lasts = reason in LATCHED and (reason != OVER_CURRENT or evse.plugged is not None)
        faults = evse.faults | {reason} if lasts else evse.faults
        station = with_evse(station, number, faults=faults, told_faults=evse.told_faults | {reason})
    goes_on = [evse.transaction.id for evse in station.evses if evse.transaction is not None]
    profiles = event.kept.profiles.keep_transactions(goes_on)
    return apply_kept(replace(station, kept=replace(event.kept, profiles=profiles), restored=True))


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


def _link(station: Station, event: LinkChanged, now: Now) -> Station:
    if not event.up:
        since = now.mono if station.online else station.offline_mono
        return replace(give_up_asking(station, now), online=False, boot_mono=None, offline_mono=since)
    away_s = math.inf if station.offline_mono is None else now.mono - station.offline_mono
    station = replace(station, online=True, offline_mono=None)
    if not station.booted:
        return replace(station, boot_mono=now.mono)
    if away_s < station.settings.offline_threshold_s:
        return station
    return replace(station, evses=tuple(replace(evse, reported=()) for evse in station.evses))


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
        station = replace(station, kept=replace(station.kept, boot_reason=POWER_UP))
        return replace(station, booted=True, boot_mono=None, heartbeat_s=interval, heartbeat_mono=now.mono + interval)
    if event.action == "StatusNotification" and event.response is None and not station.online:
        evse = get_evse(station, event.request["evseId"])  # the link was lost before it was answered
        reported = tuple(told for told in evse.reported if told[0] != event.request["connectorId"])
        return with_evse(station, evse.number, reported=reported)
    return station


def _note_faults(station: Station) -> Station:
    """Write faults down: some last over a power cut, and of all others the CSMS must hear that they are over."""
    faults = frozenset((evse.number, reason) for evse in station.evses for reason in evse.faults)
    return station if faults == station.kept.faults else replace(station, kept=replace(station.kept, faults=faults))


def _leave(station: Station, actions: list[Action]) -> Station:
    """Start anew, once nobody charges any more."""
    leaving = station.leaving
    if leaving is None or leaving.gone or at_the_installer(station):
        return station
    if any(evse.transaction is not None for evse in station.evses):
        return station
    actions.append(Restart(leaving.boot_reason))
    kept = replace(station.kept, boot_reason=leaving.boot_reason)
    return replace(station, leaving=replace(leaving, gone=True), kept=kept)


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
        reason = "Triggered" if station.boot_triggered else station.kept.boot_reason
        actions.append(Send("BootNotification", {"reason": reason, "chargingStation": station.identity}))
        return replace(station, boot_mono=None, boot_triggered=False)
    due = station.heartbeat_mono
    if station.online and station.booted and due is not None and now.mono >= due:
        actions.append(Send("Heartbeat", {}))
    if station.booted and due is not None and now.mono >= due:
        return replace(station, heartbeat_mono=now.mono + station.heartbeat_s)
    return station
