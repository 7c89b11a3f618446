"""From facts to consequences: what must be so at one EVSE, and what to do where it is not so yet.

Which contactor is closed, which transaction runs, what the light shows, what the CSMS is told: all of it is derived,
after every event, from the facts in `Evse`. Power flows only by one rule, `may_flow`.
"""

from __future__ import annotations

from msgspec.structs import replace

from edge.station.authorization import Bearer
from edge.station.changes import ending, with_profiles
from edge.station.places import in_service, used_up
from edge.station.ports import Action, Close, Offer, Open, ReadMeter, Save, Send, Show
from edge.station.state import Authorization, Evse, Measured, Now, Station, Stop, Transaction
from edge.station.states import State, evse_state, status
from edge.station.transaction import open_transaction, report
from hardware.pilot.duty import MAX_A, MIN_A
from hardware.ports import Light

#: Who draws more than this share of what he may, and so much beyond it, A, draws too much: meters err a little.
OVER_SHARE, OVER_A = 1.1, 0.5
OVER_CURRENT = "OverCurrent"
#: A vehicle has so long to follow the pilot's duty cycle, s (IEC 61851-1, table A.6).
FOLLOW_S = 5.0

#: What the indicator shows in each state, when nothing is more pressing.
LIGHTS = {
    State.AVAILABLE: Light.AVAILABLE,
    State.PREPARING: Light.WAITING,
    State.CHARGING: Light.CHARGING,
    State.SUSPENDED_EV: Light.WAITING,
    State.SUSPENDED_EVSE: Light.WAITING,
    State.FINISHING: Light.FINISHING,
    State.RESERVED: Light.RESERVED,
    State.UNAVAILABLE: Light.UNAVAILABLE,
    State.FAULTED: Light.FAULTED,
}


def settle(station: Station, evse: Evse, now: Now, actions: list[Action]) -> tuple[Station, Evse]:
    """Bring one EVSE in line with what is known, and add to `actions` what that takes."""
    if evse.transaction is not None and evse.ending is None and evse.plugged != evse.transaction.connector:
        reason = ("PowerLoss", "AbnormalCondition") if evse.resumed else ("EVDisconnected", "EVDeparted")
        evse = replace(evse, ending=ending(Stop(*reason, now.utc), now))
    evse = _note_stop(_watch_current(station, evse, now), actions)
    if _may_start(station, evse):
        station, evse = _start(station, evse, now, actions)
    held = evse.held
    evse = _offer(station, _limit(station, evse, now), now, actions)
    station, evse = _switch(station, evse, actions)
    if evse.transaction is not None and evse.ending is None:
        evse = _update(station, evse, now, actions, rate_changed=held != evse.held)
    elif evse.transaction is not None:
        station, evse = _finish(station, evse, now, actions)
    evse = _show(station, evse, now, actions)
    station, evse = _tell_faults(station, evse, now, actions)
    return station, _tell_status(station, evse, now, actions)


def _note_stop(evse: Evse, actions: list[Action]) -> Evse:
    """Write down that the transaction is to end: a power cut before it has must not let power flow again."""
    if evse.transaction is None or evse.ending is None or evse.transaction.stop is not None:
        return evse
    transaction = replace(evse.transaction, stop=evse.ending.stop)
    actions.append(Save(evse.number, transaction))
    return replace(evse, transaction=transaction)


def _may_start(station: Station, evse: Evse) -> bool:
    return (
        evse.authorization is not None
        and evse.plugged is not None
        and evse.transaction is None
        and evse.measured is not None
        and not evse.faults
        and in_service(station, evse)
    )


def may_flow(evse: Evse) -> bool:
    """THE rule: power flows only into a plugged vehicle, metered, in a transaction that goes on, without a fault.

    And within its limit (`_limit`), and where there is a control pilot only while the vehicle asks for it.
    """
    return may_offer(evse) and (evse.plugged not in evse.piloted or evse.plugged in evse.ready)


def may_offer(evse: Evse) -> bool:
    """Whether the station for its part would let power flow."""
    return (
        evse.transaction is not None
        and evse.ending is None
        and evse.plugged == evse.transaction.connector
        and evse.measured is not None
        and not _spent(evse.transaction, evse.measured)
        and not evse.held
        and not evse.faults
    )


