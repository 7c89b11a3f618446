"""The workbench page: what an engineer would have on the table - cards, plugs, cars, and a way to break things.

For the demo only, on loopback, without a login. It is not part of the product.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, jsonify, render_template, request
from werkzeug.exceptions import BadRequest, HTTPException, NotFound
from werkzeug.serving import BaseWSGIServer, make_server

from deploy.local.plan import CARDS, UNKNOWN_CARD, Plan
from deploy.local.visitors import new_vehicle
from hardware.emulators.bench import ConnectorBench, StationBench

#: I2C address of the ADS1115 that sees a demo station's control pilot.
PILOT_ADC = ConnectorBench.numbered(1).pilot_adc[0]


class Workbench:
    """plan: what the demo consists of. benches: by station. visitors_on: whether cars come and go by themselves."""

    def __init__(self, plan: Plan, benches: Mapping[str, StationBench]) -> None:
        self._plan = plan
        self._benches = benches
        self._server: BaseWSGIServer | None = None
        self._draw = random.Random()
        self.visitors_on = plan.visitors

    def start(self, host: str, port: int) -> None:
        self._server = make_server(host, port, self.app(), threaded=True)
        threading.Thread(target=self._server.serve_forever, name="workbench", daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()

    def app(self) -> Flask:
        app = Flask(__name__)
        app.add_url_rule("/", view_func=self._page)
        app.add_url_rule("/state", view_func=self._state)
        app.add_url_rule("/visitors", view_func=self._visitors, methods=["POST"])
        app.add_url_rule("/stations/<station>/<deed>", view_func=self._do, methods=["POST"])
        app.after_request(_only_from_here)
        app.before_request(_refuse_foreign_pages)
        app.register_error_handler(HTTPException, _problem)
        return app

    def _page(self) -> str:
        return render_template("workbench.html", cards=CARDS, unknown=UNKNOWN_CARD, port=self._plan.port)

    def _state(self) -> Response:
        stations = []
        for station in self._plan.demo_stations:
            seen = self._benches[station.id].snapshot()
            for evse, sockets in zip(seen["evses"], station.evses, strict=True):
                for connector, (kind, max_kw) in zip(evse["connectors"], sockets, strict=True):
                    connector.update(type=kind, max_kw=max_kw)
            more = {"visited": station.id in self._plan.visited, "converter_dead": PILOT_ADC in seen["converters_dead"]}
            stations.append({"id": station.id, **more, **seen})
        return jsonify(stations=stations, visitors=self.visitors_on)

    def _visitors(self) -> Response:
        self.visitors_on = bool(_body().get("on"))
        return jsonify(ok=True)

    def _do(self, station: str, deed: str) -> Response:
        bench = self._benches.get(station)
        if bench is None:
            raise NotFound(f"no station {station}")
        body = _body()
        try:
            at = self._act(bench, deed, body)
        except (ValueError, KeyError, TypeError) as error:
            raise BadRequest(str(error)) from error
        return jsonify(ok=True, at=at)

    def _act(self, bench: StationBench, deed: str, body: dict[str, Any]) -> float:
        """Answers when it was done, s on the monotonic clock."""
        match deed:
            case "tap":
                return bench.tap(str(body["uid"]))
            case "plug":
                bench.plug(int(body["evse"]), int(body["connector"]), new_vehicle(self._draw))
            case "unplug":
                bench.unplug(int(body["evse"]))
            case "meter":
                bench.set_meter_silent(int(body["evse"]), bool(body["silent"]))
            case "trip":
                bench.trip(str(body["name"]), bool(body["tripped"]))
            case "converter":
                bench.set_converter_powered(PILOT_ADC, not bool(body["dead"]))
            case "weld":
                bench.weld(int(body["evse"]), int(body["connector"]), bool(body["welded"]))
            case _:
                raise NotFound(f"cannot {deed}")
        return time.monotonic()


def _body() -> dict[str, Any]:
    body = request.get_json(silent=True)
    if not isinstance(body, dict):
        raise BadRequest("a JSON object is wanted")
    return body


def _refuse_foreign_pages() -> None:
    """Without a login, another site's page in the same browser must not be able to press the buttons."""
    origin = request.headers.get("Origin")
    if request.method == "POST" and origin is not None and origin != request.host_url.rstrip("/"):
        raise BadRequest("this page is not the workbench")


def _only_from_here(response: Response) -> Response:
    response.headers["Content-Security-Policy"] = "default-src 'self'; frame-ancestors 'none'; base-uri 'none'"
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _problem(error: HTTPException) -> tuple[Response, int]:
    return jsonify(error=error.description), error.code or 500
