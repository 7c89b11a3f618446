"""OCPP-J frames: what is right goes round, what is wrong gets its code and, where it can be read, its message id."""

from __future__ import annotations

import contextlib
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.envelope import MAX_FRAME_BYTES, Call, CallError, CallResult, Frame, decode, encode
from protocol.errors import ColonninaError, ProtocolError

ids = st.text(st.characters(codec="utf-8"), min_size=1, max_size=36)
payloads = st.dictionaries(st.text(max_size=5), st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=9))
frames: st.SearchStrategy[Frame] = st.one_of(
    st.builds(Call, ids, st.text(max_size=40), payloads),
    st.builds(CallResult, ids, payloads),
    st.builds(CallError, ids, st.text(max_size=40), st.text(max_size=255), payloads),
)


def plain(frame: Frame) -> tuple[Any, ...]:
    """With its payload parsed."""
    parts = msgspec.structs.astuple(frame)
    return type(frame), *(msgspec.json.decode(part) if isinstance(part, msgspec.Raw) else part for part in parts)


@given(frames)
def test_every_frame_comes_back_as_it_was(frame: Frame) -> None:
    assert plain(decode(encode(frame))) == plain(frame)


@given(frames)
def test_white_space_makes_no_difference(frame: Frame) -> None:
    spaced = msgspec.json.format(encode(frame), indent=2)
    assert plain(decode(b" \n" + spaced + b"\t")) == plain(frame)


def test_frames_look_as_ocpp_writes_them() -> None:
    assert encode(Call("1", "Heartbeat", {})) == b'[2,"1","Heartbeat",{}]'
    assert encode(CallResult("1", {"a": 1})) == b'[3,"1",{"a":1}]'
    assert encode(CallError("1", "InternalError", "oh", {"b": 2})) == b'[4,"1","InternalError","oh",{"b":2}]'


def test_a_description_is_cut_at_255_characters() -> None:
    frame = decode(encode(CallError("1", "InternalError", "é" * 300)))
    assert isinstance(frame, CallError)
    assert frame.description == "é" * 255


RPC = "RpcFrameworkError"
DEEP = b"[" * 30_000


@pytest.mark.parametrize(
    ("data", "code", "message_id"),
    [
        (b"", RPC, "-1"),
        (b" ", RPC, "-1"),
        (b"hello", RPC, "-1"),
        (b"null", RPC, "-1"),
        (b'{"a":1}', RPC, "-1"),
        (b'"[2]"', RPC, "-1"),
        (b"[", RPC, "-1"),
        (b"[]", RPC, "-1"),
        (b"[2]", RPC, "-1"),
        (b'[2,"1","A",{}', RPC, "-1"),
        (b'[2,"1","A",{}]x', RPC, "-1"),
        (b'[2,"1","A",{},]', RPC, "-1"),
        (b"\xef\xbb\xbf" + b'[2,"1","A",{}]', RPC, "-1"),
        (b'[2,"1","A",NaN]', RPC, "-1"),
        (b'[2,"1","A",{"a":Infinity}]', RPC, "-1"),
        (b"\xff\xfe", RPC, "-1"),
        (DEEP, RPC, "-1"),
        (b'[2,"1","A",' + DEEP, RPC, "-1"),
        (b'[2,"1","A",' + DEEP + b"]" * 30_001, RPC, "-1"),
        (b'[2,1,"A",{}]', RPC, "-1"),
        (b'[2,null,"A",{}]', RPC, "-1"),
        (b'[2,"","A",{}]', RPC, "-1"),
        (b'[2,"' + b"x" * 37 + b'","A",{}]', RPC, "-1"),
        (b'[2,"\xff","A",{}]', RPC, "-1"),
        (b'[3,"\xff",{}]', RPC, "-1"),
        (b'[2,"\\ud800","A",{}]', RPC, "-1"),
        (b'[2,"1","A"]', RPC, "1"),
        (b'[2,"1","A",{},{}]', RPC, "1"),
        (b'[2,"1",7,{}]', RPC, "1"),
        (b'[2,"1","\xff",{}]', RPC, "1"),
        (b'[3,"1"]', RPC, "1"),
        (b'[3,"1",{},{}]', RPC, "1"),
        (b'[4,"1","Code","text"]', RPC, "1"),
        (b'[4,"1",null,"text",{}]', RPC, "1"),
        (b'[4,"1","Code",null,{}]', RPC, "1"),
        (b'[4,"1","Code","\xff",{}]', RPC, "1"),
        (b'[5,"1",{}]', "MessageTypeNotSupported", "1"),
        (b'["2","1","A",{}]', "MessageTypeNotSupported", "1"),
        (b'[2.0,"1","A",{}]', "MessageTypeNotSupported", "1"),
        (b'[null,"1"]', "MessageTypeNotSupported", "1"),
        (b'["' + b"x" * 60_000 + b'","1"]', "MessageTypeNotSupported", "1"),
        (b'["\xff","1"]', "MessageTypeNotSupported", "1"),
        (b" " * MAX_FRAME_BYTES + b"x", "FormatViolation", "-1"),
        (b'[2,"1","A","' + b"x" * MAX_FRAME_BYTES + b'"]', "FormatViolation", "-1"),
    ],
)
def test_what_is_no_frame_gets_its_code_and_its_id(data: bytes, code: str, message_id: str) -> None:
    with pytest.raises(ProtocolError) as error:
        decode(data)
    assert (error.value.code, error.value.message_id) == (code, message_id)
    assert len(error.value.description) < 300
    assert msgspec.json.encode(error.value.description)  # it can be told


@given(st.binary(max_size=60) | st.binary(max_size=40).map(lambda tail: b'[2,"1",' + tail))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    with contextlib.suppress(ProtocolError):
        decode(data)


def test_a_message_id_may_have_36_characters_whatever_their_bytes() -> None:
    assert decode(encode(Call("é" * 36, "A", {}))).message_id == "é" * 36


def test_a_frame_of_exactly_the_limit_is_read() -> None:
    frame = encode(CallResult("1", {"a": "x" * (MAX_FRAME_BYTES - len(b'[3,"1",{"a":""}]'))}))
    assert len(frame) == MAX_FRAME_BYTES
    assert decode(frame).message_id == "1"


def test_a_payload_that_is_no_object_is_left_to_its_schema() -> None:
    call = decode(b'[2,"1","A",[1]]')
    assert isinstance(call, Call)
    assert bytes(call.payload) == b"[1]"


@pytest.mark.parametrize("details", [b"null", b"[]", b'"text"', b'{"a":"\xff"}', b'{"a":%s}' % (b"9" * 5_000)])
def test_a_refusal_stays_one_however_its_details_are_spelt(details: bytes) -> None:
    assert decode(b'[4,"1","Code","text",%s]' % details) == CallError("1", "Code", "text", {})


def test_our_errors_are_ours_and_value_errors() -> None:
    error = ProtocolError("FormatViolation", "oh", message_id="7", details={"a": 1})
    assert isinstance(error, ColonninaError | ValueError)
    assert isinstance(error, ValueError)
    assert (str(error), error.details) == ("FormatViolation: oh", {"a": 1})
