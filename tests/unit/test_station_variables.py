"""The device model (OCPP 2.0.1 part 2, B05 to B08): what the CSMS reads and sets, and what a power cut leaves of it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.fleet.memory import MemoryOutbox, MemoryTokens
from edge.station import machine
from edge.station.core import Core
from edge.station.device_model import BYTES_PER_MESSAGE, ITEMS_PER_MESSAGE, RECORDS_PER_MESSAGE, ROWS, Model, Row, View
from edge.station.device_model.controllers import MEASURANDS
from edge.station.device_model.document import markdown
from edge.station.device_model.row import Tier
from edge.station.handlers import HANDLERS
from edge.station.kept import Counters, Kept
from edge.station.ports import CallReceived, LinkChanged, Refuse, Reply, Send
from edge.station.state import Now, Settings, Station
from edge.station.token_orders import UpdateLocalList
from edge.station.tokens import AuthorizationSettings
from hardware.ports import Light
from protocol.envelope import MAX_FRAME_BYTES, Call, CallResult, encode
from protocol.messages import Version, make_request, make_response
from tests.support.station_site import CARD, IDENTITY, LAYOUT, START, Site, a_site

PAGE = Path(__file__).parents[2] / "docs/reference/variables.md"
#: What OCPP requires of a station that does what ours does: appendix 3, "Required? yes", of each block it has.
REQUIRED = """
    AuthCtrlr.AuthorizeRemoteStart AuthCtrlr.LocalAuthorizeOffline AuthCtrlr.LocalPreAuthorize
    ChargingStation.AvailabilityState ChargingStation.Available ChargingStation.SupplyPhases
    ClockCtrlr.DateTime ClockCtrlr.TimeSource
    Connector.Available Connector.ConnectorType Connector.SupplyPhases
    DeviceDataCtrlr.BytesPerMessage[GetReport] DeviceDataCtrlr.BytesPerMessage[GetVariables]
    DeviceDataCtrlr.BytesPerMessage[SetVariables] DeviceDataCtrlr.ItemsPerMessage[GetReport]
    DeviceDataCtrlr.ItemsPerMessage[GetVariables] DeviceDataCtrlr.ItemsPerMessage[SetVariables]
    EVSE.AvailabilityState EVSE.Available EVSE.Power EVSE.SupplyPhases
    LocalAuthListCtrlr.BytesPerMessage LocalAuthListCtrlr.Entries LocalAuthListCtrlr.ItemsPerMessage
    OCPPCommCtrlr.FileTransferProtocols OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]
    OCPPCommCtrlr.MessageAttempts[TransactionEvent] OCPPCommCtrlr.MessageTimeout[Default]
    OCPPCommCtrlr.OfflineThreshold OCPPCommCtrlr.ResetRetries OCPPCommCtrlr.UnlockOnEVSideDisconnect
    SampledDataCtrlr.TxEndedInterval SampledDataCtrlr.TxEndedMeasurands SampledDataCtrlr.TxStartedMeasurands
    SampledDataCtrlr.TxUpdatedInterval SampledDataCtrlr.TxUpdatedMeasurands
    SmartChargingCtrlr.Entries[ChargingProfiles] SmartChargingCtrlr.LimitChangeSignificance
    SmartChargingCtrlr.PeriodsPerSchedule SmartChargingCtrlr.ProfileStackLevel SmartChargingCtrlr.RateUnit
    TxCtrlr.EVConnectionTimeOut TxCtrlr.StopTxOnEVSideDisconnect TxCtrlr.StopTxOnInvalidId
    TxCtrlr.TxStartPoint TxCtrlr.TxStopPoint
