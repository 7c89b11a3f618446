"""Reports of variables (B07, B08): which ones, and the NotifyReports that tell them, each in one frame."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

import msgspec

from edge.station.device_model.model import ComponentKey, Model, Variable, component_key, variable_key
from edge.station.ports import Send
from edge.station.state import Now
from protocol.envelope import MAX_FRAME_BYTES

#: Bytes of a frame that are not its variables: message id, action, what a report says of itself.
ENVELOPE_BYTES = 1_000


def base_report(model: Model, kind: str) -> list[Variable]:
    """What a GetBaseReport asks for. kind: ReportBaseEnumType."""
    if kind == "ConfigurationInventory":  # B07.FR.07
        return [variable for variable in model.variables if variable.row.writable]
    if kind == "SummaryInventory":  # B07.FR.09
        return [
            variable
            for variable in model.variables
            if variable.row.summary is not None and variable.row.summary(variable.value)
        ]
    return list(model.variables)  # B07.FR.08


def custom_report(model: Model, request: Any) -> list[Variable]:
    """What a typed GetReport asks for: what is named, of the components that fit one of the criteria (B08)."""
    found = list(model.variables)
    if request.component_criteria is not msgspec.UNSET:
        components = _fitting(model, request.component_criteria)
        found = [variable for variable in found if variable.component_key in components]
    if request.component_variable is not msgspec.UNSET:
        named = request.component_variable
        found = [variable for variable in found if any(_is_named(variable, one) for one in named)]
    return found


def notify(found: Iterable[Variable], request_id: int, now: Now) -> list[Send]:
    """The NotifyReports: the first has seqNo 0, all but the last say that more will come."""
    pages = list(_pages([variable.report() for variable in found]))
    return [
        Send(
            "NotifyReport",
            {
                "requestId": request_id,
                "generatedAt": now.utc,
                "seqNo": number,
                "tbc": number < len(pages) - 1,
                "reportData": page,
            },
        )
        for number, page in enumerate(pages)
    ]


def _pages(entries: Iterable[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    page: list[dict[str, Any]] = []
    room = MAX_FRAME_BYTES - ENVELOPE_BYTES
    for entry in entries:
        size = len(msgspec.json.encode(entry)) + 1
        if page and size > room:
            yield page
            page, room = [], MAX_FRAME_BYTES - ENVELOPE_BYTES
        page.append(entry)
        room -= size
    if page:
        yield page


def _fitting(model: Model, criteria: Collection[str]) -> set[ComponentKey]:
    """The components that fit at least one of the criteria (B08.FR.07 to FR.10, FR.13)."""
    said = {(variable.component_key, variable.variable_key): variable.value for variable in model.variables}
    return {
        component
        for component, _ in said
        for name in criteria
        # A component that does not say whether it is active, available or enabled is; one that says nothing of a
        # problem has none.
        if said.get((component, (name.casefold(), "")), "false" if name == "Problem" else "true") == "true"
    }


def _is_named(variable: Variable, named: Any) -> bool:
    """What is not said of a component or variable may be anything (B08.FR.20 to FR.25)."""
    name, instance, evse, connector = component_key(named.component)
    ours = variable.component_key
    if ours[0] != name or (instance and ours[1] != instance):
        return False
    if (evse is not None and ours[2] != evse) or (connector is not None and ours[3] != connector):
        return False
    if named.variable is msgspec.UNSET:
        return True
    wanted = variable_key(named.variable)
    return variable.variable_key[0] == wanted[0] and wanted[1] in ("", variable.variable_key[1])
