"""Errors that carry an OCPP-J error code, so that whoever catches one can answer with it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ColonninaError(Exception):
    """Base of the errors of `protocol`."""


class SettingsError(ColonninaError, ValueError):
    """A configuration file is wrong. The message names the file, the line, the key and what is allowed."""


class ProtocolError(ColonninaError, ValueError):
    """A frame or a request that cannot be accepted.

    code: an error code of OCPP 2.0.1 part 4, section 4.3, such as `FormatViolation`. message_id: of the frame it is
    about, or "-1" when that could not be read (same section). details: JSON-able, sent in the CALLERROR.
    """

    def __init__(
        self, code: str, description: str, *, message_id: str = "-1", details: Mapping[str, Any] | None = None
    ) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description
        self.message_id = message_id
        self.details = dict(details or {})
