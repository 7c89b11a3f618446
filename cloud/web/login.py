"""Logins in Flask: who is asking, what that role may do, and the check against forged requests."""

from __future__ import annotations

import math
from typing import Any, cast
from urllib.parse import quote, urlsplit

from flask import Flask, Request, Response, current_app, redirect, request
from flask_login import LoginManager, current_user  # type: ignore[import-untyped]
from flask_wtf.csrf import CSRFError, CSRFProtect  # type: ignore[import-untyped]

from cloud.web import auth
from cloud.web.auth import Login, Person
from cloud.web.problems import Problem
from cloud.web.services import services
from cloud.web.throttle import Throttle

_UNSAFE = ("POST", "PUT", "PATCH", "DELETE")


def install(app: Flask) -> None:
    app.extensions["colonnina_throttle"] = Throttle()
    manager = LoginManager(app)
    manager.session_protection = None  # the login is our own token: nothing of it is in Flask's session
    manager.request_loader(_load)
    # The check is asked for below, since it must not meet programs that log in with a header.
    app.config.update(WTF_CSRF_CHECK_DEFAULT=False, WTF_CSRF_TIME_LIMIT=None)
    csrf = CSRFProtect(app)

    @app.before_request
    def check_forged() -> None:
        by_header = "Authorization" in request.headers
        # Without a cookie there is no login that a foreign page could use; the login form itself is checked always.
        at_risk = auth.COOKIE in request.cookies or not request.path.startswith("/api/")
        if request.method in _UNSAFE and not by_header and at_risk:
            csrf.protect()

    @app.errorhandler(CSRFError)
    def forged(error: Any) -> Any:
        detail = f"{error.description} Load the page again, or send the header X-CSRFToken."
        return app.handle_user_exception(Problem(403, detail, reason="csrf"))


def me() -> Person | None:
    """Who is asking; None for somebody without a login."""
    return cast(Person, current_user._get_current_object()) if current_user.is_authenticated else None


def require(role: str) -> Person:
    """The one who is asking. Raises Problem 401 without a login, 403 without that role's rights."""
    person = me()
    if person is None:
        raise Problem(401, "log in first", headers={"WWW-Authenticate": 'Bearer realm="colonnina"'})
    if not person.may(role):
        raise Problem(403, f"only {'an' if role[0] in 'ao' else 'a'} {role} may do this")
    return person


def try_password(email: str, password: str) -> Login:
    """Log in. Raises Problem 401 for what nobody has, 429 with Retry-After where too much was tried."""
    ours = services()
    throttle: Throttle = current_app.extensions["colonnina_throttle"]
    address = request.remote_addr or ""
    wait = throttle.wait(email, address, ours.now())
    if wait:
        seconds = math.ceil(wait.total_seconds())
        raise Problem(429, f"too many failures: try again in {seconds} s", headers={"Retry-After": str(seconds)})
    with ours.store.read() as connection:
        person = auth.verify(connection, email, password)
    if person is None:
        throttle.failed(email, address, ours.now())
        raise Problem(401, "wrong e-mail or password", headers={"WWW-Authenticate": 'Bearer realm="colonnina"'})
    throttle.succeeded(email, address)
    with ours.store.write() as connection:
        return auth.log_in(connection, person, ours.now())


def to_login() -> Response:
    """Send a browser to the login page, to come back here."""
    here = request.full_path.rstrip("?")
    return cast(Response, redirect(f"/login?next={quote(here, safe='')}"))


def local_path(target: str | None) -> str:
    """`target` when it is a path of this site, else `/`: a login page must not send people elsewhere."""
    if target is None or not target.startswith("/") or "\\" in target or any(ord(letter) < 32 for letter in target):
        return "/"
    # Browsers read //host as another site.
    parts = urlsplit(target)
    return target if not parts.scheme and not parts.netloc and not target.startswith("//") else "/"


def _load(asked: Request) -> Person | None:
    token = auth.token_of(asked.headers.get("Authorization"), asked.headers.get("Cookie"))
    if token is None:
        return None
    ours = services()
    with ours.store.read() as connection:
        return auth.find(connection, token, ours.now())
