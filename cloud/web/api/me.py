"""/me: what one chose, what one is told, and the browsers that take Web Push."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Blueprint
from sqlalchemy import Connection, delete, select

from cloud.notify import keys, texts
from cloud.notify.delivery import DELIVERED
from cloud.notify.port import AddressError
from cloud.notify.web_push import check_endpoint, check_keys
from cloud.present import time
from cloud.store.notices import Choice, decode_choices, forget_crossings
from cloud.store.store import new_id
from cloud.store.tables import deliveries, notices, preferences, push_subscriptions, sessions
from cloud.store.upsert import insert_into
from cloud.web.api.endpoint import endpoint
from cloud.web.api.models import (
    NewPushSubscription,
    NotificationList,
    NotificationQuery,
    Preferences,
    PreferencesBody,
    ProblemDetails,
    PushKey,
    PushSubscriptionMade,
)
from cloud.web.auth import DRIVER, Person
from cloud.web.login import require
from cloud.web.problems import Problem, not_found
from cloud.web.services import services

blueprint = Blueprint("me", __name__)

_LIMIT = 50
#: Browsers of one person. When there is another, the oldest is forgotten.
MAX_SUBSCRIPTIONS = 10


@blueprint.get("/me/preferences")
@endpoint("Me", {200: Preferences})
def get_preferences() -> dict[str, Any]:
    """What you chose: when and how you are told, in which language, and your vehicle."""
    with services().store.read() as connection:
        return _shown(connection, require(DRIVER).id)


@blueprint.put("/me/preferences")
@endpoint("Me", {200: Preferences}, body=PreferencesBody)
def put_preferences(body: PreferencesBody) -> dict[str, Any]:
    """Choose. What is left out stays as it is.

    A threshold that is below the present state of charge of a session counts from the next session on: you are told
    when the battery comes to it from below.
    """
    person, ours, given = require(DRIVER), services(), body.model_fields_set
    values: dict[str, Any] = {}
    if "soc_threshold_pct" in given:
        values["soc_threshold_pct"] = body.soc_threshold_pct
    if "language" in given:
        values["language"] = body.language
    if "vehicle" in given:
        values["battery_kwh"] = body.vehicle.battery_kwh
    if "station_faults" in given:
        if body.station_faults and not person.is_operator:
            raise Problem(403, "only an operator is told of faults in other people's sessions")
        values["station_faults"] = body.station_faults
    if "channels" in given:
        values["channels"] = msgspec.json.encode(_checked(body, person))
    with ours.store.write() as connection:
        if values:
            statement = insert_into(connection, preferences).values(user=person.id, **values)
            connection.execute(statement.on_conflict_do_update(index_elements=["user"], set_=values))
        if "soc_threshold_pct" in given:
            forget_crossings(connection, person.id, body.soc_threshold_pct, ours.now())
        return _shown(connection, person.id)


@blueprint.get("/me/notifications")
@endpoint("Me", {200: NotificationList}, query=NotificationQuery)
def get_notifications(query: NotificationQuery) -> dict[str, Any]:
    """What you were told, newest first, and how far it came by each channel."""
    person, limit = require(DRIVER), query.limit or _LIMIT
    wanted = (
        select(notices, sessions.c.id.label("session_id"), preferences.c.language)
        .outerjoin(sessions, sessions.c.no == notices.c.session)
        .outerjoin(preferences, preferences.c.user == notices.c.user)
        .where(notices.c.user == person.id, notices.c.moot.is_(False))
        .order_by(notices.c.no.desc())
    )
    if query.cursor is not None:
        wanted = wanted.where(notices.c.no < query.cursor)
    with services().store.read() as connection:
        rows = connection.execute(wanted.limit(limit + 1)).all()
        shown, more = rows[:limit], len(rows) > limit
        sent: dict[int, list[dict[str, Any]]] = {}
        ways = select(deliveries).where(deliveries.c.notice.in_([row.no for row in shown]))
        for row in connection.execute(ways.order_by(deliveries.c.channel, deliveries.c.no)):
            part = {"channel": row.channel, "state": row.state, "at": time(row.done_at)}
            sent.setdefault(row.notice, []).append(part)
    return {
        "notifications": [
            {
                "id": row.id,
                "at": time(row.at),
                "kind": row.kind,
                "session_id": row.session_id,
                "text": texts.text(row.kind, msgspec.json.decode(row.facts), row.language or texts.LANGUAGES[0]),
                "delivered": all(part["state"] == DELIVERED for part in sent.get(row.no, ())),
                "deliveries": sent.get(row.no, []),
            }
            for row in shown
        ],
        "next": str(shown[-1].no) if more else None,
    }


@blueprint.get("/me/push-key")
@endpoint("Me", {200: PushKey})
def get_push_key() -> dict[str, Any]:
    """The key that a browser needs to subscribe to Web Push."""
    return {"public_key": keys.public_key(keys.private_key(services().store))}


@blueprint.post("/me/push-subscriptions")
@endpoint("Me", {201: PushSubscriptionMade}, body=NewPushSubscription)
def post_push_subscription(body: NewPushSubscription) -> tuple[dict[str, Any], int]:
    """This browser takes Web Push from now on. The same browser again replaces what was there."""
    person, ours = require(DRIVER), services()
    try:
        check_endpoint(body.endpoint, ours.notify.push_services)
        check_keys(body.keys.p256dh, body.keys.auth)
    except AddressError as error:
        raise _invalid(error.field, str(error)) from error
    columns = push_subscriptions.c
    key = new_id(ours.now())
    with ours.store.write() as connection:
        # A browser has one login at a time: whoever used it before is not told by it any more.
        row = {"id": key, "user": person.id, "p256dh": body.keys.p256dh, "auth": body.keys.auth}
        made = insert_into(connection, push_subscriptions).values(endpoint=body.endpoint, created_at=ours.now(), **row)
        connection.execute(made.on_conflict_do_update(index_elements=["endpoint"], set_=row))
        newest = select(columns.no).where(columns.user == person.id).order_by(columns.no.desc())
        kept = newest.limit(MAX_SUBSCRIPTIONS).scalar_subquery()
        connection.execute(delete(push_subscriptions).where(columns.user == person.id, columns.no.not_in(kept)))
    return {"id": key}, 201


@blueprint.delete("/me/push-subscriptions/<subscription>")
@endpoint("Me", {204: None, 404: ProblemDetails})
def delete_push_subscription(subscription: str) -> tuple[str, int]:
    """That browser takes no more."""
    columns = push_subscriptions.c
    if not subscription.isalnum():
        not_found(f"push subscription {subscription[:60]!r}")
    with services().store.write() as connection:
        mine = (columns.id == subscription) & (columns.user == require(DRIVER).id)
        if connection.execute(delete(push_subscriptions).where(mine)).rowcount == 0:
            not_found(f"push subscription {subscription[:60]}")
    return "", 204


def _checked(body: PreferencesBody, person: Person) -> list[Choice]:
    """The channels as they are kept. Raises Problem 422."""
    channels = services().channels
    result = []
    for number, choice in enumerate(body.channels):
        channel = channels.get(choice.kind)
        if channel is None:
            raise _invalid(f"channels[{number}].kind", f"there is no such channel; there are: {', '.join(channels)}")
        try:
            result.append(Choice(choice.kind, channel.check(choice.address, person.email)))
        except AddressError as error:
            raise _invalid(f"channels[{number}].address", str(error)) from error
    return list(dict.fromkeys(result))


def _invalid(field: str, message: str) -> Problem:
    return Problem(422, f"{field}: {message}", reason="invalid", errors=[{"field": field, "message": message}])


def _shown(connection: Connection, user: str) -> dict[str, Any]:
    row = connection.execute(select(preferences).where(preferences.c.user == user)).first()
    return {
        "soc_threshold_pct": row.soc_threshold_pct if row else None,
        "channels": [
            {"kind": choice.kind, "address": choice.address}
            for choice in decode_choices(row.channels if row else b"[]")
        ],
        "language": row.language if row else texts.LANGUAGES[0],
        "vehicle": {"battery_kwh": row.battery_kwh if row else None},
        "station_faults": row.station_faults if row else False,
    }
