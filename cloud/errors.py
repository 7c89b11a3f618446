"""Errors of the CSMS."""


class CloudError(Exception):
    """Base of the errors of `cloud`."""


class ConflictError(CloudError, ValueError):
    """What was asked for cannot be done now. reason: one word for programs; the text is for people."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class NotFoundError(CloudError, LookupError):
    """There is no such thing, or the one who asks may not know of it."""
