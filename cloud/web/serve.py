"""The web process: granian in front, the link to the broker behind, and a clean end of both."""

from __future__ import annotations

import asyncio
import logging
import secrets
import signal
import socket

import structlog
from granian.constants import Interfaces
from granian.server.embed import Server

from cloud.errors import CloudError
from cloud.web.app import create_app
from cloud.web.asgi import Application
from cloud.web.hub import Hub
from cloud.web.services import Services
from protocol import topics
from protocol.mqtt import Broker, Link

log = structlog.get_logger(__name__)

#: Connections at a time: every open page holds one for its events.
_CONNECTIONS = 4_096
#: How long requests that are being answered, and then the server itself, may take when we stop, s.
_GRACE_S = 1.0


class PortError(CloudError, OSError):
    """The address cannot be listened at. The message says what to do."""


def run(services: Services, broker: Broker, host: str, port: int) -> None:
    """Serve until SIGTERM or SIGINT; end within 3 s of it. Raises PortError."""
    asyncio.run(_until_signal(services, broker, host, port))


async def serve(services: Services, broker: Broker, host: str, port: int, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises PortError when the port is in use or may not be used."""
    check_port(host, port)
    loop = asyncio.get_running_loop()
    hub = Hub(loop)
    flask = create_app(services)
    flask.extensions["colonnina_metrics"].gauge("colonnina_event_clients", "Open event streams", lambda: len(hub))
    application = Application(flask, hub, services.store, services.now)
    link = Link(
        broker,
        f"csms-web-{secrets.token_hex(4)}",
        on_message=hub.receive,
        subscriptions=[topics.ALL_EVENTS],
        session_expiry_s=0,
    )
    server = Server(
        application,
        host,
        port,
        interface=Interfaces.ASGINL,
        backlog=1_024,
        backpressure=_CONNECTIONS,
        websockets=False,
        log_enabled=False,
    )
    link.start()
    serving = asyncio.ensure_future(server.serve())
    stopped = asyncio.ensure_future(stop.wait())
    log.info("web listens", url=f"http://{host}:{port}")
    try:
        await asyncio.wait({serving, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():  # it ends by itself only when something is wrong
            serving.result()
    finally:
        stopped.cancel()
        hub.close()
        services.commands.stop()
        await application.drain(_GRACE_S)
        server.stop()  # type: ignore[no-untyped-call]
        await asyncio.wait({serving}, timeout=_GRACE_S)
        application.close()
        await asyncio.to_thread(link.stop)


def check_port(host: str, port: int) -> None:
    """Raises PortError unless the port can be had. granian would share one with another process that listens there."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            why = error.strerror or str(error)
            raise PortError(
                f"cannot listen at {host}:{port}: {why}. Stop what uses the port, or choose another."
            ) from error


async def _until_signal(services: Services, broker: Broker, host: str, port: int) -> None:
    logging.getLogger("_granian").setLevel(logging.WARNING)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    await serve(services, broker, host, port, stop)
