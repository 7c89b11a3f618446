"""What notices say, in each language. The only place with their words.

A text is made of the notice's facts when it is shown or sent, so that it is in the language that is wanted then.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from cloud.domain import currencies
from cloud.domain.notices import ENDED, FAULT, SOC
from cloud.domain.soc import ESTIMATED

LANGUAGES = ("en", "it")

_WORDS: Mapping[str, Mapping[str, str]] = {
    "en": {
        "soc.title": "Battery at {threshold} %",
        "soc": "The battery has reached {threshold} %: it is at {soc} % ({place}).",
        "soc.estimated": "The battery should have reached {threshold} %: about {soc} % ({place}).",
        "ended.title": "Charging has ended",
        "ended": "Charging at {place} has ended{reason}: {energy} kWh{time}{cost}.",
        "ended.unknown": "Charging at {place} is over; the station did not tell when. Known so far: {energy} kWh.",
        "reason": " ({reason})",
        "time": " in {time}",
        "cost": ", {cost}",
        "fault.title": "Fault during charging",
        "fault": "{place} reports a fault{problem}. Charging may have stopped.",
        "fault.operator": "{place} reports a fault{problem} during a session.",
        "problem": " ({problem})",
        "place": "{station}, EVSE {evse}",
        "reason.DeAuthorized": "card no longer accepted",
        "reason.EmergencyStop": "emergency stop",
        "reason.EVDisconnected": "vehicle unplugged",
        "reason.Local": "at the station",
        "reason.PowerLoss": "power loss",
        "reason.Reboot": "restart of the station",
        "reason.Remote": "remotely",
        "reason.SOCLimitReached": "battery limit reached",
        "reason.StoppedByEV": "by the vehicle",
        "reason.Timeout": "nobody plugged in",
    },
    "it": {
        "soc.title": "Batteria: {threshold} %",
        "soc": "La batteria ha raggiunto la soglia di {threshold} %: ora {soc} % ({place}).",
        "soc.estimated": "La batteria dovrebbe aver raggiunto la soglia di {threshold} %: circa {soc} % ({place}).",
        "ended.title": "Ricarica terminata",
        "ended": "La ricarica presso {place} è terminata{reason}: {energy} kWh{time}{cost}.",
        "ended.unknown": "La ricarica presso {place} è finita; la colonnina non ha detto quando. Finora: {energy} kWh.",
        "reason": " ({reason})",
        "time": " in {time}",
        "cost": ", {cost}",
        "fault.title": "Guasto durante la ricarica",
        "fault": "{place} segnala un guasto{problem}. La ricarica potrebbe essersi fermata.",
        "fault.operator": "{place} segnala un guasto{problem} durante una ricarica.",
        "problem": " ({problem})",
        "place": "{station}, punto di ricarica {evse}",
        "reason.DeAuthorized": "tessera non più accettata",
        "reason.EmergencyStop": "arresto di emergenza",
        "reason.EVDisconnected": "veicolo scollegato",
        "reason.Local": "alla colonnina",
        "reason.PowerLoss": "mancanza di corrente",
        "reason.Reboot": "riavvio della colonnina",
        "reason.Remote": "a distanza",
        "reason.SOCLimitReached": "limite della batteria raggiunto",
        "reason.StoppedByEV": "dal veicolo",
        "reason.Timeout": "nessun veicolo collegato",
    },
}


def title(kind: str, facts: Mapping[str, Any], language: str) -> str:
    """One line, such as a subject."""
    words = _WORDS[language]
    if kind == SOC:
        return words["soc.title"].format(threshold=facts["threshold_pct"])
    return words["ended.title" if kind == ENDED else "fault.title"]


def text(kind: str, facts: Mapping[str, Any], language: str) -> str:
    """One sentence or two. kind, facts: of the notice. language: of LANGUAGES."""
    words = _WORDS[language]
    place = facts["station"]
    if facts.get("evse") is not None:
        place = words["place"].format(station=place, evse=facts["evse"])
    if kind == SOC:
        key = "soc.estimated" if facts["soc_source"] == ESTIMATED else "soc"
        soc = round(facts["soc_pct"])
        return words[key].format(threshold=facts["threshold_pct"], soc=soc, place=place)
    if kind == ENDED:
        energy = _number(facts["energy_wh"] / 1000, language)
        if facts["seconds"] is None:
            return words["ended.unknown"].format(place=place, energy=energy)
        reason, cost = facts.get("reason"), facts.get("cost")
        return words["ended"].format(
            place=place,
            energy=energy,
            reason=words["reason"].format(reason=words.get(f"reason.{reason}", reason)) if reason else "",
            time=words["time"].format(time=_duration(facts["seconds"])),
            cost="" if cost is None else words["cost"].format(cost=_money(cost, facts["currency"], language)),
        )
    assert kind == FAULT
    problem = words["problem"].format(problem=facts["problem"]) if facts.get("problem") else ""
    return words["fault.operator" if facts.get("operator") else "fault"].format(place=place, problem=problem)


def _number(value: float, language: str) -> str:
    return _localised(f"{value:.2f}", language)


def _money(minor: int, currency: str, language: str) -> str:
    return f"{_localised(str(currencies.units(minor, currency)), language)} {currency}"


def _localised(number: str, language: str) -> str:
    return number.replace(".", ",") if language == "it" else number


def _duration(seconds: int) -> str:
    minutes = seconds // 60
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"
