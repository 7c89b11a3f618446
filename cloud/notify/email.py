"""E-mail, by the mail server that the operator configured. The driver gives an address and nothing else.

An attempt after one whose end is not known has the same Message-ID, by which mailboxes know a message that they have.
"""

from __future__ import annotations

import re
import smtplib
import ssl
from email.message import EmailMessage
from email.utils import format_datetime

from cloud.notify.port import TIMEOUT_S, AddressError, Notice, PermanentError, Recipient, Setup, TemporaryError

#: What nearly every address looks like. No space, quote, comma or angle bracket: it is one address and nothing else.
_ADDRESS = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~.-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,180}[A-Za-z0-9])?\Z")


class Email:
    def __init__(self, setup: Setup) -> None:
        self._config = setup.config

    def check(self, address: str, email: str) -> str:
        """No address: that of the account, whatever it is when there is something to tell."""
        if not self._config.smtp_host:
            raise AddressError("this network sends no e-mail")
        if address and not _ADDRESS.match(address):
            raise AddressError("that is not an e-mail address")
        return address

    def send(self, notice: Notice, recipient: Recipient) -> None:
        if not self._config.smtp_host:
            raise PermanentError("no mail server is configured")
        to = recipient.target or recipient.email
        if not _ADDRESS.match(to):
            raise PermanentError("that is not an e-mail address")
        try:
            with self._connect() as server:
                server.send_message(self._message(notice, to))
        except smtplib.SMTPRecipientsRefused as error:
            code, text = next(iter(error.recipients.values()))
            raise _of_code(code, text) from error
        except smtplib.SMTPResponseException as error:
            raise _of_code(error.smtp_code, error.smtp_error) from error
        except (smtplib.SMTPException, OSError) as error:
            raise TemporaryError(f"mail server: {error}") from error

    def _connect(self) -> smtplib.SMTP:
        config = self._config
        context = ssl.create_default_context()
        server: smtplib.SMTP
        if config.smtp_security == "tls":
            server = smtplib.SMTP_SSL(config.smtp_host, config.smtp_port, timeout=TIMEOUT_S, context=context)
        else:
            server = smtplib.SMTP(config.smtp_host, config.smtp_port, timeout=TIMEOUT_S)
        try:
            if config.smtp_security == "starttls":
                server.starttls(context=context)
            if config.smtp_username:
                server.login(config.smtp_username, config.smtp_password)
        except BaseException:
            server.close()
            raise
        return server

    def _message(self, notice: Notice, to: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._config.sender
        message["To"] = to
        message["Subject"] = notice.title
        message["Date"] = format_datetime(notice.at)
        domain = self._config.sender.rpartition("@")[2].strip("> ")
        message["Message-ID"] = f"<{notice.id}.{notice.delivery}@{domain}>"
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers
        message.set_content(notice.text)
        return message


def _of_code(code: int, text: bytes | str) -> TemporaryError | PermanentError:
    words = text.decode(errors="replace") if isinstance(text, bytes) else text
    # 535: our own password is wrong, which the operator can mend.
    kind = PermanentError if 500 <= code < 600 and code not in (530, 534, 535, 538) else TemporaryError
    return kind(f"mail server: {code} {words}")
