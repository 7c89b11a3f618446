"""What a row of the table says of a variable, and in whose view it is read."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, Literal, NamedTuple

import msgspec
from msgspec import inspect

from edge.station.state import Evse, Now, Settings, Station
from edge.station.tokens import AuthorizationSettings

#: OCPP's DataEnumType.
DataType = Literal["string", "decimal", "integer", "dateTime", "boolean", "OptionList", "SequenceList", "MemberList"]
#: An integer of OCPP has 32 bits, one of them the sign.
LARGEST_INTEGER = 2**31 - 1


class Tier(Enum):
    """Where a component is: once for the station, once for each EVSE, or once for each connector."""

    STATION = "station"
    EVSE = "EVSE"
    CONNECTOR = "connector"


class View(NamedTuple):
    """What a variable is read from. listed: tokens in the Local Authorization List. evse, connector: it is of these.

    instance: of the variable, where it has several.
    """

    station: Station
    now: Now
    listed: int = 0
    evse: Evse | None = None
    connector: int | None = None
    instance: str | None = None


class Setting(NamedTuple):
    """The key behind a variable. part: the field of `Station` that has it. table: that of the configuration file."""

    part: Literal["settings", "rules"]
    field: str

    @property
    def kind(self) -> type[Settings] | type[AuthorizationSettings]:
        return Settings if self.part == "settings" else AuthorizationSettings

    @property
    def table(self) -> str:
        return "behaviour" if self.part == "settings" else "authorization"


class Row(msgspec.Struct, frozen=True, kw_only=True):
    """One variable of one component, or of one component of each EVSE or connector.

    read: the value as text; "" for one that is not known now, None where the station has no such variable.
    least, most: of a number; most of a string: its length; a function, where it depends on the station.
    values: of lists. setting: the key of the configuration that it shows. writable: and which the CSMS may set.
    effect: what else changes at once, from the station before and after. instances: where they depend on the station.
    constant: never changes while the station runs. persistent: survives a power cut. summary: when it belongs to a
    SummaryInventory, by its value (B07.FR.09). fixed: the value, where it is the same for every station.
    """

    component: str
    variable: str
    type: DataType
    read: Callable[[View], str | None]
    what: str
    at: Tier = Tier.STATION
    instance: str | None = None
    instances: Callable[[View], Iterable[str]] | None = None
    unit: str | None = None
    least: float | None = None
    most: float | Callable[[View], float] | None = None
    values: tuple[str, ...] = ()
    setting: Setting | None = None
    writable: bool = False
    effect: Callable[[Station, Station], Station] | None = None
    constant: bool = False
    persistent: bool = False
    summary: Callable[[str], bool] | None = None
    fixed: str | None = None

    @property
    def name(self) -> str:
        """As it is kept: component.variable, with the instance in brackets."""
        instance = "" if self.instance is None else f"[{self.instance}]"
        return f"{self.component}.{self.variable}{instance}"


def fact(component: str, variable: str, type: DataType, value: str, what: str, **more: Any) -> Row:
    """A row that says the same of every station of this release."""
    return Row(
        component=component,
        variable=variable,
        type=type,
        read=lambda view: value,
        what=what,
        fixed=value,
        constant=True,
        persistent=True,
        **more,
    )


def setting(component: str, variable: str, key: Setting, what: str, *, writable: bool = True, **more: Any) -> Row:
    """A row for a key of the configuration; its type and limits are those of the key. writable: the CSMS may set it."""
    type, least, most = _limits(key)
    more.setdefault("read", lambda view: show(getattr(getattr(view.station, key.part), key.field)))
    return Row(
        component=component,
        variable=variable,
        type=type,
        what=what,
        least=least,
        most=most,
        setting=key,
        writable=writable,
        constant=not writable,
        persistent=True,
        **more,
    )


def show(value: bool | float | str) -> str:
    """A setting as the text of a variable. Seconds are whole in OCPP: a part of one counts as one."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(math.ceil(value))


def _limits(key: Setting) -> tuple[DataType, float | None, float | None]:
    """What the configuration's own check allows, in whole numbers."""
    info = inspect.type_info(key.kind)
    assert isinstance(info, inspect.StructType)
    (kind,) = [field.type for field in info.fields if field.name == key.field]
    if isinstance(kind, inspect.BoolType):
        return "boolean", None, None
    if isinstance(kind, inspect.StrType):
        return "string", None, kind.max_length
    if isinstance(kind, inspect.LiteralType):
        return "integer", None, None
    assert isinstance(kind, inspect.IntType | inspect.FloatType), key
    least = math.floor(kind.gt) + 1 if kind.gt is not None else math.ceil(kind.ge or 0)
    return "integer", least, LARGEST_INTEGER if kind.le is None else math.floor(kind.le)
