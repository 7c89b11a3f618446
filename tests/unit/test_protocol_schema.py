"""The compiled schemas: all of them, and jsonschema's verdict on what is right and on every single mistake."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import datetime
from functools import cache
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import FormatChecker
from jsonschema.protocols import Validator
from jsonschema.validators import validator_for

from protocol.envelope import Call
from protocol.errors import ProtocolError
from protocol.messages import Sender, Version, actions, make_request, make_response, read_request, read_response
from protocol.schema import compile_schema, documents, snake
from tests.support.schemas import example, instances, mutations, without_exceptions

FOLDERS = {Version.V16: "v16", Version.V201: "v201", Version.V21: "v21"}
times = FormatChecker(())


@times.checks("date-time")
def is_time(value: object) -> bool:
    """RFC 3339. Two things are let through that it forbids, as some vendors write them: no zone, a space for the T."""
    shape = r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)?"
    if not isinstance(value, str) or not re.fullmatch(shape, value):
        return not isinstance(value, str)
    try:
        datetime.fromisoformat(value)
    except ValueError:
        return False
    return True


@cache
def every(folder: str) -> dict[str, tuple[dict[str, Any], msgspec.json.Decoder[Any], Validator]]:
    """By file: the schema without our exceptions, our decoder for the schema as it is, and jsonschema's validator."""
    result = {}
    for name, document in documents(folder).items():
        plain = without_exceptions(document)
        validator = validator_for(document)(plain, format_checker=times)
        result[name] = (plain, msgspec.json.Decoder(compile_schema(name, document)), validator)
    return result


def ours(decoder: msgspec.json.Decoder[Any], instance: Any) -> bool:
    try:
        decoder.decode(json.dumps(instance).encode())
    except msgspec.ValidationError:
        return False
    return True


def test_there_are_387_schemas_and_all_of_them_compile() -> None:
    assert {folder: len(every(folder)) for folder in FOLDERS.values()} == {"v16": 78, "v201": 128, "v21": 181}


@pytest.mark.parametrize("version", Version)
def test_the_table_covers_exactly_the_schema_files(version: Version) -> None:
    rows = actions(version)
    files = set(documents(FOLDERS[version]))
    requests = {name if name in files else f"{name}Request" for name in rows}
    responses = {f"{name}Response" for name, row in rows.items() if row.response is not None}
    assert requests | responses == files
    assert [name for name, row in rows.items() if row.name != name] == []


@pytest.mark.parametrize("version", Version)
def test_every_action_has_a_sender_and_only_data_transfer_has_two(version: Version) -> None:
    senders = Counter(row.sender for row in actions(version).values())
    both = [name for name, row in actions(version).items() if row.sender == Sender.STATION | Sender.CSMS]
    assert both == ["DataTransfer"]
    assert set(senders) == {Sender.STATION, Sender.CSMS, Sender.STATION | Sender.CSMS}


@pytest.mark.parametrize(
    ("version", "without"), [(Version.V16, []), (Version.V201, []), (Version.V21, ["NotifyPeriodicEventStream"])]
)
def test_only_the_one_way_messages_have_no_response(version: Version, without: list[str]) -> None:
    assert [name for name, row in actions(version).items() if row.response is None] == without


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_every_example_is_valid_to_both(folder: str) -> None:
    for name, (document, decoder, validator) in every(folder).items():
        whole = example(document)
        validator.validate(whole)
        assert ours(decoder, whole), name


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_on_every_single_mistake_both_give_the_same_verdict(folder: str) -> None:
    seen: set[str] = set()
    verdicts: Counter[bool] = Counter()
    for name, (document, decoder, validator) in every(folder).items():
        for what, changed in mutations(document, seen):
            verdict = validator.is_valid(changed)
            assert ours(decoder, changed) == verdict, f"{name}: {what}: jsonschema says {verdict}"
            verdicts[verdict] += 1
    assert (verdicts[True] > 50, verdicts[False] > 1_000) == (True, True), verdicts


@settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))
@given(st.sampled_from([(folder, name) for folder in FOLDERS.values() for name in documents(folder)]), st.data())
def test_whatever_is_valid_is_valid_to_both_and_goes_round(place: tuple[str, str], data: st.DataObject) -> None:
    folder, name = place
    document, decoder, validator = every(folder)[name]
    instance = data.draw(instances(document))
    validator.validate(instance)
    decoded = decoder.decode(json.dumps(instance).encode())
    if not has_what_msgspec_writes_otherwise(instance):
        assert json.loads(msgspec.json.encode(decoded)) == instance


def has_what_msgspec_writes_otherwise(instance: Any) -> bool:
    """Times (another spelling of the same moment) and integers above 64 bits (refused: nobody of us sends one)."""
    if isinstance(instance, dict):
        return any(map(has_what_msgspec_writes_otherwise, instance.values()))
    if isinstance(instance, list):
        return any(map(has_what_msgspec_writes_otherwise, instance))
    return is_time(instance) if isinstance(instance, str) else isinstance(instance, int) and abs(instance) >= 2**63


class TestExceptions:
    """What `protocol.schema` leaves out on purpose."""

    def heartbeat(self, custom: Any) -> bool:
        return ours(actions(Version.V201)["Heartbeat"].decode_request, {"customData": custom})

    def test_the_inside_of_custom_data_is_open(self) -> None:
        assert self.heartbeat({"anything": [1, {"at": "all"}]})
        assert not self.heartbeat("text")

    def test_a_limit_of_6_05_amperes_is_not_refused_for_its_float(self) -> None:
        document = documents("v16")["SetChargingProfile"]
        assert "multipleOf" in json.dumps(document)
        period = {"startPeriod": 0, "limit": 6.05}
        schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [period]}
        kind = {"chargingProfilePurpose": "TxProfile", "chargingProfileKind": "Absolute", "chargingSchedule": schedule}
        payload = {"connectorId": 1, "csChargingProfiles": {"chargingProfileId": 1, "stackLevel": 0, **kind}}
        assert ours(actions(Version.V16)["SetChargingProfile"].decode_request, payload)

    def test_an_integer_that_is_written_as_a_fraction_is_refused(self) -> None:
        """JSON Schema's draft 6, in which OCPP 2 is written, lets 1.0 pass; draft 4, for 1.6, does not."""
        assert ours(actions(Version.V201)["GetLocalListVersion"].decode_response, {"versionNumber": 1})  # type: ignore[arg-type]
        assert not ours(actions(Version.V201)["GetLocalListVersion"].decode_response, {"versionNumber": 1.0})  # type: ignore[arg-type]

    def test_a_uri_is_any_text(self) -> None:
        payload = {"location": "not a uri", "retrieveDate": "2026-11-23T12:00:00Z"}
        assert ours(actions(Version.V16)["UpdateFirmware"].decode_request, payload)

    @pytest.mark.parametrize(
        ("text", "right"),
        [
            ("2026-11-23T12:00:00", True),
            ("2026-11-23 12:00:00Z", True),
            ("2026-11-23T12:00:00.1234567Z", True),
            ("2026-11-23T12:00:00+24:00", False),
            ("2026-11-23T12:00:60Z", False),
            ("2026-11-23T12:00Z", False),
            ("20261123T120000Z", False),
        ],
    )
    def test_times_are_read_a_little_leniently(self, text: str, right: bool) -> None:
        payload = {"currentTime": text}
        decoder = actions(Version.V201)["Heartbeat"].decode_response
        assert decoder is not None
        assert ours(decoder, payload) is right


@pytest.mark.parametrize("keyword", ["pattern", "oneOf", "minLength", "exclusiveMinimum", "const"])
def test_a_keyword_that_the_compiler_does_not_know_is_an_error(keyword: str) -> None:
    document = {"type": "object", "properties": {"a": {"type": "string", keyword: 1}}}
    with pytest.raises(ValueError, match=keyword):
        compile_schema("Anything", document)


@pytest.mark.parametrize(
    ("theirs", "name"),
    [("evseId", "evse_id"), ("limit_L2", "limit_l2"), ("iso15118SchemaVersion", "iso15118_schema_version")],
)
def test_fields_have_pythons_names(theirs: str, name: str) -> None:
    assert snake(theirs) == name


