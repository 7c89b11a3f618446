"""POST /auth/token: a password becomes a bearer token."""

from __future__ import annotations

from typing import Any

from flask import Blueprint

from cloud.present import time
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import Credentials, ProblemDetails, Token
from cloud.web.login import try_password

blueprint = Blueprint("tokens", __name__)


@blueprint.post("/auth/token")
@endpoint("Logins", {200: Token, 401: ProblemDetails, 429: ProblemDetails}, role=None, body=Credentials)
def post_token(body: Credentials) -> dict[str, Any]:
    """Log in.

    The token is good for 12 hours. After a few failures the wait doubles with each: 429, with Retry-After in seconds.
    """
    login = try_password(body.email, body.password)
    return {"token": login.token, "role": login.person.role, "expires_at": time(login.expires_at)}
