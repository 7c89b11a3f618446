"""A session is a fold over its transaction's events, in the order of their seqNo.

`fold` adds one event to what is known. Events that come in order are folded as they come; when one comes late, the
session is folded anew from all of its events, so that any order of arrival gives the same session
(architecture: integrity rule 3). Energy is only ever a difference of the meter's register (rule 6).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TypeVar

import msgspec

from cloud.domain.quarters import Quarters, add_energy, add_time, without_idle

T = TypeVar("T")

#: No EVSE delivers more than this, in W: a register that rises faster has jumped. (Megawatt charging ends at 3.75 MW.)
MAX_POWER_W = 4_000_000
#: A register may be ahead of its timestamp by rounding and by a sample's delay: this much is never called a jump, Wh.
JUMP_SLACK_WH = 1_000

#: States of a vehicle that could charge and does not want to, or may not any more.
_IDLE = ("SuspendedEV", "EVConnected")

REGISTER_WENT_BACK = "register_went_back"
REGISTER_JUMPED = "register_jumped"
REGISTER_AT_ZERO = "register_at_zero"
NO_START = "no_start"
#: Its EVSE was used again, or is free, and nobody said that it ended: when and with what energy is not known.
ENDED_UNKNOWN = "ended_unknown"
#: Its station has nothing more to tell, and yet events are missing.
EVENTS_LOST = "events_lost"


class Fact(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one TransactionEvent says, reduced to what a session is made of.

    kind: Started, Updated or Ended. registers: (time, Wh) in the order of time. power_w: W, soc_pct: %, both the last
    in the event; None where it has none. socs: all of its states of charge, %, in the order of time.
    """

    seq_no: int
    kind: str
    at: datetime
    trigger: str = ""
    charging_state: str | None = None
    registers: tuple[tuple[datetime, int], ...] = ()
    power_w: float | None = None
    soc_pct: float | None = None
    stop_reason: str | None = None
    id_token: str | None = None
    evse: int | None = None
    connector: int | None = None
    remote_start_id: int | None = None
    offline: bool = False
    socs: tuple[float, ...] = ()


class Session(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of a session after some of its events. Energy in Wh, power in W, state of charge in %.

    last_at: the latest time of an event. high_wh: where the register was before it went back, until it is there again.
    soc_first_pct, soc_first_no: the first state of charge that it told, and the seqNo of the event that told it.
    soc_peak_pct: the highest. quarters: its energy and its time by the quarter hour; the energies add up to energy_wh.
    """

    charging_state: str | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    last_at: datetime | None = None
    start_wh: int | None = None
    last_wh: int | None = None
    last_wh_at: datetime | None = None
    high_wh: int | None = None
    energy_wh: int = 0
    power_w: float | None = None
    soc_pct: float | None = None
    stop_reason: str | None = None
    id_token: str | None = None
    evse: int | None = None
    connector: int | None = None
    remote_start_id: int | None = None
    started: bool = False
    ended: bool = False
    flags: tuple[str, ...] = ()
    soc_first_pct: float | None = None
    soc_first_no: int | None = None
    soc_peak_pct: float | None = None
    quarters: Quarters = ()

    @property
    def state(self) -> str:
        """pending, charging, suspended or ended."""
        if self.ended:
            return "ended"
        match self.charging_state:
            case "Charging":
                return "charging"
            case "SuspendedEV" | "SuspendedEVSE":
                return "suspended"
        return "pending"


def fold(session: Session, fact: Fact) -> Session:
    """The session after one more event, which must not be earlier in seqNo than those folded before."""
    ended = session.ended or fact.kind == "Ended"
    session = _add_charge(_add_registers(_add_time(session, fact), fact), fact)
    return msgspec.structs.replace(
        session,
        charging_state=fact.charging_state or session.charging_state,
        started_at=session.started_at or fact.at,
        ended_at=fact.at if fact.kind == "Ended" else session.ended_at,
        last_at=fact.at if session.last_at is None else max(session.last_at, fact.at),
        power_w=0.0 if ended else _either(fact.power_w, session.power_w),
        soc_pct=_either(fact.soc_pct, session.soc_pct),
        stop_reason=_either(fact.stop_reason, session.stop_reason),
        id_token=session.id_token or fact.id_token,
        evse=_either(session.evse, fact.evse),
        connector=_either(session.connector, fact.connector),
        remote_start_id=_either(session.remote_start_id, fact.remote_start_id),
        started=session.started or fact.kind == "Started",
        ended=ended,
    )


def fold_all(facts: Iterable[Fact]) -> Session:
    """The session that these events make, in whatever order they are given. A repeated seqNo counts once."""
    session = Session()
    by_number: dict[int, Fact] = {}
    for fact in facts:
        by_number.setdefault(fact.seq_no, fact)
    for _, fact in sorted(by_number.items()):
        session = fold(session, fact)
    return session


def _add_time(session: Session, fact: Fact) -> Session:
    """The time since the event before, by what the vehicle did in it.

    It is idle once it has charged and takes no more while it stays plugged in. When the station holds back the power
    it is not; and when it charges again after all, it had not been.
    """
    quarters = session.quarters
    if session.last_at is not None and not session.ended:
        if session.charging_state == "Charging":
            quarters = add_time(quarters, session.last_at, fact.at, idle=False)
        elif session.charging_state in _IDLE and session.energy_wh > 0:
            quarters = add_time(quarters, session.last_at, fact.at, idle=True)
    if fact.charging_state == "Charging":
        quarters = without_idle(quarters)
    return session if quarters is session.quarters else msgspec.structs.replace(session, quarters=quarters)


def _add_registers(session: Session, fact: Fact) -> Session:
    start, last, last_at, high = session.start_wh, session.last_wh, session.last_wh_at, session.high_wh
    energy, flags, quarters = session.energy_wh, session.flags, session.quarters
    for at, register in fact.registers:
        if last is None or last_at is None:
            if register == 0 and fact.offline:
                flags = _with(flags, REGISTER_AT_ZERO)  # a station that could not read its meter yet
                continue
            start = register
        elif at < last_at <= fact.at:
            continue  # told before: Ended may repeat the samples of the whole transaction (OCPP 2.0.1, E06)
        elif register < last:
            flags = _with(flags, REGISTER_WENT_BACK)
            high = last if high is None else max(high, last)
        else:
            # Back where it was, it had only stumbled; what lies between was not used.
            base, high = (high, None) if high is not None and register >= high else (last, high)
            if register - base > MAX_POWER_W * max(0.0, (at - last_at).total_seconds()) / 3600 + JUMP_SLACK_WH:
                flags = _with(flags, REGISTER_JUMPED)
            else:
                energy += register - base
                quarters = add_energy(quarters, last_at, at, register - base)
        last, last_at = register, at
    return msgspec.structs.replace(
        session,
        start_wh=start,
        last_wh=last,
        last_wh_at=last_at,
        high_wh=high,
        energy_wh=energy,
        flags=flags,
        quarters=quarters,
    )


def _add_charge(session: Session, fact: Fact) -> Session:
    if not fact.socs:
        return session
    known = session.soc_first_pct is not None
    return msgspec.structs.replace(
        session,
        soc_first_pct=session.soc_first_pct if known else fact.socs[0],
        soc_first_no=session.soc_first_no if known else fact.seq_no,
        soc_peak_pct=max(fact.socs) if session.soc_peak_pct is None else max(session.soc_peak_pct, *fact.socs),
    )


def _with(flags: tuple[str, ...], flag: str) -> tuple[str, ...]:
    return flags if flag in flags else (*flags, flag)


def _either(first: T | None, second: T | None) -> T | None:
    return second if first is None else first
