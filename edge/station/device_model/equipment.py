"""The rows of what is there: the station, its EVSEs and connectors, and what wears out."""

from __future__ import annotations

from collections.abc import Callable

from edge.station.device_model.row import Row, Setting, Tier, View, fact, setting, show
from edge.station.states import status

#: OCPP's values of AvailabilityState: of several, the first that one of them has stands for all.
BEST_FIRST = ("Available", "Occupied", "Reserved", "Unavailable", "Faulted")
#: The word for an EVSE: what one connector is in use for, the others are not free for either.
EVSE_FIRST = ("Faulted", "Occupied", "Reserved", "Available", "Unavailable")
#: Custom component: how often each protective function has acted.
FAULT_COUNTER = "FaultCounter"
PHASES = Setting("settings", "phases")


def _about(name: str) -> Callable[[View], str | None]:
    """What BootNotification says of the station, where it does."""
    return lambda view: view.station.identity.get(name)


def _connector_state(view: View) -> str:
    assert view.evse is not None
    assert view.connector is not None
    return status(view.station, view.evse, view.connector)


def _evse_state(view: View) -> str:
    assert view.evse is not None
    states = {status(view.station, view.evse, connector) for connector in view.evse.connectors}
    return next(state for state in EVSE_FIRST if state in states)


def _station_state(view: View) -> str:
    states = {_evse_state(view._replace(evse=evse)) for evse in view.station.evses}
    return next(state for state in BEST_FIRST if state in states)


def _station_problem(view: View) -> str:
    return show(any(evse.faults for evse in view.station.evses))


def _evse_problem(view: View) -> str:
    assert view.evse is not None
    return show(bool(view.evse.faults if view.instance is None else view.evse.faults & {view.instance}))


def _reasons(view: View) -> list[str]:
    """Faults that there are, or have ever been."""
    assert view.evse is not None
    return sorted(view.evse.faults | {reason for reason, _ in view.station.kept.counters.trips})


def _power(view: View) -> str:
    """Unknown while the meter is silent."""
    assert view.evse is not None
    measured = view.evse.measured
    return "" if measured is None or view.evse.faults else str(round(measured.reading.power_w, 1))


def _most_power_w(view: View) -> float:
    settings = view.station.settings
    return round(settings.phases * settings.voltage_v * settings.max_current_a, 1)


def _connector_type(view: View) -> str:
    assert view.evse is not None
    place = (view.evse.number, view.connector)
    return next((kind for *where, kind in view.station.types if tuple(where) == place), "Unknown")


def _closed(view: View) -> str:
    assert view.evse is not None
    return show(view.evse.closed == view.connector)


def _closings(view: View) -> str:
    assert view.evse is not None
    place = (view.evse.number, view.connector)
    cycles = view.station.kept.counters.cycles
    return str(next((count for *where, count in cycles if tuple(where) == place), 0))


def _tripped(view: View) -> list[str]:
    return [reason for reason, _ in view.station.kept.counters.trips]


def _trips(view: View) -> str:
    return str(dict(view.station.kept.counters.trips)[view.instance or ""])


def _always(value: str) -> bool:
    return True


def _when_true(value: str) -> bool:
    return value == "true"


def _availability(component: str, at: Tier, read: Callable[[View], str], what: str) -> Row:
    return Row(
        component=component,
        variable="AvailabilityState",
        type="OptionList",
        read=read,
        what=what,
        at=at,
        values=BEST_FIRST,
        summary=_always,
    )


def _phases(component: str, at: Tier) -> Row:
    return setting(component, "SupplyPhases", PHASES, "that it is supplied with", at=at, writable=False)


def _told(variable: str, key: str, what: str, most: int) -> Row:
    return Row(
        component="ChargingStation",
        variable=variable,
        type="string",
        read=_about(key),
        what=what,
        most=most,
        constant=True,
        persistent=True,
    )


ROWS: tuple[Row, ...] = (
    _availability("ChargingStation", Tier.STATION, _station_state, "of the EVSE that is best off"),
    fact("ChargingStation", "Available", "boolean", "true", "it is there"),
    _told("FirmwareVersion", "firmwareVersion", "of this software", 50),
    _told("Model", "model", "as BootNotification tells it", 20),
    Row(
        component="ChargingStation",
        variable="Problem",
        type="boolean",
        read=_station_problem,
        what="an EVSE has a fault",
        summary=_when_true,
    ),
    _told("SerialNumber", "serialNumber", "where it has one", 25),
    _phases("ChargingStation", Tier.STATION),
    _told("VendorName", "vendorName", "as BootNotification tells it", 50),
    _availability("EVSE", Tier.EVSE, _evse_state, "of the connector in use, or of one that is free"),
    fact("EVSE", "AllowReset", "boolean", "false", "only the whole station can be reset", at=Tier.EVSE),
    fact("EVSE", "Available", "boolean", "true", "it is there", at=Tier.EVSE),
    Row(
        component="EVSE",
        variable="Power",
        type="decimal",
        read=_power,
        what="that is drawn now; maxLimit: phases * voltage_v * max_current_a",
        at=Tier.EVSE,
        unit="W",
        most=_most_power_w,
    ),
    Row(
        component="EVSE",
        variable="Problem",
        type="boolean",
        read=_evse_problem,
        what="it has a fault",
        at=Tier.EVSE,
        summary=_when_true,
    ),
    Row(
        component="EVSE",
        variable="Problem",
        type="boolean",
        read=_evse_problem,
        what="it has this fault, such as MeterSilent; NotifyEvent tells when",
        at=Tier.EVSE,
        instances=_reasons,
        summary=_when_true,
    ),
    _phases("EVSE", Tier.EVSE),
    _availability("Connector", Tier.CONNECTOR, _connector_state, "as StatusNotification tells it"),
    fact("Connector", "Available", "boolean", "true", "it is there", at=Tier.CONNECTOR),
    Row(
        component="Connector",
        variable="ConnectorType",
        type="string",
        read=_connector_type,
        what="OCPP's ConnectorEnumType",
        at=Tier.CONNECTOR,
        constant=True,
        persistent=True,
    ),
    _phases("Connector", Tier.CONNECTOR),
    Row(
        component="PowerContactor",
        variable="Active",
        type="boolean",
        read=_closed,
        what="it is closed",
        at=Tier.CONNECTOR,
    ),
    Row(
        component="PowerContactor",
        variable="Count",
        instance="Closings",
        type="integer",
        read=_closings,
        what="how often it has closed: it wears out",
        at=Tier.CONNECTOR,
        persistent=True,
    ),
    Row(
        component=FAULT_COUNTER,
        variable="Count",
        type="integer",
        read=_trips,
        what="how often there was this fault",
        instances=_tripped,
        persistent=True,
    ),
)