"""
WRITABLE = [row for row in ROWS if row.writable]


def named(name: str, evse: int | None = None, connector: int | None = None) -> dict[str, Any]:
    """component and variable of a name such as OCPPCommCtrlr.MessageTimeout[Default]."""
    component, variable, instance = re.fullmatch(r"(\w+)\.(\w+)(?:\[(\w+)])?", name).groups()  # type: ignore[union-attr]
    place: dict[str, Any] = {} if evse is None else {"evse": {"id": evse}}
    if connector is not None:
        place["evse"]["connectorId"] = connector
    which = {} if instance is None else {"instance": instance}
    return {"component": {"name": component, **place}, "variable": {"name": variable, **which}}


def get(site: Site, name: str, evse: int | None = None, connector: int | None = None) -> str:
    """The value, or why there is none."""
    return got(site, named(name, evse, connector))


def got(site: Site, *wanted: dict[str, Any]) -> str:
    reply = site.remote("GetVariables", {"getVariableData": list(wanted)})
    assert isinstance(reply, Reply)
    (result,) = reply.payload["getVariableResult"]
    return str(result.get("attributeValue", result["attributeStatus"]))


def put(site: Site, **values: Any) -> str:
    """Accepted, or why not."""
    (status,) = put_all(site, (values["name"], values["value"]))
    return status


def put_all(site: Site, *values: tuple[str, str]) -> list[str]:
    data = [{**named(name), "attributeValue": value} for name, value in values]
    reply = site.remote("SetVariables", {"setVariableData": data})
    assert isinstance(reply, Reply)
    return [
        result.get("attributeStatusInfo", {}).get("reasonCode", result["attributeStatus"])
        for result in reply.payload["setVariableResult"]
    ]


def report(site: Site, action: str, **request: Any) -> tuple[str, list[dict[str, Any]]]:
    """The status, and the data of all pages together."""
    reply = site.remote(action, {"requestId": 7, **request})
    assert isinstance(reply, Reply)
    pages = [call for call in site.calls if call.action == "NotifyReport"]
    for page in pages:
        site.calls.remove(page)
    check_pages(pages)
    return reply.payload["status"], [entry for page in pages for entry in page.payload["reportData"]]


def check_pages(pages: list[Send]) -> None:
    for number, page in enumerate(pages):
        assert (page.payload["requestId"], page.payload["seqNo"]) == (7, number)
        assert page.payload["tbc"] == (number < len(pages) - 1)
        frame = encode(Call("i" * 36, page.action, make_request(Version.V201, page.action, page.payload)))
        assert len(frame) <= MAX_FRAME_BYTES


def label(entry: dict[str, Any]) -> str:
    """Such as EVSE/1.Problem[MeterSilent]."""
    component, variable = entry["component"], entry["variable"]
    place = "".join(f"/{part}" for part in component.get("evse", {}).values())
    instance = f"[{variable['instance']}]" if "instance" in variable else ""
    return f"{component['name']}{place}.{variable['name']}{instance}"


class TestTheTable:
    def test_a_setting_that_ocpp_has_a_name_for_is_a_variable(self) -> None:
        """Such a name stands in brackets in the docstring of `Settings` and `AuthorizationSettings`."""
        shown = {row.variable for row in ROWS if row.setting is not None}
        shown |= {row.component.removesuffix("Ctrlr") + row.variable for row in ROWS if row.setting is not None}
        for kind in (Settings, AuthorizationSettings):
            names = set(re.findall(r"\(([A-Z]\w+)\)", kind.__doc__ or ""))
            assert names - shown == set()

    def test_the_variables_that_ocpp_requires_are_there(self) -> None:
        assert set(REQUIRED.split()) - {row.name for row in ROWS} == set()

    def test_no_two_rows_have_the_same_name(self) -> None:
        names = [(row.name, row.instances is None) for row in ROWS]
        assert sorted(set(names)) == sorted(names)

    def test_what_can_be_set_is_a_setting_of_the_whole_station(self) -> None:
        assert [row.name for row in WRITABLE if row.setting is None or row.at is not Tier.STATION] == []

    def test_the_page_shows_the_table(self) -> None:
        """If not: python -m edge.station.device_model > docs/reference/variables.md"""
        assert PAGE.read_text() == markdown()

    def test_a_component_is_there_only_if_the_station_can_do_it(self) -> None:
        needs = {
            "DeviceDataCtrlr": "GetVariables",
            "LocalAuthListCtrlr": "SendLocalList",
            "ReservationCtrlr": "ReserveNow",
            "SmartChargingCtrlr": "SetChargingProfile",
        }
        assert {row.component for row in ROWS if needs.get(row.component, "Reset") not in HANDLERS} == set()

    def test_what_is_said_to_be_sampled_is(self) -> None:
        site = a_site()
        site.soc(40.0)
        site.plug()
        site.soc(40.0)
        site.tap()
        site.authorize()
        site.pass_time(11)
        site.meter(wh=10)
        site.unplug()
        site.meter()
        kinds = {
            event["eventType"]: [value["measurand"] for value in event["meterValue"][0]["sampledValue"]]
            for event in site.events
        }
        with_soc, without = list(MEASURANDS), list(MEASURANDS[:-1])
        assert kinds == {"Started": with_soc, "Updated": with_soc, "Ended": without}

    def test_monitors_stay_unsupported(self) -> None:
        site = a_site()
        reply = site.remote("GetMonitoringReport", {"requestId": 1})
        assert isinstance(reply, Refuse)
        assert reply.code == "NotSupported"


class TestGetVariables:
    def test_a_setting_is_read(self) -> None:
        site = a_site(settings=Settings(answer_s=20, sample_s=2.5))
        assert get(site, "OCPPCommCtrlr.MessageTimeout[Default]") == "20"
        assert get(site, "SampledDataCtrlr.TxUpdatedInterval") == "3"
        assert get(site, "AuthCtrlr.LocalAuthorizeOffline") == "true"

    def test_names_count_in_whatever_case(self) -> None:
        assert get(a_site(), "ocppcommctrlr.messagetimeout[DEFAULT]") == "15"

    def test_what_is_not_there_is_unknown(self) -> None:
        site = a_site()
        assert get(site, "ISO15118Ctrlr.PnCEnabled") == "UnknownComponent"
        assert get(site, "EVSE.Available") == "UnknownComponent"
        assert get(site, "EVSE.Available", evse=9) == "UnknownComponent"
        assert get(site, "Connector.Available", evse=1, connector=2) == "UnknownComponent"
        assert get(site, "OCPPCommCtrlr.Volume") == "UnknownVariable"
        assert get(site, "OCPPCommCtrlr.MessageTimeout") == "UnknownVariable"
        assert get(site, "OCPPCommCtrlr.HeartbeatInterval[Default]") == "UnknownVariable"

    def test_only_actual_values_are_kept(self) -> None:
        target = {**named("OCPPCommCtrlr.HeartbeatInterval"), "attributeType": "Target"}
        assert got(a_site(), target) == "NotSupportedAttributeType"

    def test_each_answer_says_what_it_answers(self) -> None:
        """B06.FR.01 to FR.03, FR.11."""
        site = a_site()
        wanted = [named("EVSE.Available", evse=2), {**named("TxCtrlr.Nothing"), "attributeType": "MaxSet"}]
        reply = site.remote("GetVariables", {"getVariableData": wanted})
        assert isinstance(reply, Reply)
        assert reply.payload["getVariableResult"] == [
            {**wanted[0], "attributeType": "Actual", "attributeStatus": "Accepted", "attributeValue": "true"},
            {**wanted[1], "attributeStatus": "UnknownVariable"},
        ]

    def test_an_empty_instance_is_none(self) -> None:
        wanted = named("TxCtrlr.TxStartPoint")
        wanted["variable"]["instance"] = ""
        wanted["component"]["instance"] = ""
        assert got(a_site(), wanted) == "PowerPathClosed"

    def test_the_station_says_who_it_is(self) -> None:
        site = a_site()
        site.station = msgspec.structs.replace(site.station, station_id="cs-1")
        names = ("Model", "VendorName", "SerialNumber", "FirmwareVersion")
        told = [get(site, f"ChargingStation.{name}") for name in names]
        assert told == [IDENTITY["model"], IDENTITY["vendorName"], "UnknownVariable", "UnknownVariable"]
        assert get(site, "SecurityCtrlr.Identity") == "cs-1"
        assert get(site, "ClockCtrlr.DateTime") == "2026-11-23T12:00:00.000Z"

    def test_the_states_are_those_of_the_status_notifications(self) -> None:
        site = a_site()
        site.plug(2, 1)
        site.fault("MeterSilent", 1)
        assert get(site, "Connector.AvailabilityState", 1, 1) == "Faulted"
        assert get(site, "EVSE.AvailabilityState", 1) == "Faulted"
        assert get(site, "EVSE.AvailabilityState", 2) == "Occupied"
        assert get(site, "Connector.AvailabilityState", 2, 2) == "Unavailable"
        assert get(site, "ChargingStation.AvailabilityState") == "Occupied"

    def test_power_is_told_while_it_is_known(self) -> None:
        site = a_site()
        site.meter(power_w=12.34)
        assert get(site, "EVSE.Power", 1) == "12.3"
        site.fault("MeterSilent")
        assert get(site, "EVSE.Power", 1) == ""

    def test_a_fault_that_was_is_still_a_variable(self) -> None:
        site = a_site()
        assert get(site, "EVSE.Problem[MeterSilent]", 1) == "UnknownVariable"
        site.fault("MeterSilent")
        assert [get(site, f"EVSE.Problem{one}", 1) for one in ("", "[MeterSilent]")] == ["true", "true"]

    def test_what_wears_out_is_counted(self) -> None:
        counters = Counters(cycles=((2, 1, 41),), trips=(("ResidualCurrent", 3),))
        site = Site(kept=Kept(counters=counters))
        assert get(site, "PowerContactor.Count[Closings]", 2, 1) == "41"
        assert get(site, "PowerContactor.Count[Closings]", 2, 2) == "0"
        assert get(site, "FaultCounter.Count[ResidualCurrent]") == "3"
        assert get(site, "EVSE.Problem[ResidualCurrent]", 1) == "false"

    def test_the_list_is_counted_by_who_keeps_it(self) -> None:
        site = a_site()
        request = make_request(Version.V201, "GetVariables", {"getVariableData": [named("LocalAuthListCtrlr.Entries")]})
        site.step(CallReceived("m", "GetVariables", request, listed=12))
        (result,) = site.replies[-1].payload["getVariableResult"]  # type: ignore[union-attr]
        assert result["attributeValue"] == "12"


class TestSetVariables:
    def test_a_setting_is_set_at_once(self) -> None:
        site = a_site()
        assert put(site, name="OCPPCommCtrlr.MessageTimeout[Default]", value="30") == "Accepted"
        assert site.station.settings.answer_s == 30.0
        assert get(site, "OCPPCommCtrlr.MessageTimeout[Default]") == "30"
        assert put(site, name="AuthCtrlr.MasterPassGroupId", value="police") == "Accepted"
        assert site.station.rules.master_pass_group_id == "police"

    def test_it_survives_a_power_cut(self) -> None:
        site = a_site()
        put(site, name="TxCtrlr.EVConnectionTimeOut", value="0120")
        put(site, name="AuthCtrlr.LocalPreAuthorize", value="TRUE")
        site.power_cut()
        assert site.kept.variables == (("AuthCtrlr.LocalPreAuthorize", "true"), ("TxCtrlr.EVConnectionTimeOut", "120"))
        assert site.station.settings.connection_timeout_s == 120.0
        assert site.station.rules.local_pre_authorize is True

    def test_what_another_release_has_kept_is_passed_over(self) -> None:
        kept = (("TxCtrlr.EVConnectionTimeOut", "-1"), ("TxCtrlr.Gone", "1"), ("TxCtrlr.StopTxOnInvalidId", "false"))
        site = Site(kept=Kept(variables=kept))
        assert site.station.settings.connection_timeout_s == 60.0
        assert site.station.rules.stop_tx_on_invalid_id is False

    @pytest.mark.parametrize(
        ("name", "value", "why"),
        [
            ("OCPPCommCtrlr.HeartbeatInterval", "0", "ValueOutOfRange"),
            ("OCPPCommCtrlr.HeartbeatInterval", "86401", "ValueOutOfRange"),
            ("OCPPCommCtrlr.HeartbeatInterval", "1.5", "InvalidValue"),
            ("OCPPCommCtrlr.HeartbeatInterval", "", "InvalidValue"),
            ("OCPPCommCtrlr.HeartbeatInterval", "٣", "InvalidValue"),
            ("OCPPCommCtrlr.HeartbeatInterval", "9" * 1_000, "InvalidValue"),
            ("AuthCacheCtrlr.LifeTime", "2147483648", "ValueOutOfRange"),
            ("AuthCtrlr.LocalPreAuthorize", "yes", "InvalidValue"),
            ("AuthCtrlr.MasterPassGroupId", "g" * 37, "ValueOutOfRange"),
            ("ChargingStation.Model", "another", "ReadOnly"),
            ("ChargingStation.SupplyPhases", "3", "ReadOnly"),
            ("TxCtrlr.TxStartPoint", "Authorized", "ReadOnly"),
            ("Nothing.Model", "another", "UnknownComponent"),
            ("TxCtrlr.Model", "another", "UnknownVariable"),
        ],
    )
    def test_what_cannot_be_is_refused_and_says_why(self, name: str, value: str, why: str) -> None:
        site = a_site()
        before = site.station
        assert put(site, name=name, value=value) == why
        assert site.station == before

    def test_only_actual_values_can_be_set(self) -> None:
        site = a_site()
        data = {**named("OCPPCommCtrlr.HeartbeatInterval"), "attributeType": "MaxSet", "attributeValue": "9"}
        reply = site.remote("SetVariables", {"setVariableData": [data]})
        assert isinstance(reply, Reply)
        (result,) = reply.payload["setVariableResult"]
        assert (result["attributeStatus"], result["attributeType"]) == ("NotSupportedAttributeType", "MaxSet")

    def test_each_is_set_or_refused_by_itself(self) -> None:
        site = a_site()
        statuses = put_all(
            site,
            ("SampledDataCtrlr.TxUpdatedInterval", "30"),
            ("SampledDataCtrlr.TxUpdatedInterval", "never"),
            ("TxCtrlr.StopTxOnInvalidId", "false"),
        )
        assert statuses == ["Accepted", "InvalidValue", "Accepted"]
        assert (site.station.settings.sample_s, site.station.rules.stop_tx_on_invalid_id) == (30.0, False)

    def test_a_shorter_heartbeat_comes_sooner(self) -> None:
        site = a_site()
        site.pass_time(20)
        put(site, name="OCPPCommCtrlr.HeartbeatInterval", value="25")
        assert site.waiting() == []
        site.pass_time(5)
        assert site.waiting() == ["Heartbeat"]
        site.pass_time(24)
        assert site.waiting() == ["Heartbeat"]

    def test_what_the_csms_says_at_boot_is_the_heartbeat_interval(self) -> None:
        site = Site()
        site.link(True)
        site.boot(interval=300)
        assert get(site, "OCPPCommCtrlr.HeartbeatInterval") == "300"

    def test_a_shorter_sample_interval_counts_for_the_transaction_that_goes_on(self) -> None:
        site = a_site(settings=Settings(sample_s=600))
        site.plug()
        site.tap()
        site.authorize()
        site.meter(wh=1)
        site.pass_time(40)
        put(site, name="SampledDataCtrlr.TxUpdatedInterval", value="60")
        site.pass_time(20)
        assert [trigger for _, trigger, _ in site.told()] == ["Authorized", "MeterValuePeriodic"]


class TestReports:
    def test_a_full_inventory_has_everything_with_its_characteristics(self) -> None:
        site = a_site()
        status, data = report(site, "GetBaseReport", reportBase="FullInventory")
        assert status == "Accepted"
        model = Model(View(site.station, site.now))
        assert [label(entry) for entry in data] == [label(variable.report()) for variable in model.variables]
        (power,) = [entry for entry in data if label(entry) == "EVSE/2.Power"]
        assert power["variableCharacteristics"] == {
            "dataType": "decimal",
            "supportsMonitoring": False,
            "unit": "W",
            "maxLimit": 7_360.0,
        }
        (timeout,) = [entry for entry in data if label(entry) == "OCPPCommCtrlr.MessageTimeout[Default]"]
        assert timeout["variableAttribute"] == [
            {"type": "Actual", "value": "15", "mutability": "ReadWrite", "persistent": True, "constant": False}
        ]
        assert timeout["variableCharacteristics"]["maxLimit"] == 86_400

    def test_a_configuration_inventory_has_what_can_be_set(self) -> None:
        status, data = report(a_site(), "GetBaseReport", reportBase="ConfigurationInventory")
        assert (status, [label(entry) for entry in data]) == ("Accepted", [row.name for row in WRITABLE])

    def test_a_summary_has_states_and_problems(self) -> None:
        site = a_site(layout=((1, (1,)), (2, (1,))))
        states = [f"{place}.AvailabilityState" for place in ("ChargingStation", "EVSE/1", "Connector/1/1")]
        states += [f"{place}.AvailabilityState" for place in ("EVSE/2", "Connector/2/1")]
        _, data = report(site, "GetBaseReport", reportBase="SummaryInventory")
        assert [label(entry) for entry in data] == states
        site.fault("OverTemperature", 2)
        _, data = report(site, "GetBaseReport", reportBase="SummaryInventory")
        problems = ["ChargingStation.Problem", "EVSE/2.Problem", "EVSE/2.Problem[OverTemperature]"]
        assert sorted(label(entry) for entry in data) == sorted(states + problems)

    def test_a_station_with_many_evses_reports_in_pages(self) -> None:
        site = a_site(layout=tuple((number, (1, 2)) for number in range(1, 31)))
        site.remote("GetBaseReport", {"requestId": 7, "reportBase": "FullInventory"})
        pages = [call for call in site.calls if call.action == "NotifyReport"]
        check_pages(pages)
        assert len(pages) > 1
        entries = [entry for page in pages for entry in page.payload["reportData"]]
        assert len(entries) == len(Model(View(site.station, site.now)).variables)

    def test_a_report_without_criteria_has_everything(self) -> None:
        site = a_site()
        everything = report(site, "GetBaseReport", reportBase="FullInventory")
        assert report(site, "GetReport") == everything

    @pytest.mark.parametrize(
        ("wanted", "found"),
        [
            (named("TxCtrlr.TxStopPoint"), ["TxCtrlr.TxStopPoint"]),
            (named("EVSE.Power"), ["EVSE/1.Power", "EVSE/2.Power"]),
            (named("EVSE.Power", evse=2), ["EVSE/2.Power"]),
            (named("Connector.ConnectorType", evse=2), ["Connector/2/1.ConnectorType", "Connector/2/2.ConnectorType"]),
            (named("Connector.ConnectorType", 2, 1), ["Connector/2/1.ConnectorType"]),
            (
                named("DeviceDataCtrlr.ItemsPerMessage"),
                [f"DeviceDataCtrlr.ItemsPerMessage[{name}]" for name in ("GetReport", "GetVariables", "SetVariables")],
            ),
            (
                named("DeviceDataCtrlr.ItemsPerMessage[SetVariables]"),
                ["DeviceDataCtrlr.ItemsPerMessage[SetVariables]"],
            ),
            ({"component": {"name": "ClockCtrlr"}}, ["ClockCtrlr.DateTime", "ClockCtrlr.TimeSource"]),
        ],
    )
    def test_what_is_not_said_of_a_variable_may_be_anything(self, wanted: dict[str, Any], found: list[str]) -> None:
        status, data = report(a_site(), "GetReport", componentVariable=[wanted])
        assert (status, [label(entry) for entry in data]) == ("Accepted", found)

    def test_components_are_chosen_by_what_they_say_of_themselves(self) -> None:
        site = a_site()
        site.fault("MeterSilent", 2)

        def components(*criteria: str) -> set[str]:
            _, data = report(site, "GetReport", componentCriteria=list(criteria))
            return {label(entry).partition(".")[0] for entry in data}

        everything = components("Available")
        assert components("Problem") == {"ChargingStation", "EVSE/2"}
        assert components("Active") == everything - {f"PowerContactor/{place}" for place in ("1/1", "2/1", "2/2")}
        assert components("Active", "Problem") == components("Active")
        put(site, name="AuthCacheCtrlr.Enabled", value="false")
        assert components("Enabled") == everything - {"AuthCacheCtrlr"}

    def test_criteria_and_variables_must_both_fit(self) -> None:
        site = a_site()
        site.fault("MeterSilent", 2)
        wanted = {"componentCriteria": ["Problem"], "componentVariable": [named("EVSE.AvailabilityState")]}
        _, data = report(site, "GetReport", **wanted)
        assert [label(entry) for entry in data] == ["EVSE/2.AvailabilityState"]

    def test_a_report_of_nothing_is_not_sent(self) -> None:
        site = a_site()
        assert report(site, "GetReport", componentVariable=[named("Display.Color")]) == ("EmptyResultSet", [])
        assert report(site, "GetReport", componentCriteria=["Problem"]) == ("EmptyResultSet", [])


class TestLimits:
    def test_they_are_told(self) -> None:
        site = a_site()
        for name in ("GetReport", "GetVariables", "SetVariables"):
            assert get(site, f"DeviceDataCtrlr.ItemsPerMessage[{name}]") == str(ITEMS_PER_MESSAGE)
            assert get(site, f"DeviceDataCtrlr.BytesPerMessage[{name}]") == str(MAX_FRAME_BYTES)
        assert get(site, "LocalAuthListCtrlr.ItemsPerMessage") == str(RECORDS_PER_MESSAGE)
        assert BYTES_PER_MESSAGE == MAX_FRAME_BYTES

    def test_one_more_item_is_refused(self) -> None:
        site = a_site()
        one = named("TxCtrlr.TxStopPoint")
        for action, payload in (
            ("GetVariables", {"getVariableData": [one] * (ITEMS_PER_MESSAGE + 1)}),
            ("SetVariables", {"setVariableData": [{**one, "attributeValue": ""}] * (ITEMS_PER_MESSAGE + 1)}),
            ("GetReport", {"requestId": 1, "componentVariable": [one] * (ITEMS_PER_MESSAGE + 1)}),
        ):
            reply = site.remote(action, payload)
            assert isinstance(reply, Refuse)
            assert reply.code == "OccurrenceConstraintViolation"
        assert site.calls == []

    def test_the_longest_answer_fits_in_a_frame(self) -> None:
        site = a_site()
        long = "\x01" * 50
        component = {"name": long, "instance": long, "evse": {"id": -(2**31), "connectorId": -(2**31)}}
        worst = {"component": component, "variable": {"name": long, "instance": long}, "attributeType": "Actual"}
        for action, payload in (
            ("GetVariables", {"getVariableData": [worst] * ITEMS_PER_MESSAGE}),
            ("SetVariables", {"setVariableData": [{**worst, "attributeValue": ""}] * ITEMS_PER_MESSAGE}),
            ("SetVariables", {"setVariableData": [{**named(MISSPELT), "attributeValue": ""}] * ITEMS_PER_MESSAGE}),
        ):
            reply = site.remote(action, payload)
            assert isinstance(reply, Reply)
            frame = encode(CallResult("\x01" * 36, make_response(Version.V201, action, reply.payload)))
            assert len(frame) <= MAX_FRAME_BYTES

    def test_a_list_with_too_many_tokens_is_refused(self) -> None:
        site = a_site()
        token = {"idToken": {"idToken": CARD, "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}}
        payload = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [token] * RECORDS_PER_MESSAGE}
        site.call("SendLocalList", payload)
        assert [type(order) for order in site.orders] == [UpdateLocalList]
        payload["localAuthorizationList"] = [token] * (RECORDS_PER_MESSAGE + 1)
        reply = site.remote("SendLocalList", payload)
        assert isinstance(reply, Refuse)
        assert reply.code == "OccurrenceConstraintViolation"
        assert len(site.orders) == 1

    def test_as_many_tokens_as_are_promised_fit_in_a_frame(self) -> None:
        group = {"groupIdToken": {"idToken": "g" * 36, "type": "Central"}}
        info = {"status": "Accepted", "cacheExpiryDateTime": "2026-11-23T12:00:00.000Z", **group}
        token = {"idToken": {"idToken": "t" * 36, "type": "ISO14443"}, "idTokenInfo": info}
        payload = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [token] * RECORDS_PER_MESSAGE}
        request = make_request(Version.V201, "SendLocalList", payload)
        assert len(encode(Call("i" * 36, "SendLocalList", request))) <= MAX_FRAME_BYTES


class Still:
    """Hands that do nothing, and a transport that keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[Any] = []

    def switch(self, evse: int, connector: int, *, on: bool) -> None: ...

    def offer(self, evse: int, connector: int, limit_a: float | None) -> None: ...

    def show(self, evse: int, light: Light) -> None: ...

    def read_meter(self, evse: int) -> None: ...

    def restart(self, reason: str) -> None: ...

    def send(self, frame: bytes) -> None:
        self.sent.append(msgspec.json.decode(frame))


