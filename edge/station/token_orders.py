"""What the machine tells the token memory: actions, and the answers to those that the CSMS waits for.

The list stays in the memory and not in `Station`: ten thousand tokens in a value would be copied into every station of
a fleet and written out as a whole after every change, and a second copy of its version could be wrong. So a handler
says what to do, and the runtime answers what came of it, once it is on disk: `answer`.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.station.tokens import AuthorizationSettings, IdToken, ListUpdate, TokenInfo, TokenMemory


class RememberToken(msgspec.Struct, frozen=True):
    """The CSMS said this of a token: keep it in the Authorization Cache (C10)."""

    id_token: IdToken
    info: TokenInfo


class UpdateLocalList(msgspec.Struct, frozen=True):
    """Apply a SendLocalList (D01), and answer it."""

    message_id: str
    action: str
    update: ListUpdate


class TellListVersion(msgspec.Struct, frozen=True):
    """Answer a GetLocalListVersion (D02)."""

    message_id: str
    action: str


class ClearTokenCache(msgspec.Struct, frozen=True):
    """Empty the Authorization Cache for a ClearCache (C11), and answer it."""

    message_id: str
    action: str


TokenOrder = UpdateLocalList | TellListVersion | ClearTokenCache


def answer(order: TokenOrder, memory: TokenMemory, settings: AuthorizationSettings) -> dict[str, Any]:
    """Carry out an order. The payload of the response to the call behind it, with OCPP's JSON names."""
    match order:
        case UpdateLocalList():
            if not settings.local_auth_list_enabled:
                return _status("Failed", "NotEnabled")
            verdict = memory.update_list(order.update)
            return _status(verdict.status, verdict.reason_code)
        case TellListVersion():
            return {"versionNumber": memory.list_version if settings.local_auth_list_enabled else 0}
        case ClearTokenCache():
            if not settings.auth_cache_enabled:
                return _status("Rejected", "NotEnabled")
            return _status("Accepted") if memory.forget_all() else _status("Rejected", "InternalError")


def _status(status: str, reason_code: str | None = None) -> dict[str, Any]:
    return {"status": status} if reason_code is None else {"status": status, "statusInfo": {"reasonCode": reason_code}}
