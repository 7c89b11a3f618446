"""The emulated meter against bytes of Eastron's protocol document, and against broken requests."""

from __future__ import annotations

import struct

from hardware.emulators.sdm120 import MeterState, Sdm120Slave, crc

VOLTAGE_REQUEST = bytes.fromhex("010400000002 71CB")
VOLTAGE_ANSWER = bytes.fromhex("010404 43663334 1B38")  # 230.2 V, the document's example
(VOLTAGE_V,) = struct.unpack(">f", VOLTAGE_ANSWER[3:7])


def answers_to(*pieces: bytes) -> list[bytes]:
    answers: list[bytes] = []
    slave = Sdm120Slave(lambda: MeterState(VOLTAGE_V), answers.append)
    for piece in pieces:
        slave.feed(piece)
    return answers


def request(function: int, first: int, count: int, unit: int = 1) -> bytes:
    body = bytes([unit, function]) + first.to_bytes(2, "big") + count.to_bytes(2, "big")
    return body + crc(body)


def test_the_documents_example_is_answered_as_it_says() -> None:
    assert answers_to(VOLTAGE_REQUEST) == [VOLTAGE_ANSWER]


def test_a_request_in_pieces_and_after_noise_is_answered() -> None:
    assert answers_to(b"\xff\x01\x04" + VOLTAGE_REQUEST[:3], VOLTAGE_REQUEST[3:]) == [VOLTAGE_ANSWER]


def test_another_meters_request_is_passed_over() -> None:
    assert answers_to(request(4, 0, 2, unit=2)) == []


def test_a_value_may_be_read_by_its_halves() -> None:
    (high,), (low,) = answers_to(request(4, 0, 1)), answers_to(request(4, 1, 1))
    assert high[3:5] + low[3:5] == VOLTAGE_ANSWER[3:7]


def test_what_the_meter_can_not_do_is_an_exception() -> None:
    assert [answer[1:3] for answer in answers_to(request(3, 0, 2))] == [b"\x83\x01"]
    assert [answer[1:3] for answer in answers_to(request(4, 0, 81))] == [b"\x84\x02"]
    assert [answer[1:3] for answer in answers_to(request(4, 0x200, 2))] == [b"\x84\x02"]
