"""The charging profiles that are installed (OCPP 2.0.1 part 2, K01, K08 to K10, K13): a value, never changed in place.

`msgspec.json` writes and reads it, for they must outlive a power cut (K01.FR.27).
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

import msgspec

from edge.station.smart_charging.limits import Charge, Limit, Supply, composite, limit_at
from edge.station.smart_charging.profile import Installed, Profile, Purpose, Source, Unit
from edge.station.smart_charging.rules import Reason, Site, why_not


class Criteria(msgspec.Struct, frozen=True):
    """Which profiles are meant: those that fit all that is not None. evse: where it was installed; 0 is 0 only."""

    ids: frozenset[int] | None = None
    evse: int | None = None
    purpose: str | None = None
    stack_level: int | None = None
    sources: frozenset[str] | None = None

    def fit(self, one: Installed) -> bool:
        return (
            (self.ids is None or one.profile.id in self.ids)
            and (self.evse is None or one.evse_id == self.evse)
            and (self.purpose is None or one.profile.purpose == self.purpose)
            and (self.stack_level is None or one.profile.stack_level == self.stack_level)
            and (self.sources is None or one.source in self.sources)
        )


class Profiles(msgspec.Struct, frozen=True):
    """All installed profiles, by the order of their installation."""

    installed: tuple[Installed, ...] = ()

    def install(
        self,
        profile: Profile,
        evse_id: int,
        *,
        evses: Collection[int],
        phases: int,
        transaction_id: str | None = None,
        source: Source = "CSO",
    ) -> tuple[Profiles, Reason | None]:
        """With one more profile, in the place of one with the same id (K01.FR.05); or as before, and why not.

        evses: the station's. phases: that they charge with. transaction_id: of the transaction that goes on at evse_id.
        source: CSO is the CSMS; whoever else there is sets ChargingStationExternalConstraints (K11, K12).
        """
        new = Installed(profile, evse_id, source)
        others = tuple(one for one in self.installed if one.profile.id != profile.id)
        replaced = next((one for one in self.installed if one.profile.id == profile.id), new)
        if replaced.source != source:
            return self, Reason("DuplicateProfile", f"profile {profile.id} is {replaced.source}'s")
        reason = why_not(new, others, Site(evses, phases, transaction_id))
        return (self, reason) if reason is not None else (Profiles((*others, new)), None)

    def clear(
        self,
        id: int | None = None,
        evse: int | None = None,
        purpose: Purpose | None = None,
        stack_level: int | None = None,
    ) -> tuple[Profiles, int]:
        """Without those that fit everything given, and how many there were; external ones stay (K10.FR.03 to FR.09)."""
        ids = None if id is None else frozenset([id])
        return self._without(Criteria(ids, evse, purpose, stack_level, frozenset(["CSO"])))

    def release(self, source: Source) -> tuple[Profiles, int]:
        """Without the limits of an external system, which has released them, and how many there were (K13)."""
        return self._without(Criteria(purpose="ChargingStationExternalConstraints", sources=frozenset([source])))

    def drop_transaction(self, transaction_id: str) -> Profiles:
        """Without the TxProfiles of a transaction: it has ended (K02.FR.05)."""
        return self._keep([one for one in self.installed if one.profile.transaction_id != transaction_id])

    def keep_transactions(self, transaction_ids: Collection[str]) -> Profiles:
        """Without the TxProfiles of any other transaction, such as one that a power cut ended."""
        return self._keep([one for one in self.installed if one.profile.transaction_id in (None, *transaction_ids)])

    def find(self, criteria: Criteria) -> tuple[Installed, ...]:
        """Those that fit (K09)."""
        return tuple(one for one in self.installed if criteria.fit(one))

    def limit_a(
        self,
        evse: int,
        at: datetime,
        transaction_start: datetime | None,
        *,
        phases: int,
        voltage_v: float = 230.0,
        station_max_a: float | None,
        sharing: int = 1,
        safe_a: float | None = None,
    ) -> Limit:
        """The limit in force at an EVSE, A per phase, and until when; of EVSE 0: what all of them may draw together.

        transaction_start: of the one that goes on there; None: there is none, and neither TxProfiles nor Relative ones
        count. phases, voltage_v: that it charges with. station_max_a: what its hardware may carry, A per phase; None:
        anything. sharing: how many EVSEs draw at once; each has that part of a limit of the whole station (K04.FR.05).
        safe_a: what it may draw once a limit of the whole station has expired; None: as if there had been none.
        """
        supply = Supply(phases, voltage_v, station_max_a, sharing, safe_a)
        return limit_at(self.installed, Charge(evse, transaction_start), at, supply)

    def composite(
        self,
        evse: int,
        start: datetime,
        duration_s: int,
        unit: Unit,
        transaction_start: datetime | None,
        *,
        phases: int,
        voltage_v: float = 230.0,
        station_max_a: float | None,
        sharing: int = 1,
        safe_a: float | None = None,
    ) -> list[tuple[int, float | None]]:
        """(seconds from start, limit in unit) wherever the limit changes: what `limit_a` says at every second (K08).

        unit: A per phase, or W for all phases together. The rest: as for `limit_a`.
        """
        supply = Supply(phases, voltage_v, station_max_a, sharing, safe_a)
        return composite(self.installed, Charge(evse, transaction_start), start, duration_s, unit, supply)

    def _without(self, criteria: Criteria) -> tuple[Profiles, int]:
        kept = self._keep([one for one in self.installed if not criteria.fit(one)])
        return kept, len(self.installed) - len(kept.installed)

    def _keep(self, kept: Collection[Installed]) -> Profiles:
        return self if len(kept) == len(self.installed) else Profiles(tuple(kept))