class TestTheWholeWay:
    """Through `Core`, frame in and frame out."""

    def test_a_longer_time_to_answer_counts_for_the_next_call_and_the_list_is_counted(self) -> None:
        still, station = Still(), machine.initial(LAYOUT, "seed", Settings(), IDENTITY)
        core = Core(station, still, MemoryOutbox(), MemoryTokens(), still, lambda: Now(START, 1_000.0), lambda: "ours")
        core.restore()
        core.take(LinkChanged(True))
        assert (still.sent[-1][2], core.wake_mono()) == ("BootNotification", 1_015.0)
        data = {**named("OCPPCommCtrlr.MessageTimeout[Default]"), "attributeValue": "20"}
        self.call(core, "SetVariables", {"setVariableData": [data]})
        boot = {"currentTime": START, "interval": 300, "status": "Accepted"}
        core.frame(encode(CallResult("ours", make_response(Version.V201, "BootNotification", boot))))
        assert (still.sent[-1][2], core.wake_mono()) == ("StatusNotification", 1_020.0)

        token = {"idToken": {"idToken": CARD, "type": "ISO14443"}, "idTokenInfo": {"status": "Accepted"}}
        update = {"versionNumber": 1, "updateType": "Full", "localAuthorizationList": [token]}
        self.call(core, "SendLocalList", update)
        self.call(core, "GetVariables", {"getVariableData": [named("LocalAuthListCtrlr.Entries")]})
        assert still.sent[-1][2]["getVariableResult"][0]["attributeValue"] == "1"

    def test_a_hostile_call_is_answered(self) -> None:
        still, station = Still(), machine.initial(LAYOUT, "seed", Settings(), IDENTITY)
        core = Core(station, still, MemoryOutbox(), MemoryTokens(), still, lambda: Now(START, 1_000.0), lambda: "ours")
        core.restore()
        place = {"id": 10**30, "connectorId": -(10**30)}
        one = {"component": {"name": "EVSE", "evse": place}, "variable": {"name": "\x00"}}
        core.frame(msgspec.json.encode([2, "a", "GetVariables", {"getVariableData": [one]}]))
        assert still.sent[-1][2]["getVariableResult"][0]["attributeStatus"] == "UnknownComponent"
        core.frame(msgspec.json.encode([2, "b", "GetVariables", {"getVariableData": []}]))
        assert still.sent[-1][:3] == [4, "b", "OccurrenceConstraintViolation"]
        core.frame(b'[2,"c","GetBaseReport",{"requestId":1,"reportBase":"Everything"}]')
        assert still.sent[-1][:3] == [4, "c", "PropertyConstraintViolation"]

    def call(self, core: Core, action: str, payload: dict[str, Any]) -> None:
        core.frame(encode(Call("theirs", action, make_request(Version.V201, action, payload))))


