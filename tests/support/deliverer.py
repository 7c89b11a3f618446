"""A process that empties an outbox once: `python -m tests.support.deliverer DATABASE PUSH_SERVICE NOW`."""

from __future__ import annotations

import sys
from datetime import datetime

from cloud.notify.config import Notify
from cloud.notify.delivery import Delivery
from cloud.notify.port import Setup
from cloud.notify.web_push import WebPush
from cloud.store.store import Store


def main(database: str, service: str, now: str) -> None:
    at, store = datetime.fromisoformat(now), Store(database)
    store.start()
    channel = WebPush(Setup(Notify(push_services=(service,)), store, lambda: at))
    Delivery(store, {"web_push": channel}, now=lambda: at).deliver_due()
    store.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