def _spent(transaction: Transaction, measured: Measured) -> bool:
    """Whether a transaction that may have no more than so much energy has had it."""
    if transaction.max_energy_wh is None:
        return False
    return measured.reading.energy_wh - transaction.start_wh >= transaction.max_energy_wh


def _limit(station: Station, evse: Evse, now: Now) -> Evse:
    """Ask the charging profiles what the transaction may draw, and when to ask again at the latest.

    A control pilot cannot say less than 6 A. Without one, a vehicle cannot be told to draw less than the wiring
    carries: a limit below that is no power at all, for one that is promised and not kept would be worse.
    """
    if evse.transaction is None:
        return evse
    limit = station.kept.profiles.limit_a(
        evse.number,
        now.utc,
        evse.transaction.started_at,
        phases=station.settings.phases,
        voltage_v=station.settings.voltage_v,
        station_max_a=station.settings.max_current_a,
        sharing=1 + sum(other.transaction is not None for other in station.evses if other.number != evse.number),
        safe_a=station.settings.safe_a,
    )
    until = None if limit.until is None else now.mono + (limit.until - now.utc).total_seconds()
    most_a = station.settings.max_current_a
    limit_a = most_a if limit.limit_a is None else min(limit.limit_a, most_a)
    least_a = MIN_A if evse.transaction.connector in evse.piloted else most_a
    return replace(evse, limit_a=limit_a, held=limit_a < least_a, limit_until_mono=until)


def _offer(station: Station, evse: Evse, now: Now, actions: list[Action]) -> Evse:
    """Tell the vehicle what it may draw, where there is a control pilot to tell it by."""
    wanted = None
    if evse.plugged is not None and evse.plugged in evse.piloted and may_offer(evse) and evse.limit_a is not None:
        wanted = (evse.plugged, min(evse.limit_a, MAX_A))
    if evse.offer is not None and (wanted is None or wanted[0] != evse.offer[0]):
        actions.append(Offer(evse.number, evse.offer[0], None))
    if wanted is not None and wanted != evse.offer:
        actions.append(Offer(evse.number, *wanted))
    if wanted == evse.offer:
        return evse
    grace = None if wanted is None or evse.offer is None else (evse.offer[1], now.mono + FOLLOW_S)
    return replace(evse, offer=wanted, grace=grace)


def _watch_current(station: Station, evse: Evse, now: Now) -> Evse:
    """Who goes on drawing more than was offered, or than the wiring carries, is cut off."""
    if evse.closed is None or evse.measured is None:
        return replace(evse, over_mono=None) if evse.over_mono is not None else evse
    if evse.measured.reading.current_a <= _allowed_a(station, evse, now) * OVER_SHARE + OVER_A:
        return replace(evse, over_mono=None) if evse.over_mono is not None else evse
    since = now.mono if evse.over_mono is None else evse.over_mono
    if now.mono - since < station.settings.over_current_s:
        return replace(evse, over_mono=since)
    return replace(evse, over_mono=None, faults=evse.faults | {OVER_CURRENT})


def _allowed_a(station: Station, evse: Evse, now: Now) -> float:
    """What the vehicle may draw at this moment, A: what is offered, or was a moment ago."""
    if evse.offer is None:
        return station.settings.max_current_a if evse.plugged not in evse.piloted else 0.0
    offered_a = evse.offer[1]
    return max(offered_a, evse.grace[0]) if evse.grace is not None and now.mono < evse.grace[1] else offered_a


