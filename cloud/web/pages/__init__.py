"""The pages: server-rendered frames that plain JavaScript modules fill and keep up to date."""

from __future__ import annotations

from flask import Blueprint

from cloud.web.pages import driver, operator, signing

pages = Blueprint("pages", __name__)
for part in (signing, operator, driver):
    pages.register_blueprint(part.blueprint)
