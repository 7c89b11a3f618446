"""The emulated PN532 against the bytes of its manual, kept in tests/golden/pn532.txt."""

from __future__ import annotations

from pathlib import Path

import pytest

from hardware.emulators.pn532 import ACK, NACK, Pn532Chip

GOLDEN = Path(__file__).parents[1] / "golden" / "pn532.txt"
LISTEN = bytes.fromhex("0000FF04FCD44A0100E100")
CARD_ANSWER = bytes.fromhex("0000FF0CF4 D54B01010004080404A1B2C3 B400")


def golden() -> list[list[str]]:
    lines = GOLDEN.read_text(encoding="utf-8").splitlines()
    return [[part.strip() for part in line.split("|")] for line in lines if line and not line.startswith("#")]


def chip_and_answers() -> tuple[Pn532Chip, list[bytes]]:
    answers: list[bytes] = []
    return Pn532Chip(answers.append), answers


@pytest.mark.parametrize(("name", "sent", "answered"), golden(), ids=[line[0] for line in golden()])
def test_the_chip_answers_as_the_manual_says(name: str, sent: str, answered: str) -> None:
    chip, answers = chip_and_answers()
    chip.feed(bytes.fromhex(sent))
    assert b"".join(answers) == bytes.fromhex(answered.replace("-", ""))


@pytest.mark.parametrize(("name", "sent", "answered"), golden(), ids=[line[0] for line in golden()])
def test_the_answer_is_the_same_when_bytes_come_one_by_one(name: str, sent: str, answered: str) -> None:
    chip, answers = chip_and_answers()
    for byte in bytes.fromhex(sent):
        chip.feed(bytes([byte]))
    assert b"".join(answers) == bytes.fromhex(answered.replace("-", ""))


def test_a_card_that_comes_while_the_chip_listens_is_answered_at_once_and_once() -> None:
    chip, answers = chip_and_answers()
    chip.feed(LISTEN)
    chip.card = "04A1B2C3"
    chip.card = "04A1B2C3"
    assert answers == [ACK, CARD_ANSWER]


def test_a_new_command_ends_the_listening() -> None:
    chip, answers = chip_and_answers()
    chip.feed(LISTEN)
    chip.feed(bytes.fromhex("0000FF02FED4022A00"))
    answers.clear()
    chip.card = "04A1B2C3"
    assert answers == []


def test_an_ack_from_the_host_ends_the_listening() -> None:
    chip, answers = chip_and_answers()
    chip.feed(LISTEN + ACK)
    chip.card = "04A1B2C3"
    assert answers == [ACK]


def test_a_nack_from_the_host_gets_the_last_answer_again() -> None:
    chip, answers = chip_and_answers()
    chip.card = "04A1B2C3"
    chip.feed(LISTEN + NACK)
    assert answers == [ACK, CARD_ANSWER, CARD_ANSWER]


def test_a_uid_of_a_length_that_no_card_has_is_refused() -> None:
    chip, _ = chip_and_answers()
    with pytest.raises(ValueError, match="4, 7 or 10"):
        chip.card = "04A1B2"
