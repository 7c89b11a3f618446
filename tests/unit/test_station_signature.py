"""Whose firmware it is: real certificates, real signatures."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import pytest

from edge.station.signature import certificate_fault, signed_by
from tests.support.signing import NOW, YEAR, Holder, ec_key, issue, rsa_key

FIRMWARE = b"firmware " * 1000
DIGEST = hashlib.sha256(FIRMWARE).digest()
ROOT = issue("Manufacturer", ca=True)


@pytest.fixture(scope="module")
def rsa_signer() -> Holder:
    return issue("Signer", ROOT, key=rsa_key())


def fault(pem: str, roots: str = ROOT.pem) -> str | None:
    return certificate_fault(pem, roots, NOW)


def test_a_certificate_of_the_manufacturer_is_good(rsa_signer: Holder) -> None:
    assert fault(rsa_signer.pem) is None
    assert fault(issue("Signer", ROOT).pem) is None


def test_any_of_several_roots_will_do() -> None:
    other = issue("Other", ca=True)
    assert fault(issue("Signer", ROOT).pem, other.pem + ROOT.pem) is None


def test_a_chain_over_an_authority_between_is_followed() -> None:
    between = issue("Between", ROOT, ca=True)
    signer = issue("Signer", between)
    assert fault(signer.pem + between.pem) is None
    assert fault(signer.pem) == "nobody who is trusted has issued CN=Signer"


def test_a_root_that_allows_nobody_between_is_obeyed() -> None:
    narrow = issue("Manufacturer", ca=True, path_length=0)
    between = issue("Between", narrow, ca=True)
    signer = issue("Signer", between)
    assert fault(signer.pem + between.pem, narrow.pem) == "nobody who is trusted has issued CN=Between"


def test_an_impostor_with_the_same_name_is_found_out() -> None:
    assert fault(issue("Signer", issue("Manufacturer", ca=True)).pem) == "nobody who is trusted has issued CN=Signer"


def test_who_is_no_authority_issues_nothing() -> None:
    clerk = issue("Clerk", ROOT)
    assert fault(issue("Signer", clerk).pem + clerk.pem) == "nobody who is trusted has issued CN=Signer"
    assert fault(issue("Signer", clerk).pem, clerk.pem) == "nobody who is trusted has issued CN=Signer"


@pytest.mark.parametrize("valid", [(NOW - 2 * YEAR, NOW - YEAR), (NOW + YEAR, NOW + 2 * YEAR)])
def test_a_certificate_out_of_its_time_is_bad(valid: tuple[object, object]) -> None:
    late = issue("Signer", ROOT, valid=valid)  # type: ignore[arg-type]
    assert fault(late.pem) == "CN=Signer is not valid at 2026-11-23T12:00:00+00:00"


def test_a_root_out_of_its_time_vouches_for_nobody() -> None:
    old = issue("Manufacturer", ca=True, valid=(NOW - 2 * YEAR, NOW - YEAR))
    assert fault(issue("Signer", old).pem, old.pem) == "nobody who is trusted has issued CN=Signer"


def test_a_certificate_for_something_else_is_bad() -> None:
    assert fault(issue("Signer", ROOT, signs=False).pem) == "its key is not for signatures, or too short"
    assert fault(issue("Signer", ROOT, key=rsa_key(1024)).pem) == "its key is not for signatures, or too short"


@pytest.mark.parametrize("pem", ["", "nonsense", ROOT.pem[:200]])
def test_what_is_no_certificate_is_said_to_be_none(pem: str) -> None:
    assert str(fault(pem)).startswith("it cannot be read: ")


def test_without_a_root_nobody_is_trusted() -> None:
    assert fault(issue("Signer", ROOT).pem, "") == "nobody who is trusted has issued CN=Signer"


def test_signatures_of_all_three_kinds_are_known(rsa_signer: Holder) -> None:
    elliptic = issue("Signer", ROOT, key=ec_key())
    assert signed_by(rsa_signer.pem, rsa_signer.sign(FIRMWARE), DIGEST)
    assert signed_by(rsa_signer.pem, rsa_signer.sign_pss(FIRMWARE), DIGEST)
    assert signed_by(elliptic.pem, elliptic.sign(FIRMWARE), DIGEST)


SPOILT: dict[str, Callable[[Holder], tuple[str, bytes]]] = {
    "another file": lambda signer: (signer.sign(FIRMWARE), hashlib.sha256(FIRMWARE + b"!").digest()),
    "another signer": lambda signer: (issue("Signer", ROOT).sign(FIRMWARE), DIGEST),
    "not Base64": lambda signer: ("!" * 40, DIGEST),
    "empty": lambda signer: ("", DIGEST),
    "cut off": lambda signer: (base64.b64encode(base64.b64decode(signer.sign(FIRMWARE))[:-1]).decode(), DIGEST),
}


@pytest.mark.parametrize("how", SPOILT)
def test_a_signature_that_is_not_right_is_wrong(how: str, rsa_signer: Holder) -> None:
    for signer in (rsa_signer, issue("Signer", ROOT)):
        assert not signed_by(signer.pem, *SPOILT[how](signer))
