"""Headers on every answer: what a browser may do with it."""

from __future__ import annotations

from flask import Flask, Response, request

#: Nothing from elsewhere and nothing inline. Images may be data: Pico's and the API page's icons are.
POLICY = (
    "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self';"
    " frame-ancestors 'none'"
)


def install(app: Flask) -> None:
    @app.after_request
    def add(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = POLICY
        response.headers["X-Content-Type-Options"] = "nosniff"
        # Our own site is told: the check against forged requests looks at it over HTTPS.
        response.headers["Referrer-Policy"] = "same-origin"
        if not request.path.startswith("/static/"):
            response.headers.setdefault("Cache-Control", "no-store")
        return response
