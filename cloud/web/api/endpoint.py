"""How a resource is declared: who may call it, what it takes, what it answers. Checked, and documented as OpenAPI."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from spectree import Response as Answers
from spectree import SecurityScheme, SpecTree
from spectree.models import InType, SecureType, SecuritySchemeData

from cloud.web import auth
from cloud.web.api.models import ProblemDetails
from cloud.web.login import require
from cloud.web.problems import Problem

View = TypeVar("View", bound=Callable[..., Any])

spec = SpecTree(
    "flask",
    mode="strict",
    annotations=False,
    title="Colonnina",
    version="v1",
    description=(
        "EV charging stations and the sessions on them. Times are RFC 3339 in UTC, energy is in Wh, power in W, state "
        "of charge in %. Errors are RFC 9457 problem details. Log in with a bearer token from `POST "
        "/api/v1/auth/token`, or with a browser's cookie, whose unsafe requests need the header `X-CSRFToken`."
    ),
    validation_error_model=ProblemDetails,
    security_schemes=[
        SecurityScheme("bearer", SecuritySchemeData(SecureType.HTTP, scheme="bearer")),
        SecurityScheme("cookie", SecuritySchemeData(SecureType.API_KEY, name=auth.COOKIE, field_in=InType.COOKIE)),
    ],
)


def endpoint(
    tag: str,
    answers: Mapping[int, type[BaseModel] | None],
    *,
    role: str | None = auth.DRIVER,
    query: type[BaseModel] | None = None,
    body: type[BaseModel] | None = None,
) -> Callable[[View], Callable[..., Any]]:
    """Declare a view. tag: its chapter in the documentation. answers: the model of each status, None for no body.

    role: who may call it; None for everybody. query, body: given to the view as keyword arguments of these names,
    checked; what does not fit is answered with 422, naming the field.
    """

    def declare(view: View) -> Callable[..., Any]:
        models: dict[str, Any] = {f"HTTP_{status}": model for status, model in answers.items() if model is not None}
        codes = [f"HTTP_{status}" for status, model in answers.items() if model is None]
        if role is not None:
            models |= {"HTTP_401": ProblemDetails, "HTTP_403": ProblemDetails}
        if body is not None:
            models |= {"HTTP_400": ProblemDetails, "HTTP_413": ProblemDetails, "HTTP_415": ProblemDetails}
        documented = spec.validate(
            query=query,
            json=body,
            resp=Answers(*codes, **models),
            tags=[tag],
            security=[{"bearer": []}, {"cookie": []}] if role is not None else [],
            # spectree documents; it does not check, since it takes JSON that cannot be read for an empty object.
            skip_validation=True,
        )(view)

        @wraps(documented)
        def checked(*args: Any, **kwargs: Any) -> Any:
            if role is not None:
                require(role)
            if query is not None:
                kwargs["query"] = _read(lambda: query.model_validate(_arguments()))
            if body is not None:
                data = _body()
                kwargs["body"] = _read(lambda: body.model_validate_json(data, strict=True))
            return view(*args, **kwargs)

        return checked

    return declare


def _arguments() -> dict[str, str]:
    """The query's parameters; one that is given more than once is a list with commas."""
    return {name: ",".join(values) for name, values in request.args.lists()}


def _body() -> bytes:
    data = request.get_data()
    if data and not request.is_json:
        raise Problem(415, f"send JSON, with Content-Type: application/json, not {request.mimetype or 'none'}")
    return data or b"{}"


def _read(check: Callable[[], BaseModel]) -> BaseModel:
    try:
        return check()
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        if found[0]["type"] == "json_invalid":
            raise Problem(400, f"the body is not JSON: {found[0]['msg'].removeprefix('Invalid JSON: ')}") from error
        errors = [{"field": _place(one["loc"]), "message": _words(one["msg"])} for one in found]
        detail = "; ".join(f"{one['field']}: {one['message']}" for one in errors[:5])
        raise Problem(422, detail, reason="invalid", errors=errors) from error


def _place(path: tuple[int | str, ...]) -> str:
    """`evses[0].number`, as a person would write it; `body` for the whole."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".") or "body"


def _words(message: str) -> str:
    return {"Extra inputs are not permitted": "there is no such field"}.get(
        message, message.removeprefix("Value error, ")
    )
