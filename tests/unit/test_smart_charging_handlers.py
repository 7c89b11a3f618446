"""What the CSMS says about charging profiles, and what a station answers (OCPP 2.0.1 part 2, K01, K08, K09, K10)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from edge.station import machine
from edge.station.changes import ending, with_evse, with_profiles
from edge.station.handlers import (
    clear_charging_profile,
    get_charging_profiles,
    get_composite_schedule,
    set_charging_profile,
)
from edge.station.ports import Action, CallReceived, Reply, Send
from edge.station.smart_charging import Profile, Profiles
from edge.station.smart_charging.rules import MAX_PERIODS
from edge.station.state import IdToken, Now, Settings, Station, Stop, Transaction
from protocol.envelope import MAX_FRAME_BYTES
from protocol.messages import Version, make_request, make_response
from tests.support.station_site import IDENTITY, LAYOUT, START

NOW = Now(START + timedelta(milliseconds=250), 1_000.0)
TX = "seed-0"
_HANDLERS = {
    "SetChargingProfile": set_charging_profile.handle,
    "ClearChargingProfile": clear_charging_profile.handle,
    "GetCompositeSchedule": get_composite_schedule.handle,
    "GetChargingProfiles": get_charging_profiles.handle,
}


class Desk:
    """A station, and a CSMS that calls it."""

    def __init__(self, **settings: Any) -> None:
        self.station: Station = machine.initial(LAYOUT, "seed", Settings(**settings), IDENTITY)

    def charge(self, evse: int = 1, transaction_id: str = TX) -> None:
        """A transaction that began ten minutes ago."""
        transaction = Transaction(transaction_id, IdToken("04A1", "ISO14443"), 1, START - timedelta(minutes=10))
        self.station = with_evse(self.station, evse, transaction=transaction)

    def call(self, name: str, payload: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """The answer and the reports, both as JSON that its schema has accepted."""
        actions: list[Action] = []
        request = make_request(Version.V201, name, payload)
        self.station = _HANDLERS[name](self.station, CallReceived("m-1", name, request), NOW, actions)
        reply, *sends = actions
        assert isinstance(reply, Reply)
        assert (reply.message_id, reply.action) == ("m-1", name)
        make_response(Version.V201, name, reply.payload)
        reports = []
        for send in sends:
            assert isinstance(send, Send)
            assert send.action == "ReportChargingProfiles"
            make_request(Version.V201, send.action, send.payload)
            assert len(msgspec.json.encode(send.payload)) < MAX_FRAME_BYTES - 1_000
            reports.append(_as_json(send.payload))
        assert len(msgspec.json.encode(reply.payload)) < MAX_FRAME_BYTES - 1_000
        return _as_json(reply.payload), reports

    def set(self, evse: int = 1, **profile: Any) -> str:
        """Accepted, or why not."""
        answer, _ = self.call("SetChargingProfile", {"evseId": evse, "chargingProfile": ocpp(**profile)})
        return str(answer["statusInfo"]["reasonCode"] if answer["status"] == "Rejected" else answer["status"])

    def composite(self, evse: int = 1, duration: int = 3_600, **more: Any) -> dict[str, Any]:
        answer, _ = self.call("GetCompositeSchedule", {"evseId": evse, "duration": duration, **more})
        assert answer["status"] == "Accepted"
        return dict(answer["schedule"])

    def limits(self, *args: Any, **more: Any) -> list[tuple[int, float]]:
        periods = self.composite(*args, **more)["chargingSchedulePeriod"]
        return [(period["startPeriod"], period["limit"]) for period in periods]


def _as_json(payload: Any) -> dict[str, Any]:
    return dict(msgspec.json.decode(msgspec.json.encode(payload)))


def ocpp(unit: str = "A", duration: int | None = None, **more: Any) -> dict[str, Any]:
    """A TxDefaultProfile of 16 A from START on, unless told otherwise."""
    schedule = {
        "id": 1,
        "startSchedule": START.isoformat(),
        "chargingRateUnit": unit,
        "chargingSchedulePeriod": [
            {"startPeriod": start, "limit": limit} for start, limit in more.pop("periods", None) or [(0, 16.0)]
        ],
    }
    if duration is not None:
        schedule["duration"] = duration
    if more.get("chargingProfileKind") == "Relative":
        del schedule["startSchedule"]
    defaults = {"id": 1, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile"}
    return {**defaults, "chargingProfileKind": "Absolute", "chargingSchedule": [schedule], **more}


def external(station: Station) -> Station:
    """An energy management system has set a limit of 10 A for the whole station."""
    names = ocpp(id=-1, chargingProfilePurpose="ChargingStationExternalConstraints", periods=[(0, 10.0)])
    profile = msgspec.convert(names, Profile)
    profiles, reason = station.kept.profiles.install(profile, 0, evses=(1, 2), phases=1, source="EMS")
    assert reason is None
    return with_profiles(station, profiles)


@pytest.fixture
def desk() -> Desk:
    return Desk()


class TestSetChargingProfile:
    def test_one_that_fits_is_accepted_and_in_force(self, desk: Desk) -> None:
        assert desk.set() == "Accepted"
        assert desk.limits() == [(0, 16.0)]

    def test_one_that_does_not_is_rejected_with_the_reason_and_nothing_changes(self, desk: Desk) -> None:
        payload = {"evseId": 9, "chargingProfile": ocpp()}
        answer, _ = desk.call("SetChargingProfile", payload)
        info = {"reasonCode": "UnknownEvse", "additionalInfo": "there is no EVSE 9"}
        assert answer == {"status": "Rejected", "statusInfo": info}
        assert desk.station.kept.profiles == Profiles()

    def test_a_txprofile_needs_its_transaction_at_that_evse(self, desk: Desk) -> None:
        mine: dict[str, Any] = {"chargingProfilePurpose": "TxProfile", "transactionId": TX}
        assert desk.set(**mine) == "TxNotFound"
        desk.charge(1)
        assert desk.set(2, **mine) == "TxNotFound"
        assert desk.set(1, **mine) == "Accepted"

    def test_a_transaction_that_ends_takes_no_profile_any_more(self, desk: Desk) -> None:
        desk.charge()
        end = ending(Stop("Local", "StopAuthorized", START), NOW)
        desk.station = with_evse(desk.station, 1, ending=end)
        assert desk.set(chargingProfilePurpose="TxProfile", transactionId=TX) == "TxNotFound"

    def test_external_constraints_are_not_for_the_csms(self, desk: Desk) -> None:
        assert desk.set(0, chargingProfilePurpose="ChargingStationExternalConstraints") == "InvalidProfile"

    def test_the_stations_phases_decide_what_it_can_promise(self) -> None:
        schedule = ocpp()["chargingSchedule"][0]
        schedule["chargingSchedulePeriod"] = [{"startPeriod": 0, "limit": 16.0, "numberPhases": 1}]
        assert Desk(phases=1).set(chargingSchedule=[schedule]) == "Accepted"
        assert Desk(phases=3).set(chargingSchedule=[schedule]) == "UnsupportedParam"


class TestClearChargingProfile:
    def test_what_fits_is_gone_and_what_does_not_is_unknown(self, desk: Desk) -> None:
        desk.set()
        desk.set(2, id=2, stackLevel=3)
        wanted: dict[str, Any] = {"chargingProfileCriteria": {"evseId": 2, "stackLevel": 0}}
        assert desk.call("ClearChargingProfile", wanted)[0] == {"status": "Unknown"}
        wanted["chargingProfileCriteria"]["stackLevel"] = 3
        assert desk.call("ClearChargingProfile", wanted)[0] == {"status": "Accepted"}
        assert desk.call("ClearChargingProfile", {"chargingProfileId": 2})[0] == {"status": "Unknown"}
        assert desk.call("ClearChargingProfile", {"chargingProfileId": 1})[0] == {"status": "Accepted"}
        assert desk.station.kept.profiles == Profiles()

    def test_by_purpose(self, desk: Desk) -> None:
        desk.set(0, id=1, chargingProfilePurpose="ChargingStationMaxProfile")
        desk.set(0, id=2)
        purpose = {"chargingProfilePurpose": "ChargingStationMaxProfile"}
        assert desk.call("ClearChargingProfile", {"chargingProfileCriteria": purpose})[0] == {"status": "Accepted"}
        assert [one.profile.id for one in desk.station.kept.profiles.installed] == [2]

    def test_what_an_external_system_has_set_is_unknown_to_the_csms(self, desk: Desk) -> None:
        desk.station = external(desk.station)
        for wanted in ({"chargingProfileId": -1}, {"chargingProfileCriteria": {"evseId": 0}}):
            assert desk.call("ClearChargingProfile", wanted)[0] == {"status": "Unknown"}
        assert len(desk.station.kept.profiles.installed) == 1


class TestGetChargingProfiles:
    def test_nothing_fits(self, desk: Desk) -> None:
        desk.set()
        for wanted in ({"evseId": 2, "chargingProfile": {}}, {"chargingProfile": {"stackLevel": 1}}):
            assert desk.call("GetChargingProfiles", {"requestId": 5, **wanted}) == ({"status": "NoProfiles"}, [])

    def test_a_profile_is_reported_as_it_was_set(self, desk: Desk) -> None:
        sent = ocpp(periods=[(0, 16.0), (60, 8.0)], duration=90)
        desk.call("SetChargingProfile", {"evseId": 1, "chargingProfile": sent})
        wanted = {"requestId": 5, "chargingProfile": {"chargingProfileId": [1, 2]}}
        answer, (report,) = desk.call("GetChargingProfiles", wanted)
        sent["chargingSchedule"][0]["startSchedule"] = "2026-11-23T12:00:00Z"
        assert answer == {"status": "Accepted"}
        assert report == {
            "requestId": 5,
            "chargingLimitSource": "CSO",
            "evseId": 1,
            "chargingProfile": [sent],
            "tbc": False,
        }

    def test_a_report_is_of_one_evse_and_one_source_and_all_but_the_last_say_that_more_come(self, desk: Desk) -> None:
        desk.set(2, id=1)
        desk.set(1, id=2)
        desk.set(0, id=3, stackLevel=1)
        desk.set(2, id=4, stackLevel=2)
        desk.station = external(desk.station)
        _, reports = desk.call("GetChargingProfiles", {"requestId": 6, "chargingProfile": {}})
        told = [
            (
                one["evseId"],
                one["chargingLimitSource"],
                [profile["id"] for profile in one["chargingProfile"]],
                one["tbc"],
            )
            for one in reports
        ]
        assert told == [(0, "CSO", [3], True), (0, "EMS", [-1], True), (1, "CSO", [2], True), (2, "CSO", [1, 4], False)]
        wanted = {"requestId": 7, "evseId": 0, "chargingProfile": {"chargingLimitSource": ["EMS", "SO"]}}
        _, (report,) = desk.call("GetChargingProfiles", wanted)
        assert (report["requestId"], report["chargingProfile"][0]["id"]) == (7, -1)

    def test_a_report_fits_in_a_frame_however_much_is_installed(self, desk: Desk) -> None:
        periods = [(n * 40_000_000, 12_345.678901234 + n) for n in range(MAX_PERIODS)]
        for level in range(10):
            assert desk.set(id=2_000_000_000 + level, stackLevel=level, periods=periods) == "Accepted"
        _, reports = desk.call("GetChargingProfiles", {"requestId": 1, "chargingProfile": {}})
        assert [(len(one["chargingProfile"]), one["tbc"]) for one in reports] == [(8, True), (2, False)]


class TestGetCompositeSchedule:
    def test_says_what_may_be_drawn_from_this_second_on(self, desk: Desk) -> None:
        desk.set(periods=[(0, 16.0), (60, 8.0)], duration=90)
        assert desk.composite(duration=120) == {
            "evseId": 1,
            "duration": 120,
            "scheduleStart": "2026-11-23T12:00:00Z",
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [
                {"startPeriod": 0, "limit": 16.0, "numberPhases": 1},
                {"startPeriod": 60, "limit": 8.0, "numberPhases": 1},
                {"startPeriod": 90, "limit": 32.0, "numberPhases": 1},
            ],
        }

    def test_without_a_transaction_it_is_as_if_one_began_now(self, desk: Desk) -> None:
        desk.set(chargingProfileKind="Relative", periods=[(0, 6.0), (900, 16.0)])
        assert desk.limits() == [(0, 6.0), (900, 16.0)]
        desk.charge()
        assert desk.limits() == [(0, 6.0), (300, 16.0)]

    def test_the_profile_of_a_transaction_that_is_over_does_not_count(self, desk: Desk) -> None:
        desk.charge()
        desk.set(chargingProfilePurpose="TxProfile", transactionId=TX, periods=[(0, 6.0)])
        assert desk.limits() == [(0, 6.0)]
        desk.charge(transaction_id="seed-1")
        assert desk.limits() == [(0, 32.0)]
        desk.station = with_evse(desk.station, 1, transaction=None)
        assert desk.limits() == [(0, 32.0)]

    def test_in_watts_and_never_rounded_up(self) -> None:
        desk = Desk(phases=3, voltage_v=231.0)
        desk.set(unit="W", periods=[(0, 11_000.0)])
        assert desk.limits(chargingRateUnit="W") == [(0, 11_000.0)]
        assert desk.limits() == [(0, 15.8)]  # 15.873 A

    def test_watts_come_back_as_they_were_set(self) -> None:
        desk = Desk(phases=3)
        desk.set(
            unit="W", periods=[(0, 4001.6)]
        )  # that many, divided by 690 V and taken times 690 V, are a little less
        assert desk.limits(chargingRateUnit="W") == [(0, 4001.6)]

    def test_evses_that_charge_share_what_the_station_may_draw(self, desk: Desk) -> None:
        desk.set(0, chargingProfilePurpose="ChargingStationMaxProfile", periods=[(0, 20.0)])
        assert desk.limits(1) == [(0, 20.0)]
        desk.charge(2)
        assert desk.limits(1) == [(0, 10.0)]
        assert desk.limits(2) == [(0, 20.0)]

    def test_evse_0_is_all_of_them_together_within_what_the_station_may_draw(self, desk: Desk) -> None:
        desk.set(1, periods=[(0, 10.0), (60, 20.0)], duration=120)
        assert desk.limits(0) == [(0, 42.0), (60, 52.0), (120, 64.0)]
        desk.set(0, id=2, chargingProfilePurpose="ChargingStationMaxProfile", periods=[(0, 50.0), (180, 40.0)])
        assert desk.limits(0) == [(0, 42.0), (60, 50.0), (180, 40.0)]

    @pytest.mark.parametrize(
        ("evse", "duration", "code"),
        [(3, 60, "UnknownEvse"), (1, 0, "ValuePositiveOnly"), (0, -1, "ValuePositiveOnly")],
    )
    def test_what_cannot_be_told_is_rejected(self, desk: Desk, evse: int, duration: int, code: str) -> None:
        answer, _ = desk.call("GetCompositeSchedule", {"evseId": evse, "duration": duration})
        assert answer == {"status": "Rejected", "statusInfo": {"reasonCode": code}}

    def test_a_time_too_long_is_cut_to_what_is_told(self, desk: Desk) -> None:
        assert desk.composite(duration=2**40)["duration"] == get_composite_schedule.LONGEST_S
        recurring: dict[str, Any] = {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily"}
        desk.set(**recurring, periods=[(n * 1_800, 6.0 + n % 2) for n in range(48)])
        desk.set(id=2, stackLevel=1, **recurring, periods=[(n, 8.0 + n % 2) for n in range(48)], duration=48)
        schedule = desk.composite(duration=2**40)
        assert len(schedule["chargingSchedulePeriod"]) == get_composite_schedule.MOST_PERIODS
        last = schedule["chargingSchedulePeriod"][-1]["startPeriod"]
        assert last < schedule["duration"] < get_composite_schedule.LONGEST_S
