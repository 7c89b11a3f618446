"""The state of a connector in one word, for people, lights and the CSMS: derived from the facts, never stored."""

from __future__ import annotations

from enum import Enum

from edge.station.places import in_service, is_closing, is_inoperative, is_reserved
from edge.station.state import Evse, Station


class State(Enum):
    """The states that charging stations have had names for since OCPP 1.6."""

    AVAILABLE = "Available"
    PREPARING = "Preparing"
    CHARGING = "Charging"
    SUSPENDED_EV = "SuspendedEV"
    SUSPENDED_EVSE = "SuspendedEVSE"
    FINISHING = "Finishing"
    RESERVED = "Reserved"
    UNAVAILABLE = "Unavailable"
    FAULTED = "Faulted"


#: OCPP 2.0.1's ConnectorStatusEnumType, where it is not the same for all of a state.
_STATUS = {
    State.AVAILABLE: "Available",
    State.RESERVED: "Reserved",
    State.UNAVAILABLE: "Unavailable",
    State.FAULTED: "Faulted",
}


def connector_state(station: Station, evse: Evse, connector: int) -> State:
    """The state of one connector of an EVSE."""
    if evse.faults:
        return State.FAULTED
    if evse.transaction is not None and connector == evse.transaction.connector:
        if evse.ending is not None:
            return State.FINISHING
        return State(evse.transaction.charging_state)
    if evse.transaction is not None or evse.plugged not in (None, connector):
        return State.UNAVAILABLE  # one connector in use at a time
    if is_closing(station) or is_inoperative(station, evse.number, connector):
        return State.UNAVAILABLE
    if evse.plugged == connector:
        return State.FINISHING if evse.finishing else State.PREPARING
    if evse.authorization is not None:
        return State.PREPARING
    return State.RESERVED if is_reserved(station, evse) else State.AVAILABLE


def evse_state(station: Station, evse: Evse) -> State:
    """The state of the connector in use; with none in use, of those that can be used."""
    in_use = evse.plugged if evse.transaction is None else evse.transaction.connector
    if in_use is not None:
        return connector_state(station, evse, in_use)
    usable = [connector for connector in evse.connectors if not is_inoperative(station, evse.number, connector)]
    if not evse.faults and not in_service(station, evse):
        return State.UNAVAILABLE
    return connector_state(station, evse, (usable or evse.connectors)[0])


def status(station: Station, evse: Evse, connector: int) -> str:
    """What StatusNotification says of a connector: OCPP 2.0.1's ConnectorStatusEnumType.

    An authorization alone does not occupy a connector: its holder may go to another.
    """
    state = connector_state(station, evse, connector)
    if state is State.PREPARING and evse.plugged is None:
        return "Available"
    return _STATUS.get(state, "Occupied")
