"""Prometheus metrics of a web process, and of the whole network as the database has it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from flask import Flask, Response, g, request
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from prometheus_client.registry import Collector
from sqlalchemy import func, select

from cloud import present
from cloud.store.tables import sessions
from cloud.web.services import Services


class _Network(Collector):
    """Counts that are read from the database when somebody asks for them."""

    def __init__(self, services: Services) -> None:
        self._services = services

    def describe(self) -> list[Metric]:
        return []  # or registering would read the database

    def collect(self) -> Iterator[Metric]:
        ours = self._services
        with ours.store.read() as connection:
            shown = present.station_list(connection, ours.now(), ours.heartbeat_s)
            states = connection.execute(select(sessions.c.state, func.count()).group_by(sessions.c.state)).all()
        stations = GaugeMetricFamily("colonnina_stations", "Stations, by whether they are online", labels=["online"])
        for online in (True, False):
            stations.add_metric([str(online).lower()], sum(station["online"] == online for station in shown))
        yield stations
        evses = GaugeMetricFamily("colonnina_evses", "EVSEs, by status", labels=["status"])
        for status in ("available", "occupied", "inoperative"):
            evses.add_metric([status], sum(evse["status"] == status for part in shown for evse in part["evses"]))
        yield evses
        counted = GaugeMetricFamily("colonnina_sessions", "Sessions, by state", labels=["state"])
        for state, count in states:
            counted.add_metric([state], count)
        yield counted


class Metrics:
    """The registry of one web process."""

    def __init__(self, services: Services) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(_Network(services))
        self._requests = Counter(
            "colonnina_http_requests", "Answered requests", ["method", "route", "status"], registry=self.registry
        )
        self._seconds = Histogram("colonnina_http_seconds", "Time to answer", ["route"], registry=self.registry)

    def install(self, app: Flask) -> None:
        """Measure every request of this application."""
        app.before_request(_start)
        app.after_request(self._finish)

    def gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        """Show a number that is asked for when it is read."""
        self.registry.register(_Gauge(name, text, value))

    def page(self) -> Response:
        return Response(generate_latest(self.registry), content_type=CONTENT_TYPE_LATEST)

    def _finish(self, response: Response) -> Response:
        # The route, not the path: a scanner must not make a series of every address that it tries.
        route = request.url_rule.rule if request.url_rule is not None else "none"
        self._requests.labels(request.method, route, str(response.status_code)).inc()
        self._seconds.labels(route).observe(time.perf_counter() - g.started)
        return response


class _Gauge(Collector):
    def __init__(self, name: str, text: str, value: Callable[[], float]) -> None:
        self._name = name
        self._text = text
        self._value = value

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily(self._name, self._text, value=self._value())


def _start() -> None:
    g.started = time.perf_counter()
