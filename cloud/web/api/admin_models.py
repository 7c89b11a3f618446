"""The shapes of the API for what operators and administrators keep: controllers, id tokens, the audit trail."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field

from cloud.domain import tokens
from cloud.domain.tokens import MAX_LENGTH, TokenError
from cloud.web.api.models import Model, Moment, PartQuery, _split

Type = Literal["ISO14443", "ISO15693", "KeyCode", "Central", "eMAID", "MacAddress"]
Status = Literal[
    "Accepted",
    "Blocked",
    "Expired",
    "Invalid",
    "NoCredit",
    "NotAllowedTypeEVSE",
    "NotAtThisLocation",
    "NotAtThisTime",
]

# -- controllers -------------------------------------------------------------------------------------------------------


class NewController(Model):
    id: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,48}$")
    name: str = Field("", max_length=120)
    stations: list[str] = Field([], max_length=1_000, description="the stations behind it")


class Controller(Model):
    id: str
    name: str
    stations: list[str]
    registered_at: Moment


class ControllerList(Model):
    controllers: list[Controller]
    next: str | None


# -- id tokens ---------------------------------------------------------------------------------------------------------


def _sane(text: str | None) -> str | None:
    if text is not None:
        try:
            tokens.check(text)
        except TokenError as error:
            raise ValueError(str(error)) from error
    return text


Group = Annotated[str, AfterValidator(_sane)]


class IdToken(Model):
    id_token: str
    type: Type
    status: Status
    driver: str | None = Field(description="a driver's id")
    expires_at: Moment | None
    group: str | None = Field(description="who is in one group may stop each other's sessions")
    master_pass: bool = Field(description="its group is the master pass group: it may stop every session")


class IdTokenList(Model):
    id_tokens: list[IdToken]
    next: str | None


class NewIdToken(Model):
    id_token: str = Field(min_length=1, max_length=60, examples=["04A1B2C3D4E5F6"])
    type: Type = "ISO14443"
    status: Status = "Accepted"
    driver: str | None = Field(None, max_length=254, description="a driver's id or e-mail")
    expires_at: AwareDatetime | None = None
    group: Group | None = Field(None, max_length=MAX_LENGTH)


class IdTokenChange(Model):
    """Only what is given is changed; null takes it away."""

    status: Status | None = None
    driver: str | None = Field(None, max_length=254, description="a driver's id or e-mail")
    expires_at: AwareDatetime | None = None
    group: Group | None = Field(None, max_length=MAX_LENGTH)


class TypeQuery(Model):
    type: Type | None = Field(None, description="needed where tokens of several types have this name")


class IdTokenQuery(Model):
    """By token and type. With `Accept: text/csv` all that match are exported, unless `limit` is given."""

    type: Annotated[list[Type] | None, BeforeValidator(_split)] = None
    status: Annotated[list[Status] | None, BeforeValidator(_split)] = None
    driver: str | None = Field(None, max_length=254, description="a driver's id or e-mail")
    group: str | None = Field(None, max_length=MAX_LENGTH)
    limit: int | None = Field(None, ge=1, le=1_000, description="100 when it is not given")
    cursor: str | None = Field(None, max_length=80, description="`next` of the part before")


class ImportQuery(Model):
    dry_run: bool = Field(False, description="only tell what would change")
    encoding: str | None = Field(None, max_length=20, description="of the file; guessed when it is not given")


class ImportRow(Model):
    line: int
    id_token: str
    type: str
    change: Literal["added", "changed", "same"]


class ImportFault(Model):
    line: int
    reason: str


class Imported(Model):
    """Either all rows are good and all are written, or nothing is."""

    applied: bool
    added: int
    changed: int
    same: int
    columns: dict[str, str] = Field(description="which column of the file was taken for which field")
    encoding: str
    rows: list[ImportRow] = Field(description="the first 1,000")
    faults: list[ImportFault] = Field(description="the first 1,000")


# -- audit -------------------------------------------------------------------------------------------------------------


class AuditQuery(PartQuery):
    """Newest first."""

    person: str | None = Field(None, max_length=254, description="an e-mail")
    action: str | None = Field(None, max_length=80, examples=["DELETE /api/v1/stations/<station>"])
    target: str | None = Field(None, max_length=300, examples=["station=cs-1"])
    start: AwareDatetime | None = Field(None, alias="from")
    end: AwareDatetime | None = Field(None, alias="to")


class Deed(Model):
    at: Moment
    person: str = Field(description="the e-mail; of a login, the one that was typed")
    role: str
    address: str = Field(description="where the request came from")
    action: str = Field(examples=["DELETE /api/v1/stations/<station>"])
    target: str
    status: int = Field(description="of the HTTP answer")
    detail: str = Field(description="what was sent, without secrets")


class DeedList(Model):
    audit: list[Deed]
    next: str | None
