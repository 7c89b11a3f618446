"""Who may charge, who may stop it, and which list is believed: the rules of OCPP 2.0.1 part 2, blocks C and D, and E05.

A token is looked up first (`Known`), then `decide` says: let in, turn away, or ask the CSMS. What the CSMS answers goes
through `admit`. Whoever is let in either stops a transaction (`may_stop`) or starts one (`may_start`).
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from edge.station.tokens import AuthorizationSettings, IdToken, Known, ListUpdate, ListVerdict, TokenInfo

ACCEPTED = "Accepted"
EXPIRED = "Expired"

#: Types of token that nobody is asked about (C02, C05) and that are not remembered (C02.FR.03, C03.FR.02): a button was
#: pressed, or the CSMS made the token itself.
_UNASKED = {"Central", "NoAuthorization"}
#: An OCPP integer has 32 bits.
_LARGEST_VERSION = 2**31 - 1


class Grant(msgspec.Struct, frozen=True):
    """Let in. group_id: the group it belongs to. evses: the only EVSEs it may use; none given: all."""

    group_id: str | None = None
    evses: tuple[int, ...] = ()


class Refuse(msgspec.Struct, frozen=True):
    """Turned away. reason: AuthorizationStatusEnumType, or Offline: not known here, and nobody can be asked."""

    reason: str


class Ask(msgspec.Struct, frozen=True):
    """Only the CSMS can say: send Authorize."""


class Bearer(msgspec.Struct, frozen=True):
    """A token and the group that it is known to belong to."""

    id_token: IdToken
    group_id: str | None = None


class Deauthorize(msgspec.Struct, frozen=True):
    """End the transaction now: stoppedReason DeAuthorized, triggerReason Deauthorized."""


class Suspend(msgspec.Struct, frozen=True):
    """Let the transaction go on, but without energy once it has had after_wh since its start."""

    after_wh: int


def decide(
    id_token: IdToken, known: Known, settings: AuthorizationSettings, *, online: bool, now: datetime
) -> Grant | Refuse | Ask:
    """What to say to the holder of a token.

    Online a token that is known to be good is let in without asking if LocalPreAuthorize says so (C12, C14); about all
    others the CSMS is asked, for it may know better than an old refusal (C10.FR.03, C12.FR.05, C14.FR.03). Offline one
    known to be good is let in if LocalAuthorizeOffline says so (C12, C13); one known to be bad, or past its time, never
    is; OfflineTxForUnknownIdEnabled lets in the rest (C15). A master pass is granted here too: see `may_start`.
    """
    if id_token.type in _UNASKED:
        return Grant()
    info = _believed(known, settings, now)
    if online:
        if settings.local_pre_authorize and info is not None and info.status == ACCEPTED:
            return admit(info)
        return Ask()
    unknown = info is None or (info.status == ACCEPTED and not settings.local_authorize_offline)
    if unknown and not settings.offline_tx_for_unknown_id_enabled:
        return Refuse("Offline")
    return Grant() if info is None else admit(info)


def admit(info: TokenInfo) -> Grant | Refuse:
    """What follows from a status, such as the CSMS's answer to Authorize (C01)."""
    return Grant(info.group_id, info.evses) if info.status == ACCEPTED else Refuse(info.status)


def may_remember(id_token: IdToken, settings: AuthorizationSettings) -> bool:
    """Whether what the CSMS says of this token goes into the Authorization Cache (C10.FR.01, FR.04, FR.05)."""
    return settings.auth_cache_enabled and id_token.type not in _UNASKED


def may_start(grant: Grant, settings: AuthorizationSettings) -> bool:
    """A master pass starts nothing (MasterPassGroupId)."""
    return not is_master_pass(grant.group_id, settings)


def may_stop(presented: Bearer, starter: Bearer, settings: AuthorizationSettings) -> bool:
    """Whether a token stops the transaction that another, or the same, has started.

    The same token does, without asking anybody (C01.FR.02); one of the same group does (C09), and a master pass (C16).
    The presented group must come from a `Grant`: a blocked card does not stop its family's transaction.
    """
    if same_token(presented.id_token, starter.id_token) or is_master_pass(presented.group_id, settings):
        return True
    return _same(presented.group_id, starter.group_id)


def is_master_pass(group_id: str | None, settings: AuthorizationSettings) -> bool:
    """Whether a token of this group is a master pass: at a station like ours it stops all transactions (C16.FR.02)."""
    return _same(group_id, settings.master_pass_group_id)


def same_token(one: IdToken, other: IdToken) -> bool:
    """Tokens are the same by identifier, in whatever case, and type (C01.FR.25)."""
    return one.type == other.type and one.id_token.casefold() == other.id_token.casefold()


def after_refusal(settings: AuthorizationSettings) -> Deauthorize | Suspend:
    """What to do when a TransactionEventResponse says of an open transaction's token anything but Accepted (E05, C15).

    StopTxOnInvalidId ends the transaction at once (E05.FR.10); without it the transaction goes on, its energy only up
    to MaxEnergyOnInvalidId, and where that is not set it gets none (E05.FR.02).
    """
    return Deauthorize() if settings.stop_tx_on_invalid_id else Suspend(settings.max_energy_on_invalid_id_wh)


def judge(update: ListUpdate, version: int) -> ListVerdict:
    """Whether an update may be applied to the list of this version.

    The new version is above 0 (D01.FR.18), and of a differential update above the list's (D01.FR.19). No token comes
    twice (D01.FR.06), and a full list says something of each of its tokens.
    """
    if not 0 < update.version <= _LARGEST_VERSION:
        return ListVerdict("Failed", "ValueOutOfRange")
    if not update.full and update.version <= version:
        return ListVerdict("VersionMismatch")
    if update.full and any(entry.info is None for entry in update.entries):
        return ListVerdict("Failed", "MissingParam")
    if len({(entry.id_token.casefold(), entry.type) for entry in update.entries}) < len(update.entries):
        return ListVerdict("Failed", "InvalidValue")
    return ListVerdict(ACCEPTED)


def _believed(known: Known, settings: AuthorizationSettings, now: datetime) -> TokenInfo | None:
    """The list goes before the cache. What is past its time counts as Expired, not as unknown (C10.FR.10, FR.13)."""
    if settings.local_auth_list_enabled and known.listed is not None:
        info, until = known.listed, known.listed.until
    elif settings.auth_cache_enabled and known.cached is not None:
        info = known.cached.info
        until = info.until or known.cached.said_at + timedelta(seconds=settings.auth_cache_life_time_s)
    else:
        return None
    over = info.status == ACCEPTED and until is not None and now >= until
    return TokenInfo(EXPIRED, info.group_id) if over else info


def _same(group: str | None, other: str | None) -> bool:
    """No group is not a group of its own."""
    return (group or "").casefold() == (other or "").casefold() != ""
