"""Id tokens: what one may look like, by its type (OCPP 2.0.1, IdTokenType)."""

from __future__ import annotations

import re

#: OCPP's longest, characters.
MAX_LENGTH = 36
TYPES = ("ISO14443", "ISO15693", "KeyCode", "Central", "eMAID", "MacAddress")
#: What an operator may say of a token (OCPP 2.0.1, AuthorizationStatusEnumType, without what only a moment decides).
STATUSES = (
    "Accepted",
    "Blocked",
    "Expired",
    "Invalid",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
)

_IDENTIFIER = re.compile(r"[A-Za-z0-9*_=:+|@.-]{1,36}\Z")  # OCPP's identifierString
_HEXADECIMAL = re.compile(r"[0-9A-F]+\Z")
#: Hexadecimal digits of what has a fixed number of them.
_DIGITS = {"ISO14443": (8, 14, 20), "ISO15693": (16,), "MacAddress": (12,)}
_EMAID = re.compile(r"[A-Z]{2}-?[0-9A-Z]{3}-?[0-9A-Z]{9}(-?[0-9A-Z])?\Z")  # ISO 15118-1, with or without separators


class TokenError(ValueError):
    """What was given is not such an id token. The message says why, for people."""


def check(text: str) -> str:
    """The text itself. Raises TokenError unless OCPP can carry it."""
    if not _IDENTIFIER.match(text):
        raise TokenError(f"{text[:40]!r} is not an identifier: 1 to {MAX_LENGTH} letters, digits and *-_=:+|@.")
    return text


def normal(text: str, kind: str) -> str:
    """A token as we keep it: upper case, since tokens are compared without regard to case. Raises TokenError."""
    text = text.strip().upper()
    if kind not in TYPES:
        raise TokenError(f"{kind[:20]!r} is not a type: {', '.join(TYPES)}")
    lengths = _DIGITS.get(kind)
    if lengths is not None:
        text = re.sub(r"[:\s-]", "", text)
        if len(text) not in lengths or not _HEXADECIMAL.match(text):
            wanted = " or ".join(map(str, lengths))
            raise TokenError(f"{text[:40]!r} is not an {kind} token: {wanted} hexadecimal digits")
    if kind == "eMAID" and not _EMAID.match(text):
        raise TokenError(f"{text[:40]!r} is not an eMAID, such as IT-ABC-C12345678-X")
    return check(text)
