"""Cards: who is let in, who stops what, and what follows from the CSMS's word (OCPP 2.0.1, blocks C and E05).

`authorization.py` has the rules; here they are applied to the station.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from edge.station.authorization import (
    Ask,
    Bearer,
    Grant,
    Refuse,
    Suspend,
    admit,
    after_refusal,
    decide,
    is_master_pass,
    may_remember,
    may_start,
    may_stop,
    same_token,
)
from edge.station.changes import ending, with_evse
from edge.station.places import free_evse
from edge.station.ports import Action, Answered, CardRead, Save, Send
from edge.station.state import Asking, Authorization, Now, Station, Stop
from edge.station.token_orders import RememberToken
from edge.station.tokens import IdToken, TokenInfo, read_info


def read_card(station: Station, event: CardRead, now: Now, actions: list[Action]) -> Station:
    """A card was laid on the reader: it stops what it started, is let in, is turned away, or the CSMS is asked."""
    stopped = _stop(station, Bearer(event.id_token), now)
    if stopped is not None:
        return stopped
    for evse in station.evses:
        if evse.authorization is not None and same_token(evse.authorization.id_token, event.id_token):
            return with_evse(station, evse.number, authorization=None)
    if station.asking is not None:
        return station  # one driver at a time
    if station.online and not station.booted:
        return refuse(station, now)  # the CSMS has not accepted the station (B02, B03)
    verdict = decide(event.id_token, event.known, station.rules, online=station.online, now=now.utc)
    if isinstance(verdict, Ask):
        if free_evse(station, None) is None and not _group_matters(station):
            return refuse(station, now)  # nothing the CSMS could say would help
        actions.append(
            Send("Authorize", {"idToken": {"idToken": event.id_token.id_token, "type": event.id_token.type}})
        )
        return replace(station, asking=Asking(event.id_token, now.mono + station.settings.authorize_s, event.known))
    return _follow(station, event.id_token, verdict, now)


def authorize_answered(station: Station, event: Answered, now: Now, actions: list[Action]) -> Station:
    """The CSMS has said who may charge, or has not answered."""
    token, asking = _token_in(event), station.asking
    info = None if event.response is None else read_info(event.response.id_token_info)
    if info is not None:
        _remember(station, token, info, actions)  # also when the driver has gone on meanwhile
    if asking is None or asking.id_token != token:
        return station
    if info is None:
        return give_up_asking(station, now)
    return _follow(replace(station, asking=None), token, admit(info), now)


def give_up_asking(station: Station, now: Now) -> Station:
    """The CSMS's word does not come: decide as when offline (C12, C13, C15)."""
    asking = station.asking
    if asking is None:
        return station
    verdict = decide(asking.id_token, asking.known, station.rules, online=False, now=now.utc)
    assert not isinstance(verdict, Ask), "offline nobody is asked"
    return _follow(replace(station, asking=None), asking.id_token, verdict, now)


def transaction_answered(station: Station, event: Answered, now: Now, actions: list[Action]) -> Station:
    """What the CSMS says of a transaction's token may end the transaction, or bound its energy (E05)."""
    if event.response is None or event.response.id_token_info is msgspec.UNSET or "idToken" not in event.request:
        return station
    token, info = _token_in(event), read_info(event.response.id_token_info)
    _remember(station, token, info, actions)
    for evse in station.evses:
        transaction = evse.transaction
        if transaction is None or transaction.id != event.request["transactionInfo"]["transactionId"]:
            continue
        if not same_token(transaction.id_token, token):
            continue  # it is about the token that ended it
        verdict, consequence = admit(info), after_refusal(station.rules)
        if isinstance(verdict, Grant):
            told = replace(transaction, group_id=verdict.group_id or transaction.group_id, max_energy_wh=None)
        elif isinstance(consequence, Suspend):
            told = replace(transaction, max_energy_wh=consequence.after_wh)
        else:
            stop = Stop("DeAuthorized", "Deauthorized", now.utc)
            return station if evse.ending else with_evse(station, evse.number, ending=ending(stop, now))
        if told != transaction:
            actions.append(Save(evse.number, told))
            station = with_evse(station, evse.number, transaction=told)
    return station


def refuse(station: Station, now: Now) -> Station:
    """Show for a moment that this card may not."""
    until = now.mono + station.settings.refused_s
    return replace(station, evses=tuple(replace(evse, refused_mono=until) for evse in station.evses))


def _follow(station: Station, id_token: IdToken, verdict: Grant | Refuse, now: Now) -> Station:
    if isinstance(verdict, Refuse):
        return refuse(station, now)
    target = free_evse(station, Bearer(id_token, verdict.group_id), verdict.evses)
    if target is None or target.plugged is None or not may_start(verdict, station.rules):
        # Where a vehicle waits, a card of a family that charges here already is for that vehicle.
        stopped = _stop(station, Bearer(id_token, verdict.group_id), now)
        if stopped is not None:
            return stopped
    if target is None or not may_start(verdict, station.rules):
        return refuse(station, now)
    until = now.mono + station.settings.connection_timeout_s
    authorization = Authorization(id_token, until, None, verdict.group_id, verdict.evses)
    return with_evse(station, target.number, authorization=authorization, refused_mono=None)


def _stop(station: Station, bearer: Bearer, now: Now) -> Station | None:
    """The station with what this token may stop ended: one transaction, or with a master pass all. None: nothing."""
    master = is_master_pass(bearer.group_id, station.rules)
    stop = Stop("MasterPass" if master else "Local", "StopAuthorized", now.utc, bearer.id_token)
    stopped = None
    for evse in station.evses:
        transaction = evse.transaction
        if transaction is None or evse.ending is not None:
            continue
        if may_stop(bearer, Bearer(transaction.id_token, transaction.group_id), station.rules):
            stopped = with_evse(stopped or station, evse.number, ending=ending(stop, now))
            if not master:
                break
    return stopped


def _group_matters(station: Station) -> bool:
    """Whether a card that nobody knows might stop a transaction here by the group it belongs to."""
    return any(evse.transaction is not None for evse in station.evses)


def _token_in(event: Answered) -> IdToken:
    """The token that a call of ours was about."""
    return IdToken(event.request["idToken"]["idToken"], event.request["idToken"]["type"])


def _remember(station: Station, token: IdToken, info: TokenInfo, actions: list[Action]) -> None:
    if may_remember(token, station.rules):
        actions.append(RememberToken(token, info))
