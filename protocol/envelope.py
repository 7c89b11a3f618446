"""OCPP-J frames (OCPP 2.0.1 part 4, section 4.2): one JSON array, one message on whatever carries it.

    [2, id, action, payload]                   Call
    [3, id, payload]                           CallResult
    [4, id, code, description, details]        CallError

`decode` takes the array apart and leaves the payload unparsed, because its type depends on the action: `messages.py`
knows it.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from protocol.errors import ProtocolError

#: Frames above this size are refused unread, in bytes. The largest that our stations send is a few kB.
MAX_FRAME_BYTES = 64 * 1024
MAX_ID_LENGTH = 36


class Call(msgspec.Struct, frozen=True):
    """A request. payload: `msgspec.Raw` after `decode`; a Struct or a dict of JSON names before `encode`."""

    message_id: str
    action: str
    payload: Any


class CallResult(msgspec.Struct, frozen=True):
    """The answer to the Call with the same id."""

    message_id: str
    payload: Any


class CallError(msgspec.Struct, frozen=True):
    """The refusal of the Call with the same id. code: OCPP 2.0.1 part 4, section 4.3."""

    message_id: str
    code: str
    description: str = ""
    details: dict[str, Any] = {}


Frame = Call | CallResult | CallError

# Nearly all frames are these two, written as every library writes them: one pass each. The rest, and all that is wrong,
# is taken apart with care below.
_Id = Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_ID_LENGTH)]
_call = msgspec.json.Decoder(tuple[int, _Id, str, msgspec.Raw])
_result = msgspec.json.Decoder(tuple[int, _Id, msgspec.Raw])
_array = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)
_object = msgspec.json.Decoder(dict[str, Any])
_encoder = msgspec.json.Encoder()
#: What msgspec raises for bytes that are no JSON, or not the JSON that was expected.
_BROKEN = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)


def decode(data: bytes) -> Frame:
    """Take a frame apart. Raises ProtocolError with the code to answer and, where it could be read, the message id."""
    if len(data) > MAX_FRAME_BYTES:
        raise ProtocolError("FormatViolation", f"frame of {len(data)} bytes; at most {MAX_FRAME_BYTES} are accepted")
    try:
        if data[:3] == b"[2,":
            _, message_id, action, payload = _call.decode(data)
            return Call(message_id, action, payload)
        if data[:3] == b"[3,":
            _, message_id, payload = _result.decode(data)
            return CallResult(message_id, payload)
    except _BROKEN:
        pass  # the careful way knows what to say
    return _decode_with_care(data)


def encode(frame: Frame) -> bytes:
    """The JSON bytes of a frame. Unset optional fields of a Struct payload are left out."""
    if isinstance(frame, Call):
        return _encoder.encode((2, frame.message_id, frame.action, frame.payload))
    if isinstance(frame, CallResult):
        return _encoder.encode((3, frame.message_id, frame.payload))
    return _encoder.encode((4, frame.message_id, frame.code, frame.description[:255], frame.details))


def _decode_with_care(data: bytes) -> Frame:
    try:
        parts = _array.decode(data)
    except _BROKEN as error:
        raise ProtocolError("RpcFrameworkError", f"not a JSON array: {error}") from error
    if len(parts) < 2:
        raise ProtocolError("RpcFrameworkError", "an OCPP-J frame has at least a type and a message id")
    message_id = _read_id(parts[1])
    kind = bytes(parts[0])
    if kind == b"2":
        _expect(parts, 4, message_id)
        return Call(message_id, _read_text(parts[2], "action", message_id), parts[3])
    if kind == b"3":
        _expect(parts, 3, message_id)
        return CallResult(message_id, parts[2])
    if kind == b"4":
        _expect(parts, 5, message_id)
        try:
            details = _object.decode(parts[4])
        except _BROKEN:
            details = {}  # a refusal stays one, however its details are spelt
        code = _read_text(parts[2], "error code", message_id)
        return CallError(message_id, code, _read_text(parts[3], "error description", message_id), details)
    raise ProtocolError(
        "MessageTypeNotSupported", f"message type {kind[:20].decode(errors='replace')}", message_id=message_id
    )


def _expect(parts: list[msgspec.Raw], count: int, message_id: str) -> None:
    if len(parts) != count:
        raise ProtocolError("RpcFrameworkError", f"{count} elements expected, {len(parts)} came", message_id=message_id)


def _read_id(raw: msgspec.Raw) -> str:
    try:
        message_id = _text.decode(raw)
    except _BROKEN as error:
        raise ProtocolError("RpcFrameworkError", f"message id: {error}") from error
    if not 1 <= len(message_id) <= MAX_ID_LENGTH:
        raise ProtocolError("RpcFrameworkError", f"message id of {len(message_id)} characters; 1 to {MAX_ID_LENGTH}")
    return message_id


def _read_text(raw: msgspec.Raw, what: str, message_id: str) -> str:
    try:
        return _text.decode(raw)
    except _BROKEN as error:
        raise ProtocolError("RpcFrameworkError", f"{what}: {error}", message_id=message_id) from error
