"""The channels against real servers that the test runs, and what they refuse to connect to."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import insert, select

from cloud.notify import keys
from cloud.notify.apprise import Apprise
from cloud.notify.channels import make_channels
from cloud.notify.config import Notify
from cloud.notify.email import Email
from cloud.notify.in_app import InApp
from cloud.notify.port import (
    AddressError,
    Notice,
    PermanentError,
    Recipient,
    Setup,
    TemporaryError,
)
from cloud.notify.web_push import WebPush, check_endpoint, check_keys
from cloud.store.store import Store
from cloud.store.tables import push_subscriptions, users
from protocol import settings
from protocol.errors import ColonninaError
from tests.support import free_port
from tests.support.notices_world import Browser, MailServer, PushService, a_mail_server

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
NOTICE = Notice(
    "0123456789abcdef01234567", "soc_threshold", NOON, "s-1", "Battery at 80 %", "It is at 81 %. È così.", 7
)
DRIVER = Recipient("driver", "driver@colonnina.test", "")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(f"sqlite:///{tmp_path / 'csms.sqlite'}")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def mail() -> Iterator[MailServer]:
    with a_mail_server() as server:
        yield server


@pytest.fixture
def service() -> Iterator[PushService]:
    with PushService() as made:
        yield made


def setup(store: Store, **config: Any) -> Setup:
    return Setup(Notify(**config), store, lambda: NOON)


def mailing(store: Store, port: int) -> Email:
    return Email(
        setup(store, smtp_host="127.0.0.1", smtp_port=port, smtp_security="none", sender="Colonnina <csms@demo.test>")
    )


# -- e-mail ------------------------------------------------------------------------------------------------------------


def test_an_e_mail_arrives_as_it_was_written(store: Store, mail: MailServer) -> None:
    mailing(store, mail.port).send(NOTICE, DRIVER)
    (message,) = mail.messages
    assert {name: message[name] for name in ("From", "To", "Subject", "Message-ID", "Auto-Submitted")} == {
        "From": "Colonnina <csms@demo.test>",
        "To": "driver@colonnina.test",
        "Subject": "Battery at 80 %",
        "Message-ID": "<0123456789abcdef01234567.7@demo.test>",
        "Auto-Submitted": "auto-generated",
    }
    assert message.get_payload(decode=True).decode().strip() == "It is at 81 %. È così."  # type: ignore[union-attr]


def test_the_address_that_was_given_is_used_instead_of_the_accounts(store: Store, mail: MailServer) -> None:
    mailing(store, mail.port).send(NOTICE, Recipient("driver", "driver@colonnina.test", "other@colonnina.test"))
    assert [message["To"] for message in mail.messages] == ["other@colonnina.test"]


@pytest.mark.parametrize(("reply", "kind"), [("451 later", TemporaryError), ("550 nobody here", PermanentError)])
def test_what_the_mail_server_says_decides_whether_to_try_again(
    store: Store, mail: MailServer, reply: str, kind: type[Exception]
) -> None:
    mail.replies.append(reply)
    with pytest.raises(kind, match=reply):
        mailing(store, mail.port).send(NOTICE, DRIVER)
    assert mail.messages == []


def test_a_mail_server_that_is_away_is_tried_again(store: Store) -> None:
    with pytest.raises(TemporaryError, match="mail server"):
        mailing(store, free_port()).send(NOTICE, DRIVER)


def test_an_address_is_one_address_and_nothing_else(store: Store) -> None:
    email = mailing(store, 1)
    assert email.check("", "driver@colonnina.test") == ""
    assert email.check("me+car@colonnina.test", "") == "me+car@colonnina.test"
    for wrong in (
        "me",
        "a@b.test, c@d.test",
        "a@b.test\r\nBcc: c@d.test",
        "<a@b.test>",
        "a@b.test ",
        '"a b"@c.test',
        "@x",
    ):
        with pytest.raises(AddressError):
            email.check(wrong, "")


def test_without_a_mail_server_e_mail_cannot_be_chosen(store: Store) -> None:
    with pytest.raises(AddressError, match="sends no e-mail"):
        Email(setup(store)).check("a@b.test", "")


# -- web push ----------------------------------------------------------------------------------------------------------


def subscribe(store: Store, browser: Browser) -> Recipient:
    shared = browser.subscription["keys"]
    with store.write() as connection:
        row = {"id": "driver", "email": "d@x.test", "role": "driver", "created_at": NOON, "password_hash": ""}
        connection.execute(insert(users).values(**row))
        row = {"id": "browser", "user": "driver", "endpoint": browser.endpoint, "created_at": NOON}
        connection.execute(insert(push_subscriptions).values(**row, **shared))
    return Recipient("driver", "", "browser")


def pushing(store: Store, service: PushService, *also: str) -> WebPush:
    service.public_key = keys.public_key(keys.private_key(store))
    return WebPush(setup(store, push_services=(service.origin, *also), contact="mailto:ops@demo.test"))


def test_a_push_is_signed_by_us_and_only_the_browser_can_read_it(store: Store, service: PushService) -> None:
    browser = Browser(f"{service.origin}/send/abc")
    channel, to = pushing(store, service), subscribe(store, browser)
    channel.send(NOTICE, to)
    assert service.wrong == []
    (pushed,) = service.messages
    assert (pushed.path, pushed.headers["topic"]) == ("/send/abc", NOTICE.id)
    assert pushed.claims["sub"] == "mailto:ops@demo.test"
    assert NOTICE.title.encode() not in pushed.body
    assert browser.read(pushed.body) == {
        "id": NOTICE.id,
        "kind": "soc_threshold",
        "session_id": "s-1",
        "title": "Battery at 80 %",
        "body": "It is at 81 %. È così.",
    }


def test_a_push_service_that_is_busy_says_when_to_come_again(store: Store, service: PushService) -> None:
    service.replies.append(503)
    channel, to = pushing(store, service), subscribe(store, Browser(f"{service.origin}/x"))
    with pytest.raises(TemporaryError) as error:
        channel.send(NOTICE, to)
    assert error.value.after_s == 90
    channel.send(NOTICE, to)
    assert [pushed.headers["topic"] for pushed in service.messages] == [NOTICE.id] * 2


@pytest.mark.parametrize("status", [404, 410])
def test_a_subscription_that_is_gone_is_forgotten(store: Store, service: PushService, status: int) -> None:
    service.replies.append(status)
    channel, to = pushing(store, service), subscribe(store, Browser(f"{service.origin}/x"))
    for _ in range(2):
        with pytest.raises(PermanentError, match="no longer subscribed"):
            channel.send(NOTICE, to)
    assert len(service.messages) == 1
    with store.read() as connection:
        assert connection.execute(select(push_subscriptions)).all() == []


@pytest.mark.parametrize("status", [400, 403, 413, 307])
def test_a_push_that_is_refused_is_not_tried_again_nor_sent_elsewhere(
    store: Store, service: PushService, status: int
) -> None:
    service.replies.append(status)
    channel, to = pushing(store, service), subscribe(store, Browser(f"{service.origin}/x"))
    with pytest.raises(PermanentError, match="push service"):
        channel.send(NOTICE, to)
    assert [pushed.path for pushed in service.messages] == ["/x"]


def test_the_key_is_made_once_for_all_processes(store: Store) -> None:
    assert keys.public_key(keys.private_key(store)) == keys.public_key(keys.private_key(store))


SERVICES = Notify().push_services


def test_endpoints_of_the_known_push_services_are_taken() -> None:
    for endpoint in (
        "https://fcm.googleapis.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com/wpush/v2/abc",
        "https://web.push.apple.com/abc",
        "https://wns2-par02p.notify.windows.com/w/?token=abc",
    ):
        check_endpoint(endpoint, SERVICES)


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://fcm.googleapis.com/x",
        "https://127.0.0.1/x",
        "https://localhost/x",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/x",
        "https://fcm.googleapis.com:8443/x",
        "https://fcm.googleapis.com@127.0.0.1/x",
        "https://user@fcm.googleapis.com/x",
        "https://evilfcm.googleapis.com.attacker.test/x",
        "https://notfcm.googleapis.com/x",
        "file:///etc/passwd",
        "https://fcm.googleapis.com/\x00",
        "https://fcm.googleapis.com\\@127.0.0.1/x",
        "https://[bad",
        "",
    ],
)
def test_no_other_endpoint_is_taken(endpoint: str) -> None:
    with pytest.raises(AddressError):
        check_endpoint(endpoint, SERVICES)


def test_an_endpoint_that_is_not_allowed_any_more_is_not_connected_to(store: Store, service: PushService) -> None:
    to = subscribe(store, Browser(f"{service.origin}/x"))
    with pytest.raises(PermanentError):
        WebPush(setup(store)).send(NOTICE, to)
    assert service.messages == []


def test_keys_that_are_none_are_refused() -> None:
    good = Browser("x").subscription["keys"]
    check_keys(**good)
    for wrong in ({"p256dh": "AAAA"}, {"p256dh": "***"}, {"auth": "AAAA"}, {"auth": "é" * 20}):
        with pytest.raises(AddressError):
            check_keys(**(good | wrong))


# -- apprise -----------------------------------------------------------------------------------------------------------


def test_urls_of_services_that_are_allowed_are_taken(store: Store) -> None:
    channel = Apprise(setup(store))
    for url in (
        "tgram://123456789:abcdefg_hijklmnop/12345",
        "ntfys://ntfy.sh/my-car",
        "ntfys://user:secret@ntfy.sh/my-car",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
    ):
        assert channel.check(url, "") == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ntfy.sh/x",
        "json://127.0.0.1/x",
        "http://127.0.0.1/",
        "https://discord.com/api/webhooks/1/2",
        "file:///etc/passwd",
        "mailto://user:pass@127.0.0.1",
        "syslog://",
        "ntfys://127.0.0.1/x",
        "ntfys://localhost:8080/x",
        "ntfys://ntfy.sh:8080/x",
        "ntfys://ntfy.sh",
        "ntfys://topic",
        "ntfys://ntfy.sh@127.0.0.1/x",
        "ntfys://a@ntfy.sh@127.0.0.1/x",
        "ntfys://ntfy.sh:@127.0.0.1/x",
        "ntfys://ntfy.sh#@127.0.0.1/x",
        "ntfys://ntfy.sh\\@127.0.0.1/x",
        "ntfys://%6e.test/x",
        "ntfys://ntfy.sh/x?attach=/etc/passwd",
        "tgram://123456789:abcdefg_hijklmnop/12345?detect=yes",
        "tgram://123456789:abcdefg_hijklmnop/12345, json://127.0.0.1",
        "tgram://nonsense",
        "NTFYS://ntfy.sh/x",
    ],
)
def test_no_other_url_is_taken(store: Store, url: str) -> None:
    with pytest.raises(AddressError):
        Apprise(setup(store)).check(url, "")


def test_a_notice_goes_to_an_ntfy_server_that_the_operator_listed(store: Store) -> None:
    with PushService() as server:
        port = server.origin.rpartition(":")[2]
        channel = Apprise(setup(store, apprise_schemes=("ntfy",), apprise_hosts=(f"127.0.0.1:{port}",)))
        url = channel.check(f"ntfy://127.0.0.1:{port}/my-car", "")
        with pytest.raises(TemporaryError, match="did not take it"):
            channel.send(NOTICE, Recipient("driver", "", url))  # the server wants a signature that ntfy does not make
        assert len(server.wrong) == 1
        with pytest.raises(PermanentError):
            Apprise(setup(store)).send(NOTICE, Recipient("driver", "", url))
        assert len(server.wrong) == 1


# -- all of them -------------------------------------------------------------------------------------------------------


def test_the_page_that_is_open_is_told(store: Store) -> None:
    told: list[tuple[str, Any]] = []
    channel = InApp(
        Setup(Notify(), store, lambda: NOON, lambda key, data: told.append((key, msgspec.json.decode(data))))
    )
    channel.send(NOTICE, DRIVER)
    shown = {"id": NOTICE.id, "at": "2026-11-23T12:00:00.000Z", "kind": "soc_threshold", "session_id": "s-1"}
    assert told == [(NOTICE.id, shown | {"text": NOTICE.text, "driver": "driver"})]


def test_setup_names_every_channel(store: Store) -> None:
    assert list(make_channels(setup(store))) == ["apprise", "email", "in_app", "web_push"]


def test_a_mail_server_without_a_sender_is_a_mistake_in_the_configuration() -> None:
    with pytest.raises(ColonninaError, match="sender"):
        settings.parse('smtp_host = "mail.test"\n', Notify)
