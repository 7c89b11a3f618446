"""Who is asking: people by e-mail and password, then by a token in a header or a cookie.

Tokens are chance; the database keeps their SHA-256 only, so that a copy of it logs nobody in.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from http.cookies import CookieError, SimpleCookie

from argon2.exceptions import InvalidHashError, VerifyMismatchError
from sqlalchemy import Connection, delete, insert, select

from cloud.store.registry import passwords
from cloud.store.tables import logins, users

COOKIE = "colonnina"
LIFE = timedelta(hours=12)

DRIVER = "driver"
OPERATOR = "operator"
ADMIN = "admin"
_RANKS = {DRIVER: 0, OPERATOR: 1, ADMIN: 2}


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with a login. role: driver, operator or admin; each may do what those before it may."""

    id: str
    email: str
    name: str
    role: str
    # Flask-Login asks for these.
    is_authenticated: bool = True
    is_active: bool = True
    is_anonymous: bool = False

    def get_id(self) -> str:
        return self.id

    def may(self, role: str) -> bool:
        """Whether this person has the rights of that role."""
        return _RANKS[self.role] >= _RANKS[role]

    @property
    def is_operator(self) -> bool:
        return self.may(OPERATOR)


@dataclass(frozen=True, slots=True)
class Login:
    """A token that was given out. token: to be shown once. expires_at: when it ends."""

    token: str
    expires_at: datetime
    person: Person


def verify(connection: Connection, email: str, password: str) -> Person | None:
    """The person with this e-mail and password, or None. Takes as long for an e-mail that nobody has."""
    row = connection.execute(select(users).where(users.c.email == email.strip().lower())).first()
    try:
        passwords.verify(_nobody() if row is None else row.password_hash, password)
    except (VerifyMismatchError, InvalidHashError):
        return None
    return None if row is None else Person(row.id, row.email, row.name, row.role)


def log_in(connection: Connection, person: Person, now: datetime) -> Login:
    """Give out a new token, and forget those that are over."""
    token = secrets.token_urlsafe(32)
    expires_at = now + LIFE
    connection.execute(delete(logins).where(logins.c.expires_at <= now))
    connection.execute(
        insert(logins).values(token_hash=_hash(token), user=person.id, created_at=now, expires_at=expires_at)
    )
    return Login(token, expires_at, person)


def log_out(connection: Connection, token: str) -> None:
    """Make a token worthless."""
    connection.execute(delete(logins).where(logins.c.token_hash == _hash(token)))


def find(connection: Connection, token: str, now: datetime) -> Person | None:
    """The person whose token this is, while it is good."""
    query = (
        select(users.c.id, users.c.email, users.c.name, users.c.role)
        .join(logins, logins.c.user == users.c.id)
        .where(logins.c.token_hash == _hash(token), logins.c.expires_at > now)
    )
    row = connection.execute(query).first()
    return None if row is None else Person(*row)


def token_of(authorization: str | None, cookie: str | None) -> str | None:
    """The token in a request's Authorization and Cookie headers.

    A request with an Authorization header is judged by that alone: the cookie counts only where the check against
    forged requests looks at it.
    """
    if authorization is not None:
        scheme, _, token = authorization.partition(" ")
        return token.strip() or None if scheme.lower() == "bearer" else None
    if cookie is None:
        return None
    try:
        morsel = SimpleCookie(cookie).get(COOKIE)
    except CookieError:
        return None
    return None if morsel is None else morsel.value


def _hash(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()


@cache
def _nobody() -> str:
    """The hash of a password that nobody knows."""
    return passwords.hash(secrets.token_urlsafe(32))