MISSPELT = "OCPPCommCtrlr.MessageAttemptInterval[TransactionEvent]"


def values(row: Row) -> st.SearchStrategy[str]:
    edges = [str(limit + by) for limit in (row.least, row.most) if isinstance(limit, int) for by in (-1, 0, 1)]
    texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
    return st.one_of(st.sampled_from(["true", "false", *edges]), st.integers().map(str), texts)


pairs = st.sampled_from(WRITABLE).flatmap(lambda row: st.tuples(st.just(row.name), values(row)))


@given(st.lists(st.lists(pairs, min_size=1, max_size=8), max_size=5))
def test_whatever_is_set_the_settings_stay_right_and_a_restart_keeps_what_was_accepted(
    calls: list[list[tuple[str, str]]],
) -> None:
    site = a_site()
    accepted: dict[str, str] = {}
    for call in calls:
        statuses = put_all(site, *call)
        accepted |= {
            name: get(site, name) for (name, _), status in zip(call, statuses, strict=True) if status == "Accepted"
        }
        check(site.station)
    before = site.station
    site.power_cut()
    assert (site.station.settings, site.station.rules) == (before.settings, before.rules)
    assert {name: get(site, name) for name in accepted} == accepted
    assert dict(site.kept.variables) == accepted


def check(station: Station) -> None:
    """The settings could stand in a file."""
    for part in (station.settings, station.rules):
        assert msgspec.convert(msgspec.to_builtins(part), type(part)) == part
