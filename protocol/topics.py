"""Every MQTT topic, with its quality of service and whether it is retained. docs: README of this folder.

| topic               | who publishes                      | QoS, retain |
|---------------------|------------------------------------|-------------|
| cs/{station}/up     | the station, or a gateway for it   | 1, no       |
| cs/{station}/down   | the CSMS                           | 1, no       |
| cs/{station}/link   | the station; its last will         | 1, retained |
| lc/{controller}/group | a Local Controller               | 1, retained |
| csms/event/{kind}/{id} | the CSMS                        | 0, no       |
| csms/calls          | the web: calls wait to be sent     | 1, no       |
"""

from __future__ import annotations

import re
from typing import NamedTuple

from protocol.errors import ColonninaError

_STATION_ID = re.compile(r"[A-Za-z0-9_.-]{1,48}\Z")


class StationIdError(ColonninaError, ValueError):
    """A station id that could not be a topic level."""


class Topic(NamedTuple):
    name: str
    qos: int
    retain: bool


def check_station_id(station: str) -> str:
    """The id itself. Raises StationIdError unless it is 1 to 48 of `A-Z a-z 0-9 _ . -`."""
    if not _STATION_ID.match(station):
        raise StationIdError(f"{station[:60]!r} is not a station id: 1 to 48 letters, digits, '_', '.' or '-'")
    return station


def up(station: str) -> Topic:
    return Topic(f"cs/{check_station_id(station)}/up", 1, False)


def down(station: str) -> Topic:
    return Topic(f"cs/{check_station_id(station)}/down", 1, False)


def link(station: str) -> Topic:
    return Topic(f"cs/{check_station_id(station)}/link", 1, True)


def event(kind: str, key: str) -> Topic:
    return Topic(f"csms/event/{kind}/{key}", 0, False)


#: What a CSMS worker reads. Workers share the frames; each of them sees every link, because a broker does not send
#: retained messages to shared subscriptions (MQTT 5, section 4.8.2). Each share has a name of its own: rumqttd 0.20
#: fails when a client that has one name twice disconnects.
ALL_UP = Topic("$share/csms-frames/cs/+/up", 1, False)
ALL_LINKS = Topic("cs/+/link", 1, True)
CALLS_WAIT = Topic("csms/calls", 1, False)
ALL_CALLS_WAIT = Topic(f"$share/csms-calls/{CALLS_WAIT.name}", 1, False)
ALL_EVENTS = Topic("csms/event/#", 0, False)


def station_of(topic: str) -> str | None:
    """The station that a `cs/...` topic belongs to, or None when the id is not one."""
    parts = topic.split("/")
    return parts[1] if len(parts) == 3 and parts[0] == "cs" and _STATION_ID.match(parts[1]) else None
