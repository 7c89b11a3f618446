"""create_app: the Flask application. Everything that it needs comes in `Services`."""

from __future__ import annotations

from flask import Flask

from cloud.web import audit, headers, login, problems
from cloud.web.api import api
from cloud.web.health import health
from cloud.web.metrics import Metrics
from cloud.web.pages import pages
from cloud.web.services import Services

#: The largest body that is read, in bytes.
MAX_BODY = 1024 * 1024


def create_app(services: Services) -> Flask:
    """The application. It starts nothing: the services run already."""
    app = Flask(__name__)
    app.secret_key = services.secret_key
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY,
        SESSION_COOKIE_NAME="colonnina_browser",  # holds the token against forged requests
        SESSION_COOKIE_SAMESITE="Lax",
    )
    app.extensions["colonnina"] = services
    metrics = app.extensions["colonnina_metrics"] = Metrics(services)
    metrics.install(app)
    headers.install(app)
    problems.install(app)
    audit.install(app)
    login.install(app)
    for blueprint in (health, api, pages):
        app.register_blueprint(blueprint)
    return app
