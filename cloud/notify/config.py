"""How people are told, and what they may ask of us: `[notify]` of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec


class Notify(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """smtp_host: the mail server; empty for no e-mail. smtp_security: starttls, tls, or none in a trusted network.

    sender: the address that e-mail comes from; needed with smtp_host. contact: a mailto: or https: address of whoever
    runs this, which push services are told, so that they can complain.

    push_services: hosts that a browser's push subscription may name, with what is below them; a whole origin such as
    http://127.0.0.1:9000 means exactly that one. apprise_schemes: the kinds of Apprise URL that people may give.
    apprise_hosts: servers that such a URL may name, where it names one. We connect to nothing else for them: not to
    this machine and not to its network.
    """

    smtp_host: str = ""
    smtp_port: Annotated[int, msgspec.Meta(ge=1, le=65535)] = 587
    smtp_security: Literal["starttls", "tls", "none"] = "starttls"
    smtp_username: str = ""
    smtp_password: str = ""
    sender: str = ""
    contact: str = ""
    push_services: tuple[str, ...] = (
        "fcm.googleapis.com",
        "push.services.mozilla.com",
        "push.apple.com",
        "notify.windows.com",
    )
    apprise_schemes: tuple[str, ...] = ("tgram", "ntfys", "discord", "slack", "pover")
    apprise_hosts: tuple[str, ...] = ("ntfy.sh",)

    def __post_init__(self) -> None:
        if self.smtp_host and "@" not in self.sender:
            raise ValueError("sender: e-mail needs the address that it comes from")
        if self.contact and not self.contact.startswith(("mailto:", "https://")):
            raise ValueError("contact: begins with mailto: or https://")
