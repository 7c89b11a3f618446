"""EVSE codes for stickers and keyboards: five characters and a check character, no look-alikes.

The alphabet has 31 characters without 0, 1, I, L and O. The check character is a sum with weights 1 to 5 modulo 31,
which is prime: every single slip and every swap of neighbours is caught.
"""

from __future__ import annotations

from collections.abc import Callable

ALPHABET = "23456789ABCDEFGHJKMNPQRSTUVWXYZ"
LENGTH = 5
_LOOKALIKES = str.maketrans("", "", " -")


def make(choose: Callable[[str], str]) -> str:
    """A new code. choose: picks one character of a string at random, such as `secrets.choice`."""
    body = "".join(choose(ALPHABET) for _ in range(LENGTH))
    return body + check_character(body)


def check_character(body: str) -> str:
    total = sum(weight * ALPHABET.index(character) for weight, character in enumerate(body, 1))
    return ALPHABET[total % len(ALPHABET)]


def normal(typed: str) -> str | None:
    """The code that was typed, in its normal form, or None when it cannot be one: a slip, or not a code at all."""
    code = typed.upper().translate(_LOOKALIKES)
    if len(code) != LENGTH + 1 or any(character not in ALPHABET for character in code):
        return None
    return code if check_character(code[:-1]) == code[-1] else None