def _start(station: Station, evse: Evse, now: Now, actions: list[Action]) -> tuple[Station, Evse]:
    authorization = evse.authorization
    assert authorization is not None
    assert evse.plugged is not None
    remote = authorization.remote_start_id
    transaction = open_transaction(station, evse, authorization, evse.plugged, now.utc)
    limited = _install(station, evse, authorization, transaction)
    if limited is None:  # others have come meanwhile: no power without the limit that was promised
        return station, replace(evse, authorization=None)
    station = limited
    bearer = Bearer(authorization.id_token, authorization.group_id)
    used = used_up(station, evse, bearer)
    if used is not None:
        left = tuple(held for held in station.kept.reservations if held.id != used.id)
        station = replace(station, kept=replace(station.kept, reservations=left))
    evse = replace(
        evse,
        authorization=None,
        finishing=False,
        transaction=transaction,
        resumed=False,
        paused_mono=None,
        sample_mono=now.mono + station.settings.sample_s,
    )
    evse = _limit(station, evse, now)
    if not may_flow(evse):
        state = "SuspendedEV" if may_offer(evse) else "SuspendedEVSE"
        evse = replace(evse, transaction=replace(transaction, charging_state=state))
    trigger = "Authorized" if remote is None else "RemoteStart"
    evse, send, save = report(
        evse,
        "Started",
        trigger,
        now.utc,
        online=station.online,
        measured=evse.measured,
        reservation_id=None if used is None else used.id,
    )
    actions += [save, send]
    return replace(station, transactions=station.transactions + 1), evse


def _install(station: Station, evse: Evse, authorization: Authorization, transaction: Transaction) -> Station | None:
    """The charging profile that came with the start is the transaction's own (K05). None: it does not fit any more."""
    if authorization.profile is None:
        return station
    profiles, reason = station.kept.profiles.install(
        replace(authorization.profile, transaction_id=transaction.id),
        evse.number,
        evses=[other.number for other in station.evses],
        phases=station.settings.phases,
        transaction_id=transaction.id,
    )
    return None if reason is not None else with_profiles(station, profiles)


def _switch(station: Station, evse: Evse, actions: list[Action]) -> tuple[Station, Evse]:
    wanted = evse.transaction.connector if evse.transaction is not None and may_flow(evse) else None
    if evse.closed is not None and evse.closed != wanted:
        actions.append(Open(evse.number, evse.closed))
        if evse.ending is not None:
            actions.append(ReadMeter(evse.number))
    if wanted is not None and evse.closed != wanted:
        actions.append(Close(evse.number, wanted))
        counters = station.kept.counters.closed(evse.number, wanted)
        station = replace(station, kept=replace(station.kept, counters=counters))
    return station, replace(evse, closed=wanted, paused_mono=evse.paused_mono if wanted is not None else None)


def _finish(station: Station, evse: Evse, now: Now, actions: list[Action]) -> tuple[Station, Evse]:
    end, measured, transaction = evse.ending, evse.measured, evse.transaction
    assert end is not None
    assert transaction is not None
    fresh = measured is not None and measured.asked_mono >= end.since_mono
    if not fresh and now.mono < end.deadline_mono and not evse.faults:
        return station, evse
    finishing = evse.plugged == transaction.connector
    evse = replace(evse, transaction=replace(transaction, charging_state="EVConnected" if finishing else "Idle"))
    evse, send, save = report(
        evse,
        "Ended",
        end.stop.trigger,
        end.stop.at,
        online=station.online,
        stopped_reason=end.stop.stopped_reason,
        measured=measured,
    )
    actions += [save, send]
    evse = replace(evse, ending=None, resumed=False, finishing=finishing, held=False, triggered=False)
    evse = replace(evse, limit_a=None, limit_until_mono=None)
    return with_profiles(station, station.kept.profiles.drop_transaction(transaction.id)), evse


def _update(station: Station, evse: Evse, now: Now, actions: list[Action], *, rate_changed: bool) -> Evse:
    transaction = evse.transaction
    assert transaction is not None
    evse = _watch_power(station, evse, now)
    state = _charging_state(station, evse, now)
    trigger = None
    if state != transaction.charging_state or evse.resumed:
        trigger = "ChargingRateChanged" if rate_changed else "ChargingStateChanged"
        if state == "SuspendedEVSE" and evse.measured is not None and _spent(transaction, evse.measured):
            trigger = "Deauthorized"  # the little energy that its token was left with is used (E05)
        trigger = "AbnormalCondition" if evse.faults else trigger
    elif evse.triggered:
        trigger = "Trigger"
    elif now.mono >= evse.sample_mono:
        trigger = "MeterValuePeriodic"
    if trigger is None:
        return evse
    if evse.resumed and evse.measured is None and not evse.faults:
        return evse  # the meter has not been read since the restart: tell when it has
    evse = replace(evse, resumed=False, triggered=False, transaction=replace(transaction, charging_state=state))
    # A silent meter must not be quoted: its last reading may be long ago.
    measured = None if evse.faults else evse.measured
    evse, send, save = report(evse, "Updated", trigger, now.utc, online=station.online, measured=measured)
    actions += [save, send]
    return replace(evse, sample_mono=now.mono + station.settings.sample_s)


