"""From facts to consequences: what must be so at one EVSE, and what to do where it is not so yet.

Which contactor is closed, which transaction runs, what the light shows, what the CSMS is told: all of it is derived,
after every event, from the facts in `Evse`. Power flows only by one rule, `may_flow`.
"""

from __future__ import annotations

from msgspec.structs import replace

from edge.station.changes import ending, with_profiles
from edge.station.ports import Action, Close, Open, ReadMeter, Save, Send, Show
from edge.station.state import Evse, Measured, Now, Station, Stop, Transaction
from edge.station.transaction import open_transaction, report
from hardware.ports import Light


def settle(station: Station, evse: Evse, now: Now, actions: list[Action]) -> tuple[Station, Evse]:
    """Bring one EVSE in line with what is known, and add to `actions` what that takes."""
    if evse.transaction is not None and evse.ending is None and evse.plugged != evse.transaction.connector:
        reason = ("PowerLoss", "AbnormalCondition") if evse.resumed else ("EVDisconnected", "EVDeparted")
        evse = replace(evse, ending=ending(Stop(*reason, now.utc), now))
    evse = _note_stop(evse, actions)
    if _may_start(evse):
        station, evse = _start(station, evse, now, actions)
    held = evse.held
    evse = _switch(_limit(station, evse, now), actions)
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


def _may_start(evse: Evse) -> bool:
    return (
        evse.authorization is not None
        and evse.plugged is not None
        and evse.transaction is None
        and evse.measured is not None
        and not evse.faults
    )


def may_flow(evse: Evse) -> bool:
    """THE rule: power flows only into a plugged vehicle, metered, in a transaction that goes on, without a fault.

    And within its limit: without a control pilot a vehicle cannot be told to draw less than the wiring carries, so a
    limit below that is no power at all. A limit that is promised and not kept would be worse.
    """
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
    """Ask the charging profiles what the transaction may draw, and when to ask again at the latest."""
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
    )
    until = None if limit.until is None else now.mono + (limit.until - now.utc).total_seconds()
    held = limit.limit_a is not None and limit.limit_a < station.settings.max_current_a
    return replace(evse, held=held, limit_until_mono=until)


def _start(station: Station, evse: Evse, now: Now, actions: list[Action]) -> tuple[Station, Evse]:
    authorization = evse.authorization
    assert authorization is not None
    assert evse.plugged is not None
    remote = authorization.remote_start_id
    transaction = open_transaction(station, evse, authorization, evse.plugged, now.utc)
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
        evse = replace(evse, transaction=replace(transaction, charging_state="SuspendedEVSE"))
    trigger = "Authorized" if remote is None else "RemoteStart"
    evse, send, save = report(evse, "Started", trigger, now.utc, online=station.online, measured=evse.measured)
    actions += [save, send]
    return replace(station, transactions=station.transactions + 1), evse


def _switch(evse: Evse, actions: list[Action]) -> Evse:
    wanted = evse.transaction.connector if evse.transaction is not None and may_flow(evse) else None
    if evse.closed is not None and evse.closed != wanted:
        actions.append(Open(evse.number, evse.closed))
        if evse.ending is not None:
            actions.append(ReadMeter(evse.number))
    if wanted is not None and evse.closed != wanted:
        actions.append(Close(evse.number, wanted))
    return replace(evse, closed=wanted, paused_mono=evse.paused_mono if wanted is not None else None)


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
    evse = replace(evse, ending=None, resumed=False, finishing=finishing, held=False, limit_until_mono=None)
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
    elif now.mono >= evse.sample_mono:
        trigger = "MeterValuePeriodic"
    if trigger is None:
        return evse
    if evse.resumed and evse.measured is None and not evse.faults:
        return evse  # the meter has not been read since the restart: tell when it has
    evse = replace(evse, resumed=False, transaction=replace(transaction, charging_state=state))
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
        return "SuspendedEVSE"
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
    if evse.faults:
        return Light.FAULTED
    if evse.refused_mono is not None:
        return Light.REFUSED
    if evse.transaction is not None:
        return Light.CHARGING if evse.transaction.charging_state == "Charging" else Light.WAITING
    if evse.authorization is not None or station.asking is not None:
        return Light.WAITING
    if evse.finishing:
        return Light.FINISHING
    if not station.booted if station.online else not _charges_offline(station):
        return Light.UNAVAILABLE
    return Light.WAITING if evse.plugged is not None else Light.AVAILABLE


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
        notice = {"generatedAt": now.utc, "seqNo": 0, "eventData": [data]}
        actions.append(Send("NotifyEvent", notice, durable=True))
    return station, replace(evse, told_faults=evse.faults)


def _tell_status(station: Station, evse: Evse, now: Now, actions: list[Action]) -> Evse:
    if not station.booted or not station.online:
        return evse
    reported = dict(evse.reported)
    for connector in evse.connectors:
        status = _status(evse, connector)
        if reported.get(connector) != status:
            actions.append(
                Send(
                    "StatusNotification",
                    {
                        "timestamp": now.utc,
                        "connectorStatus": status,
                        "evseId": evse.number,
                        "connectorId": connector,
                    },
                )
            )
    return replace(evse, reported=tuple((connector, _status(evse, connector)) for connector in evse.connectors))


def _status(evse: Evse, connector: int) -> str:
    if evse.faults:
        return "Faulted"
    if evse.plugged is None:
        return "Available"
    return "Occupied" if evse.plugged == connector else "Unavailable"