@pytest.mark.parametrize("folder", FOLDERS.values())
def test_no_two_fields_of_a_message_get_the_same_name(folder: str) -> None:
    for name, document in documents(folder).items():
        for part in (document, *document.get("definitions", {}).values()):
            names = [snake(key) for key in part.get("properties", {})]
            assert len(set(names)) == len(names), name


class TestReading:
    def code(self, action: str, payload: str, sender: Sender = Sender.STATION) -> str:
        with pytest.raises(ProtocolError) as error:
            read_request(Version.V201, Call("the-id", action, msgspec.Raw(payload.encode())), sender)
        assert error.value.message_id == "the-id"
        return error.value.code

    @pytest.mark.parametrize(
        ("payload", "code"),
        [
            ("{}", "OccurrenceConstraintViolation"),
            ('{"idToken":{}}', "OccurrenceConstraintViolation"),
            ('{"idToken":{"idToken":"1","type":"Central"},"x":1}', "FormatViolation"),
            ('{"idToken":{"idToken":1,"type":"Central"}}', "TypeConstraintViolation"),
            ('{"idToken":{"idToken":"1","type":"Tattoo"}}', "PropertyConstraintViolation"),
            ('{"idToken":{"idToken":"' + "1" * 37 + '","type":"Central"}}', "PropertyConstraintViolation"),
            ('{"idToken":{"idToken":"1","type":"Central","additionalInfo":[]}}', "OccurrenceConstraintViolation"),
            ("[]", "TypeConstraintViolation"),
            ("null", "TypeConstraintViolation"),
            ('{"idToken":', "FormatViolation"),
            ("", "FormatViolation"),
            ('{"customData":{"a":' + "[" * 5_000, "FormatViolation"),
        ],
    )
    def test_a_request_that_its_schema_refuses_gets_the_code_that_fits(self, payload: str, code: str) -> None:
        assert self.code("Authorize", payload) == code

    def test_bytes_that_are_no_text(self) -> None:
        call = Call("the-id", "Authorize", msgspec.Raw(b'{"idToken":{"idToken":"\xff","type":"Central"}}'))
        with pytest.raises(ProtocolError) as error:
            read_request(Version.V201, call, Sender.STATION)
        assert error.value.code == "FormatViolation"

    def test_an_action_of_nobody_and_one_of_the_other_side(self) -> None:
        assert self.code("MakeCoffee", "{}") == "NotImplemented"
        assert self.code("Reset", "{}") == "NotSupported"
        assert self.code("Heartbeat", "{}", Sender.CSMS) == "NotSupported"

    def test_data_transfer_is_for_both(self) -> None:
        for sender in Sender:
            call = Call("1", "DataTransfer", msgspec.Raw(b'{"vendorId":"x"}'))
            assert read_request(Version.V201, call, sender).vendor_id == "x"

    def test_what_was_not_sent_is_unset_and_is_not_sent_on(self) -> None:
        request = read_request(Version.V201, Call("1", "Heartbeat", msgspec.Raw(b"{}")), Sender.STATION)
        assert request.custom_data is msgspec.UNSET
        assert msgspec.json.encode(request) == b"{}"

    def test_a_response_is_read_by_its_action(self) -> None:
        response = read_response(Version.V201, "ClearCache", msgspec.Raw(b'{"status":"Accepted"}'), "1")
        assert response.status == "Accepted"
        with pytest.raises(ProtocolError) as error:
            read_response(Version.V201, "ClearCache", msgspec.Raw(b'{"status":"Perhaps"}'), "the-id")
        assert (error.value.code, error.value.message_id) == ("PropertyConstraintViolation", "the-id")

    def test_a_one_way_message_has_no_response_to_read(self) -> None:
        with pytest.raises(ProtocolError) as error:
            read_response(Version.V21, "NotifyPeriodicEventStream", msgspec.Raw(b"{}"), "the-id")
        assert error.value.code == "RpcFrameworkError"

    def test_what_we_make_is_checked_too(self) -> None:
        assert make_response(Version.V201, "ClearCache", {"status": "Accepted"}).status == "Accepted"
        for wrong in (
            lambda: make_request(Version.V201, "MakeCoffee", {}),
            lambda: make_request(Version.V201, "Reset", {}),
        ):
            with pytest.raises(ProtocolError):
                wrong()
