"""What must survive a power cut beside the open transactions: one value, written down whenever it has changed."""

from __future__ import annotations

from datetime import datetime

import msgspec

from edge.station.job_orders import Firmware, LogOrder
from edge.station.smart_charging import Profiles
from edge.station.tokens import IdToken

#: What BootNotification says of a start that nobody ordered (BootReasonEnumType).
POWER_UP = "PowerUp"


class Reservation(msgspec.Struct, frozen=True):
    """A place kept for a driver (OCPP 2.0.1, block H). evse: None for any. connector_type: None for any."""

    id: int
    id_token: IdToken
    until: datetime
    evse: int | None = None
    connector_type: str | None = None
    group_id: str | None = None


class Counters(msgspec.Struct, frozen=True):
    """For the maintainer. cycles: closings by (EVSE, connector), wear of the contactors. trips: faults by reason."""

    cycles: tuple[tuple[int, int, int], ...] = ()
    trips: tuple[tuple[str, int], ...] = ()

    def closed(self, evse: int, connector: int) -> Counters:
        """With one more closing of a contactor."""
        counts = {(number, place): count for number, place, count in self.cycles}
        counts[evse, connector] = counts.get((evse, connector), 0) + 1
        return Counters(tuple((*key, count) for key, count in sorted(counts.items())), self.trips)

    def tripped(self, reason: str) -> Counters:
        """With one more fault."""
        counts = dict(self.trips)
        counts[reason] = counts.get(reason, 0) + 1
        return Counters(self.cycles, tuple(sorted(counts.items())))


class Kept(msgspec.Struct, frozen=True):
    """profiles: the charging profiles that are installed.

    inoperative: (EVSE, connector) that the CSMS took out of service; connector 0: the whole EVSE, EVSE 0: the station.
    faults: (EVSE, reason) of those that there are.
    variables: what the CSMS has set, (component.variable, value), in the order of their names.
    boot_reason: what the next BootNotification says (BootReasonEnumType).
    log, firmware: the jobs that were ordered, and how far they are.
    """

    profiles: Profiles = Profiles()
    inoperative: frozenset[tuple[int, int]] = frozenset()
    reservations: tuple[Reservation, ...] = ()
    faults: frozenset[tuple[int, str]] = frozenset()
    counters: Counters = Counters()
    variables: tuple[tuple[str, str], ...] = ()
    boot_reason: str = POWER_UP
    log: LogOrder | None = None
    firmware: Firmware | None = None
