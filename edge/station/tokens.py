"""What a station knows of id tokens, and the memory that keeps it: plain values, below `state.py` and `ports.py`.

`authorization.py` decides with these values; `edge/authorization.py` keeps them in a SQLite file.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any, Protocol

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
#: Tokens in the Local Authorization List, at most.
MOST_LISTED = 20_000


class IdToken(msgspec.Struct, frozen=True):
    """An identifier and OCPP's IdTokenEnumType of it, such as ISO14443 for a card's UID."""

    id_token: str
    type: str


class AuthorizationSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who may charge when, and who decides. OCPP's own name in brackets.

    local_pre_authorize: online, whom we know is let in without asking the CSMS (LocalPreAuthorize).
    local_authorize_offline: offline, whom we know is let in (LocalAuthorizeOffline).
    offline_tx_for_unknown_id_enabled: offline, so is whom we do not know (OfflineTxForUnknownIdEnabled).
    auth_cache_enabled: what the CSMS says of a token is remembered and used (AuthCacheEnabled).
    auth_cache_life_time_s: for so many seconds, where the CSMS set no end of its own (AuthCacheLifeTime).
    local_auth_list_enabled: the list that the CSMS sends is kept and used (LocalAuthListEnabled).
    master_pass_group_id: tokens of this group stop all transactions and start none (MasterPassGroupId).
    stop_tx_on_invalid_id: a transaction whose token the CSMS does not accept is ended (StopTxOnInvalidId); else it is
    given no energy beyond max_energy_on_invalid_id_wh, in Wh since its start (MaxEnergyOnInvalidId).
    """

    local_pre_authorize: bool = False
    local_authorize_offline: bool = True
    offline_tx_for_unknown_id_enabled: bool = False
    auth_cache_enabled: bool = True
    auth_cache_life_time_s: Positive = 30 * 86_400
    local_auth_list_enabled: bool = True
    master_pass_group_id: Annotated[str, msgspec.Meta(max_length=36)] = ""
    stop_tx_on_invalid_id: bool = True
    max_energy_on_invalid_id_wh: Annotated[int, msgspec.Meta(ge=0)] = 0


class TokenInfo(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the CSMS said of a token: as much of OCPP's IdTokenInfoType as is kept.

    status: AuthorizationStatusEnumType. group_id: of groupIdToken. until: what was said counts no longer than this
    (cacheExpiryDateTime). evses: the only EVSEs it is good for; none given: all.
    """

    status: str
    group_id: str | None = None
    until: datetime | None = None
    evses: tuple[int, ...] = ()


class Cached(msgspec.Struct, frozen=True):
    """What the CSMS said of a token online. said_at: when it last did."""

    info: TokenInfo
    said_at: datetime


class Known(msgspec.Struct, frozen=True):
    """What is known of a token here: in the Local Authorization List, and in the Authorization Cache."""

    listed: TokenInfo | None = None
    cached: Cached | None = None


class ListEntry(msgspec.Struct, frozen=True):
    """One token of a SendLocalList. type: IdTokenEnumType. info: None takes the token off the list."""

    id_token: str
    type: str
    info: TokenInfo | None


class ListUpdate(msgspec.Struct, frozen=True):
    """A SendLocalList. version: of the list once it is applied. full: it replaces the list, else it changes it."""

    version: int
    full: bool
    entries: tuple[ListEntry, ...]


class ListVerdict(msgspec.Struct, frozen=True):
    """What became of an update. status: SendLocalListStatusEnumType. reason_code: of StatusInfoType, when it failed."""

    status: str
    reason_code: str | None = None


class TokenMemory(Protocol):
    """Keeps the Local Authorization List and the Authorization Cache. Each change is whole or not at all, and survives
    a power cut once the method has returned. None of them raises: what cannot be read is not known, and a change that
    cannot be written is answered as not made.
    """

    @property
    def list_version(self) -> int:
        """Of the Local Authorization List; 0: none was ever sent (OCPP D02)."""

    @property
    def list_entries(self) -> int:
        """How many tokens the Local Authorization List has."""

    def lookup(self, id_token: str, type: str) -> Known:
        """What is known of a token. Whether that still counts is for `authorization.decide` to say."""

    def remember(self, id_token: str, type: str, info: TokenInfo, now: datetime) -> None:
        """The CSMS said this of a token, online (C10). Without effect on a Local Authorization List."""

    def update_list(self, update: ListUpdate) -> ListVerdict:
        """Apply a SendLocalList (D01), if `authorization.judge` accepts it."""

    def forget_all(self) -> bool:
        """Empty the Authorization Cache (C11). Answers whether that was done."""


def read_info(info: Any) -> TokenInfo:
    """From a typed IdTokenInfoType of `protocol.messages`."""
    unset = msgspec.UNSET
    group, until, evses = info.group_id_token, info.cache_expiry_date_time, info.evse_id
    return TokenInfo(
        info.status,
        None if group is unset else group.id_token,
        None if until is unset else until if until.tzinfo else until.replace(tzinfo=UTC),
        () if evses is unset else tuple(evses),
    )
