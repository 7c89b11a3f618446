"""In-app: the notice is in the list of one's notices as soon as it is made; this tells the pages that are open."""

from __future__ import annotations

import msgspec

from cloud.notify.port import AddressError, Notice, Recipient, Setup
from cloud.present import time


class InApp:
    def __init__(self, setup: Setup) -> None:
        self._publish = setup.publish

    def check(self, address: str, email: str) -> str:
        if address:
            raise AddressError("in-app notices need no address")
        return ""

    def send(self, notice: Notice, recipient: Recipient) -> None:
        assert self._publish is not None  # only workers send
        shown = {
            "id": notice.id,
            "at": time(notice.at),
            "kind": notice.kind,
            "session_id": notice.session,
            "text": notice.text,
            "driver": recipient.user,
        }
        self._publish(notice.id, msgspec.json.encode(shown))
