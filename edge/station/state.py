"""What the station knows: plain values, never changed in place.

`Station` is all of it; `Evse` one EVSE; `Transaction` what must survive a power cut, so it alone is written to the
journal. Deadlines are on the monotonic clock, times that leave the station on the wall clock: `Now` has both.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, NamedTuple

import msgspec

from edge.station.job_orders import JobRules
from edge.station.kept import Kept
from edge.station.smart_charging import Profile
from edge.station.tokens import AuthorizationSettings, IdToken, Known
from hardware.ports import Light, Reading


class Now(NamedTuple):
    """A moment. utc: wall clock, aware. mono: seconds on a clock that never jumps."""

    utc: datetime
    mono: float


#: Longer than no time at all, or the station would do nothing else; a day at most.
Seconds = Annotated[float, msgspec.Meta(gt=0, le=86_400)]


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How the station behaves. OCPP's own name, where it has one, in brackets.

    sample_s: seconds between two Updated events with a sample (SampledDataTxUpdatedInterval).
    connection_timeout_s: an authorization lapses when no vehicle is plugged in for so long (EVConnectionTimeOut).
    heartbeat_s: seconds between heartbeats until the CSMS says otherwise (HeartbeatInterval).
    suspended_w, suspended_s: a vehicle that draws less than this for so long has paused by itself.
    refused_s: how long the red light of a refusal stays. authorize_s: how long a driver waits for the CSMS's word.
    answer_s: how long the CSMS may take to answer a call before it is made again (MessageTimeout).
    message_attempts: how often a call that must arrive may be refused for a reason that may pass, before it goes to the
    dead letters (MessageAttempts). message_attempt_interval_s: the pause before it is made again, times the number of
    attempts so far (MessageAttemptInterval).
    phases, voltage_v, max_current_a: of the supply of each EVSE: how many (SupplyPhases), V between phase and neutral,
    the most that its wiring carries, A per phase.
    over_current_s: a vehicle that draws a tenth more than it may for so long is cut off until it is unplugged.
    safe_a: what may be drawn, A per phase, once a limit of the whole station has expired and no other has come; none
    given: as if it had never been, which is what OCPP says.
    ventilated: vehicles whose batteries need ventilation may charge here (IEC 61851-1, state D).
    offline_threshold_s: after a longer time offline all connectors' statuses are told anew, after a shorter one only
    those that have changed (OfflineThreshold).
    """

    sample_s: Seconds = 10.0
    connection_timeout_s: Seconds = 60.0
    heartbeat_s: Seconds = 60.0
    suspended_w: Annotated[float, msgspec.Meta(ge=0)] = 50.0
    suspended_s: Seconds = 15.0
    refused_s: Seconds = 3.0
    authorize_s: Seconds = 10.0
    answer_s: Seconds = 15.0
    message_attempts: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 5
    message_attempt_interval_s: Seconds = 10.0
    phases: Literal[1, 3] = 1
    voltage_v: Annotated[float, msgspec.Meta(gt=0, le=1_000)] = 230.0
    max_current_a: Annotated[float, msgspec.Meta(gt=0, le=1_000)] = 32.0
    over_current_s: Seconds = 10.0
    safe_a: Annotated[float, msgspec.Meta(ge=0, le=1_000)] | None = None
    ventilated: bool = False
    offline_threshold_s: Annotated[float, msgspec.Meta(ge=0, le=86_400)] = 60.0


class Measured(msgspec.Struct, frozen=True):
    """A meter reading and when it was taken. asked_mono: when the meter was asked; nothing later is in the reading."""

    reading: Reading
    utc: datetime
    asked_mono: float


class Authorization(msgspec.Struct, frozen=True):
    """A right to charge that waits for a vehicle. until_mono: when it lapses. group_id: what the token belongs to.

    evses: the only EVSEs that it is good for; none given: all. profile: a TxProfile for the transaction (K05).
    """

    id_token: IdToken
    until_mono: float
    remote_start_id: int | None = None
    group_id: str | None = None
    evses: tuple[int, ...] = ()
    profile: Profile | None = None


class Stop(msgspec.Struct, frozen=True):
    """When a transaction was told to end, and why: OCPP's ReasonEnumType and TriggerReasonEnumType.

    id_token: that was presented to end it, where one was.
    """

    stopped_reason: str
    trigger: str
    at: datetime
    id_token: IdToken | None = None


class Transaction(msgspec.Struct, frozen=True):
    """An open transaction. seq_no: of the next event. stop: set once it is to end, and never taken back.

    start_wh: the meter's register at its start. max_energy_wh: it may have no more than so much; None: no bound.
    """

    id: str
    id_token: IdToken
    connector: int
    started_at: datetime
    seq_no: int = 0
    charging_state: str = "Charging"
    remote_start_id: int | None = None
    stop: Stop | None = None
    group_id: str | None = None
    start_wh: int = 0
    max_energy_wh: int | None = None


