"""Which EVSE is for whom: in service or not, reserved, in use (OCPP 2.0.1, blocks F, G and H)."""

from __future__ import annotations

from collections.abc import Collection

from edge.station.authorization import Bearer, same_token
from edge.station.jobs import installing
from edge.station.kept import Reservation
from edge.station.state import Evse, Station


def is_inoperative(station: Station, evse: int, connector: int) -> bool:
    """Whether the CSMS took the connector, its EVSE or the whole station out of service (G03, G04)."""
    return not station.kept.inoperative.isdisjoint({(0, 0), (evse, 0), (evse, connector)})


def is_closing(station: Station) -> bool:
    """Whether nobody may begin to charge any more: the station will start anew, or firmware is to be installed."""
    return station.leaving is not None or installing(station)


def in_service(station: Station, evse: Evse) -> bool:
    """Whether anybody may begin to charge here: at the connector that is plugged in, or at any."""
    if is_closing(station):
        return False
    connectors = evse.connectors if evse.plugged is None else (evse.plugged,)
    return any(not is_inoperative(station, evse.number, connector) for connector in connectors)


def why_not(station: Station, evse: Evse, bearer: Bearer | None) -> str | None:
    """Why somebody cannot begin to charge here, as a reasonCode of OCPP; None if he can. bearer: None for anybody."""
    if evse.transaction is not None:
        return "TxInProgress"
    if evse.faults:
        return "Faulted"
    if not in_service(station, evse):
        return "Unavailable"
    if evse.authorization is not None:
        return "Occupied"
    return "Reserved" if bearer is not None and is_kept_from(station, evse, bearer) else None


def free_evse(station: Station, bearer: Bearer | None, among: Collection[int] = ()) -> Evse | None:
    """The EVSE that a card is for: one reserved for it, else one with a vehicle waiting, else the first that is free.

    bearer: None for anybody. among: only these; none given: all.
    """
    free = [
        evse for evse in station.evses if why_not(station, evse, bearer) is None and (not among or evse.number in among)
    ]
    own = {held.evse for held in station.kept.reservations if bearer is not None and _is_for(held, bearer)}
    free.sort(key=lambda evse: (evse.number not in own, evse.plugged is None))
    return free[0] if free else None


def is_vacant(station: Station, evse: Evse) -> bool:
    """Whether the EVSE could be reserved: nobody is there, nobody is expected, and it works."""
    return why_not(station, evse, None) is None and evse.plugged is None


def is_reserved(station: Station, evse: Evse) -> bool:
    """Whether the EVSE is kept for somebody, by name or because all that are left must be (H01)."""
    return is_kept_from(station, evse, None)


def is_kept_from(station: Station, evse: Evse, bearer: Bearer | None) -> bool:
    """Whether the EVSE is kept for others than this one; None: for anybody at all."""
    held = station.kept.reservations
    if not held:
        return False
    for reservation in held:
        if reservation.evse == evse.number:
            return bearer is None or not _is_for(reservation, bearer)
    anywhere = [reservation for reservation in held if reservation.evse is None]
    if not anywhere or (bearer is not None and any(_is_for(reservation, bearer) for reservation in anywhere)):
        return False
    named = {reservation.evse for reservation in held}
    spare = [
        other
        for other in (evse if known.number == evse.number else known for known in station.evses)
        if other.number not in named
        and why_not(station, other, None) is None
        # Who plugs in without a right to must not get the place by that: this EVSE counts with a vehicle, too.
        and (other is evse or other.plugged is None)
    ]
    return evse in spare and any(
        _is_short(station, reservation, anywhere, spare)
        for reservation in anywhere
        if has_type(station, evse, reservation.connector_type)
    )


def has_type(station: Station, evse: Evse, connector_type: str | None) -> bool:
    """Whether the EVSE has a connector of the type; None: of any."""
    if connector_type is None:
        return True
    return any(number == evse.number and kind == connector_type for number, _, kind in station.types)


def used_up(station: Station, evse: Evse, bearer: Bearer) -> Reservation | None:
    """The reservation that somebody uses who begins to charge here."""
    fitting = [held for held in station.kept.reservations if held.evse in (None, evse.number) and _is_for(held, bearer)]
    return min(fitting, key=lambda held: held.evse is None, default=None)


def _is_short(station: Station, held: Reservation, anywhere: list[Reservation], spare: list[Evse]) -> bool:
    """Whether the EVSEs that this reservation could have are no more than the reservations that want them."""
    fitting = [evse for evse in spare if has_type(station, evse, held.connector_type)]
    rivals = [other for other in anywhere if any(has_type(station, evse, other.connector_type) for evse in fitting)]
    return len(fitting) <= len(rivals)


def _is_for(reservation: Reservation, bearer: Bearer) -> bool:
    if same_token(reservation.id_token, bearer.id_token):
        return True
    return reservation.group_id is not None and reservation.group_id == bearer.group_id
