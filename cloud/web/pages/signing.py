"""Logging in and out with a browser."""

from __future__ import annotations

from typing import cast

from flask import Blueprint, Response, make_response, redirect, render_template, request

from cloud.web import auth
from cloud.web.login import local_path, me, to_login, try_password
from cloud.web.problems import Problem
from cloud.web.services import services

blueprint = Blueprint("signing", __name__)


@blueprint.get("/")
def home() -> Response:
    person = me()
    if person is None:
        return to_login()
    return cast(Response, redirect("/operator" if person.is_operator else "/me"))


@blueprint.get("/login")
def login() -> str | Response:
    target = local_path(request.args.get("next"))
    if me() is not None:
        return cast(Response, redirect(target))
    return render_template("login.html", target=target, email="", error=None)


@blueprint.post("/login")
def log_in() -> Response:
    target = local_path(request.form.get("next"))
    email = request.form.get("email", "")[:254]
    try:
        given = try_password(email, request.form.get("password", "")[:1024])
    except Problem as problem:
        page = render_template("login.html", target=target, email=email, error=problem.description)
        return make_response(page, problem.code, problem.headers)
    response = cast(Response, redirect(target, 303))
    response.set_cookie(
        auth.COOKIE,
        given.token,
        max_age=auth.LIFE,
        httponly=True,
        secure=request.is_secure,
        samesite="Lax",  # not Strict: whoever follows a link from an e-mail or a QR code is logged in
    )
    return response


@blueprint.post("/logout")
def log_out() -> Response:
    token = request.cookies.get(auth.COOKIE)
    if token is not None:
        with services().store.write() as connection:
            auth.log_out(connection, token)
    response = cast(Response, redirect("/login", 303))
    response.delete_cookie(auth.COOKIE)
    return response