class Ending(msgspec.Struct, frozen=True):
    """A transaction that ends as soon as the meter has been read with the contactor open, or at deadline_mono."""

    stop: Stop
    since_mono: float
    deadline_mono: float


class Evse(msgspec.Struct, frozen=True):
    """One EVSE. plugs: the connectors with a plug in. plugged: the one of them in use.

    closed: the connector whose contactor we closed. resumed: the transaction was found in the journal, and the CSMS has
    not been told that it goes on. sample_mono: when the next sample is due. finishing: over, and still plugged in.
    paused_mono: since when the vehicle has drawn next to nothing. reported: the status last told to the CSMS, by
    connector. faults: reasons, one of which is enough to cut power. told_faults: those that the CSMS was told of.
    limit_a: the limit in force, A per phase. held: it is too low for any power. limit_until_mono: when it may change.
    piloted: connectors with a control pilot. ready: those whose vehicle asks for power by it (IEC 61851-1, state C).
    pilot_problems: (connector, fault) of pilots. offer: (connector, A) that is offered by a pilot.
    over_mono: since when more was drawn than may be. grace: (A, until_mono) that was offered before, until then.
    triggered: the CSMS wants to hear of the transaction now.
    """

    number: int
    connectors: tuple[int, ...]
    plugs: frozenset[int] = frozenset()
    plugged: int | None = None
    authorization: Authorization | None = None
    transaction: Transaction | None = None
    ending: Ending | None = None
    resumed: bool = False
    closed: int | None = None
    faults: frozenset[str] = frozenset()
    told_faults: frozenset[str] = frozenset()
    measured: Measured | None = None
    piloted: frozenset[int] = frozenset()
    ready: frozenset[int] = frozenset()
    pilot_problems: frozenset[tuple[int, str]] = frozenset()
    offer: tuple[int, float] | None = None
    over_mono: float | None = None
    grace: tuple[float, float] | None = None
    limit_a: float | None = None
    held: bool = False
    triggered: bool = False
    limit_until_mono: float | None = None
    soc_pct: float | None = None
    sample_mono: float = 0.0
    paused_mono: float | None = None
    finishing: bool = False
    refused_mono: float | None = None
    reported: tuple[tuple[int, str], ...] = ()
    light: Light | None = None


class Asking(msgspec.Struct, frozen=True):
    """A card whose holder waits for the CSMS's word until until_mono. known: what counts if the word does not come."""

    id_token: IdToken
    until_mono: float
    known: Known = Known()


class Leaving(msgspec.Struct, frozen=True):
    """The station is to start anew once no transaction goes on.

    boot_reason: what it will say then (BootReasonEnumType). gone: it has been told to.
    """

    boot_reason: str
    gone: bool = False


class Station(msgspec.Struct, frozen=True):
    """The whole station.

    seed: makes transaction ids unique over restarts. identity: OCPP's ChargingStationType. rules: who may charge.
    transactions, notices: opened and given since the start. boot_mono: when to ask to boot (again).
    boot_triggered: the CSMS wants to be asked.
    kept: what survives a power cut beside the transactions. restored: it is known; until then nothing is done at all.
    types: (EVSE, connector, OCPP's ConnectorEnumType). leaving: it is about to start anew.
    offline_mono: since when the link has been lost. reservation_mono: when the next reservation lapses.
    job_rules: which long jobs it can do. log_at_work, firmware_at_work: one is being done. job_mono: when the next is
    due.
    station_id: as it is registered at the CSMS; empty where nobody asks.
    """

    settings: Settings
    evses: tuple[Evse, ...]
    seed: str
    identity: dict[str, str]
    rules: AuthorizationSettings = AuthorizationSettings()
    kept: Kept = Kept()
    transactions: int = 0
    notices: int = 0
    online: bool = False
    booted: bool = False
    boot_mono: float | None = None
    boot_triggered: bool = False
    heartbeat_s: float = 60.0
    heartbeat_mono: float | None = None
    asking: Asking | None = None
    restored: bool = False
    types: tuple[tuple[int, int, str], ...] = ()
    leaving: Leaving | None = None
    offline_mono: float | None = None
    reservation_mono: float | None = None
    job_rules: JobRules = JobRules()
    log_at_work: bool = False
    firmware_at_work: bool = False
    job_mono: float | None = None
    station_id: str = ""

    def evse(self, number: int) -> Evse | None:
        return next((evse for evse in self.evses if evse.number == number), None)