def _watch_power(station: Station, evse: Evse, now: Now) -> Evse:
    if evse.closed is None or evse.measured is None or evse.measured.reading.power_w >= station.settings.suspended_w:
        return replace(evse, paused_mono=None)
    return evse if evse.paused_mono is not None else replace(evse, paused_mono=now.mono)


def _charging_state(station: Station, evse: Evse, now: Now) -> str:
    """OCPP's ChargingStateEnumType, from what we do and from what the vehicle draws."""
    if evse.closed is None:
        return "SuspendedEV" if may_offer(evse) else "SuspendedEVSE"
    if evse.paused_mono is not None:
        if now.mono - evse.paused_mono >= station.settings.suspended_s:
            return "SuspendedEV"
        assert evse.transaction is not None
        return "SuspendedEV" if evse.transaction.charging_state == "SuspendedEV" else "Charging"
    return "Charging"


def _show(station: Station, evse: Evse, now: Now, actions: list[Action]) -> Evse:
    light = _light(station, evse)
    if light != evse.light:
        actions.append(Show(evse.number, light))
    return replace(evse, light=light)


def _light(station: Station, evse: Evse) -> Light:
    state = evse_state(station, evse)
    if state is State.FAULTED:
        return Light.FAULTED
    if evse.refused_mono is not None:
        return Light.REFUSED
    if state is State.AVAILABLE:
        if station.asking is not None:
            return Light.WAITING
        if not station.booted if station.online else not _charges_offline(station):
            return Light.UNAVAILABLE
    return LIGHTS[state]


def _charges_offline(station: Station) -> bool:
    """Whether anybody at all can be let in while the CSMS cannot be asked."""
    return station.rules.local_authorize_offline or station.rules.offline_tx_for_unknown_id_enabled


def _tell_faults(station: Station, evse: Evse, now: Now, actions: list[Action]) -> tuple[Station, Evse]:
    """Why an EVSE is out of service, which StatusNotification does not say (OCPP 2.0.1, N07 and appendix, EVSE)."""
    for reason in sorted(evse.faults ^ evse.told_faults):
        raised = reason in evse.faults
        data = {
            "eventId": station.notices,
            "timestamp": now.utc,
            "trigger": "Alerting",
            "actualValue": "true" if raised else "false",
            "cleared": not raised,
            "eventNotificationType": "HardWiredNotification",
            "component": {"name": "EVSE", "evse": {"id": evse.number}},
            "variable": {"name": "Problem", "instance": reason},
        }
        station = replace(station, notices=station.notices + 1)
        if raised:
            counters = station.kept.counters.tripped(reason)
            station = replace(station, kept=replace(station.kept, counters=counters))
        notice = {"generatedAt": now.utc, "seqNo": 0, "eventData": [data]}
        actions.append(Send("NotifyEvent", notice, durable=True))
    return station, evse if evse.faults == evse.told_faults else replace(evse, told_faults=evse.faults)


def _tell_status(station: Station, evse: Evse, now: Now, actions: list[Action]) -> Evse:
    if not station.booted or not station.online:
        return evse
    reported = dict(evse.reported)
    told = tuple((connector, status(station, evse, connector)) for connector in evse.connectors)
    for connector, word in told:
        if reported.get(connector) != word:
            payload = {
                "timestamp": now.utc,
                "connectorStatus": word,
                "evseId": evse.number,
                "connectorId": connector,
            }
            actions.append(Send("StatusNotification", payload))
    return evse if told == evse.reported else replace(evse, reported=told)
