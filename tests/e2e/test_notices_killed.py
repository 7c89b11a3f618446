"""A worker that is killed while it delivers: nothing is lost, and what may come twice bears the same name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest
from sqlalchemy import insert, select

from cloud.notify import keys
from cloud.notify.delivery import LEASE
from cloud.store.store import Store
from cloud.store.tables import deliveries, notices, push_subscriptions, users
from tests.support import wait_for
from tests.support.notices_world import Browser, PushService

NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    made = Store(url(tmp_path))
    made.start()
    yield made
    made.stop()


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'csms.sqlite'}"


def put(store: Store, browser: Browser) -> None:
    """One notice that waits for that browser."""
    facts = msgspec.json.encode({"station": "cs-1", "evse": 1, "problem": ""})
    with store.write() as connection:
        row = {"id": "driver", "email": "d@x.test", "role": "driver", "created_at": NOON, "password_hash": ""}
        connection.execute(insert(users).values(**row))
        row = {"id": "browser", "user": "driver", "endpoint": browser.endpoint, "created_at": NOON}
        connection.execute(insert(push_subscriptions).values(**row, **browser.subscription["keys"]))
        row = {"no": 1, "id": "notice", "user": "driver", "session": 1, "kind": "fault", "at": NOON}
        connection.execute(insert(notices).values(**row, facts=facts))
        row = {"notice": 1, "channel": "web_push", "target": "browser", "state": "waiting", "next_at": NOON}
        connection.execute(insert(deliveries).values(**row))


def state(store: Store) -> tuple[str, int]:
    with store.read() as connection:
        row = connection.execute(select(deliveries.c.state, deliveries.c.attempts)).one()
    return row.state, row.attempts


def worker(folder: Path, service: PushService, now: datetime) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "tests.support.deliverer", url(folder), service.origin, now.isoformat()]
    return subprocess.Popen(command)


def test_killed_between_sending_and_writing_it_down_it_is_sent_again_under_the_same_name(
    store: Store, tmp_path: Path
) -> None:
    with PushService() as service:
        service.public_key = keys.public_key(keys.private_key(store))
        browser = Browser(f"{service.origin}/x")
        put(store, browser)
        service.hold.set()
        killed = worker(tmp_path, service, NOON)
        wait_for(lambda: len(service.messages) == 1, 30)
        killed.kill()
        killed.wait()
        assert state(store) == ("waiting", 1)
        service.hold.clear()

        assert worker(tmp_path, service, NOON + LEASE / 2).wait(30) == 0
        assert len(service.messages) == 1, "the dead worker's claim is not over"
        for later in (LEASE, LEASE + timedelta(days=1)):
            assert worker(tmp_path, service, NOON + later).wait(30) == 0
        assert state(store) == ("delivered", 2)
        assert [pushed.headers["topic"] for pushed in service.messages] == ["notice", "notice"]
        assert {browser.read(pushed.body)["id"] for pushed in service.messages} == {"notice"}
        assert service.wrong == []
