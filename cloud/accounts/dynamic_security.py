"""Accounts at Mosquitto's dynamic-security plugin, which takes commands on a topic and changes accounts at once.

Each account has a role of its own, `station-<id>` or `controller-<id>`, and that role is how ours are told from others:
an account that somebody made for something else is never touched.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import secrets
import threading
from collections.abc import Mapping, Sequence
from typing import Any, cast, get_args

import msgspec

from cloud.accounts.port import Account, AccountError, ForeignAccountError, Kind
from protocol import topics
from protocol.mqtt import Broker, Link, Message
from protocol.topics import Topic

_COMMANDS = Topic("$CONTROL/dynamic-security/v1", 1, False)
_ANSWERS = Topic("$CONTROL/dynamic-security/v1/response", 1, False)
#: How long the broker may take to answer, s.
ANSWER_S = 5.0

Json = dict[str, Any]


class DynamicSecurity:
    """broker: with an account that may use $CONTROL/dynamic-security/#."""

    def __init__(self, broker: Broker, *, answer_s: float = ANSWER_S) -> None:
        self._link = Link(
            broker,
            f"csms-accounts-{os.getpid()}-{secrets.token_hex(4)}",
            on_message=self._arrived,
            subscriptions=(_ANSWERS,),
            session_expiry_s=0,
        )
        self._answer_s = answer_s
        self._answers: dict[str, Json] = {}
        self._wanted: set[str] = set()
        self._changed = threading.Condition()

    @property
    def advice(self) -> str:
        return ""

    def start(self) -> None:
        self._link.start()

    def stop(self) -> None:
        self._link.stop()

    def put(self, account: Account, password: str) -> None:
        found = self._roles(account.name)
        if found is not None:
            if found != [role_name(account.kind, account.name)]:
                raise ForeignAccountError(f"the broker has an account {account.name} for something else")
            self._ask({"command": "deleteClient", "username": account.name}, missing="Client not found")
        self._put_role(account)
        self._ask(
            {
                "command": "createClient",
                "username": account.name,
                "password": password,
                "roles": [{"rolename": role_name(account.kind, account.name)}],
            }
        )

    def allow(self, account: Account) -> None:
        self._put_role(account)

    def remove(self, name: str, kind: Kind) -> None:
        if self._roles(name) == [role_name(kind, name)]:
            self._ask({"command": "deleteClient", "username": name}, missing="Client not found")
        self._ask({"command": "deleteRole", "rolename": role_name(kind, name)}, missing="Role not found")
        # Who was cut off says no goodbye; what the broker remembers of it must not speak for it any longer.
        kept = topics.link(name) if kind == "station" else Topic(f"lc/{name}/group", 1, True)
        self._link.publish(kept, b"")

    def found(self) -> dict[str, Kind] | None:
        answer = self._ask({"command": "listClients", "verbose": True})
        found: dict[str, Kind] = {}
        for client in answer["data"]["clients"]:
            roles = [role["rolename"] for role in client["roles"]]
            kind = next((kind for kind in get_args(Kind) if roles == [role_name(kind, client["username"])]), None)
            if kind is not None:
                found[client["username"]] = cast(Kind, kind)
        return found

    def _roles(self, name: str) -> list[str] | None:
        """The roles of an account; None when there is none."""
        answer = self._ask({"command": "getClient", "username": name}, missing="Client not found")
        return [role["rolename"] for role in answer["data"]["client"]["roles"]] if "data" in answer else None

    def _put_role(self, account: Account) -> None:
        role = {"rolename": role_name(account.kind, account.name), "acls": rights(account.topics)}
        made = self._ask({"command": "createRole", **role}, missing="Role already exists")
        if "error" in made:
            self._ask({"command": "modifyRole", **role})

    def _ask(self, command: Json, *, missing: str = "") -> Json:
        """The answer to one command. missing: an error that is none. Raises AccountError."""
        key = secrets.token_hex(8)
        if not self._link.wait_up(self._answer_s):
            raise AccountError("the broker cannot be reached")
        with self._changed:
            self._wanted.add(key)
        self._link.publish(_COMMANDS, json.dumps({"commands": [{**command, "correlationData": key}]}).encode())
        with self._changed:
            answered = self._changed.wait_for(lambda: key in self._answers, self._answer_s)
            self._wanted.discard(key)
            answer = self._answers.pop(key, {})
        if not answered:
            raise AccountError(
                "the broker does not answer on $CONTROL/dynamic-security: is its plugin loaded, and may our account use"
                " it?"
            )
        error = answer.get("error")
        if error is not None and error != missing:
            raise AccountError(f"the broker refuses {command['command']}: {error}")
        return answer

    def _arrived(self, message: Message) -> None:
        message.ack()
        try:
            answers = msgspec.json.decode(message.payload)["responses"]
        except (msgspec.MsgspecError, KeyError, TypeError):
            return
        with self._changed:
            for answer in answers:
                if answer.get("correlationData") in self._wanted:
                    self._answers[answer["correlationData"]] = answer
            self._changed.notify_all()


def role_name(kind: Kind, name: str) -> str:
    return f"{kind}-{name}"


def rights(filters: Sequence[str]) -> list[Json]:
    """To publish to and to read what these topic filters name."""
    kinds = ("publishClientSend", "publishClientReceive", "subscribePattern", "unsubscribePattern")
    return [
        {"acltype": kind, "topic": topic, "priority": 0, "allow": True} for topic in sorted(filters) for kind in kinds
    ]


#: What the CSMS's own account needs. A shared subscription is checked under its whole name.
CSMS_TOPICS = (
    "cs/#",
    "lc/#",
    "csms/#",
    topics.ALL_UP.name,
    topics.ALL_CALLS_WAIT.name,
    "$CONTROL/dynamic-security/#",
)
CSMS_ROLE = "csms"


def plugin_file(csms: Mapping[str, str], accounts: Mapping[Account, str], before: Json | None = None) -> Json:
    """What the plugin's own file holds, to begin with.

    csms: passwords of accounts that may do what the CSMS must. accounts: with their passwords. before: what the file
    held: other accounts stay as they are.
    """
    roles = {role["rolename"]: role for role in (before or {}).get("roles", [])}
    clients = {client["username"]: client for client in (before or {}).get("clients", [])}
    roles[CSMS_ROLE] = {"rolename": CSMS_ROLE, "acls": rights(CSMS_TOPICS)}
    for name, password in csms.items():
        clients[name] = _client(name, CSMS_ROLE, password)
    for account, password in accounts.items():
        role = role_name(account.kind, account.name)
        roles[role] = {"rolename": role, "acls": rights(account.topics)}
        clients[account.name] = _client(account.name, role, password)
    return {
        "defaultACLAccess": {
            "publishClientSend": False,
            "publishClientReceive": False,
            "subscribe": False,
            "unsubscribe": True,
        },
        "clients": list(clients.values()),
        "groups": (before or {}).get("groups", []),
        "roles": list(roles.values()),
    }


#: Of PBKDF2 with SHA-512, as the plugin itself does. The passwords are chance: nobody guesses them, however fast.
_ROUNDS = 101


def _client(name: str, role: str, password: str) -> Json:
    salt = os.urandom(12)
    hashed = hashlib.pbkdf2_hmac("sha512", password.encode(), salt, _ROUNDS, 64)
    return {
        "username": name,
        "roles": [{"rolename": role}],
        "password": base64.b64encode(hashed).decode(),
        "salt": base64.b64encode(salt).decode(),
        "iterations": _ROUNDS,
    }
