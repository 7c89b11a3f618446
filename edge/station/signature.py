"""Whose firmware it is: a certificate against the manufacturer's, and a signature against a file's hash (L01).

`cryptography` is imported when the first firmware comes, not before: that is 12 MiB which most days nobody needs.
"""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

#: A key that is shorter is none, bits.
SHORTEST_RSA, SHORTEST_EC = 2048, 256


def certificate_fault(pem: str, roots: str, at: datetime) -> str | None:
    """What is wrong with a signing certificate at this time; None: nothing.

    pem: the certificate, and after it those between it and the root, if any. roots: those that are trusted, PEM.
    """
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.x509 import DuplicateExtension, load_pem_x509_certificates

    try:
        chain = load_pem_x509_certificates(pem.encode())
        return _chain_fault(chain, load_pem_x509_certificates(roots.encode()) if roots else [], at)
    except (ValueError, TypeError, UnsupportedAlgorithm, DuplicateExtension) as error:
        return f"it cannot be read: {error}"


def _chain_fault(chain: list[Certificate], trusted: list[Certificate], at: datetime) -> str | None:
    current, *between = chain
    if not _signs(current):
        return "its key is not for signatures, or too short"
    below = 0
    while True:
        if not current.not_valid_before_utc <= at <= current.not_valid_after_utc:
            return f"{current.subject.rfc4514_string()} is not valid at {at.isoformat(timespec='seconds')}"
        for root in trusted:
            if _issued(root, current, below) and root.not_valid_before_utc <= at <= root.not_valid_after_utc:
                return None
        issuer = next((other for other in between if _issued(other, current, below)), None)
        if issuer is None:
            return f"nobody who is trusted has issued {current.subject.rfc4514_string()}"
        between.remove(issuer)
        current, below = issuer, below + 1


def signed_by(pem: str, signature: str, digest: bytes) -> bool:
    """Whether the holder of a certificate signed a file with this SHA-256. signature: Base64.

    RSA signatures may be PSS, which OCPP asks for, or PKCS #1 v1.5, which is what signing tools make by default.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509 import load_pem_x509_certificates

    try:
        key = load_pem_x509_certificates(pem.encode())[0].public_key()
        given = base64.b64decode("".join(signature.split()), validate=True)
    except (ValueError, binascii.Error):
        return False
    hashed = Prehashed(SHA256())
    if isinstance(key, ec.EllipticCurvePublicKey):
        try:
            key.verify(given, digest, ec.ECDSA(hashed))
        except InvalidSignature:
            return False
        return True
    if not isinstance(key, rsa.RSAPublicKey):
        return False
    for scheme in (padding.PSS(padding.MGF1(SHA256()), padding.PSS.AUTO), padding.PKCS1v15()):
        try:
            key.verify(given, digest, scheme, hashed)
        except InvalidSignature:
            continue
        return True
    return False


def _signs(certificate: Certificate) -> bool:
    from cryptography.hazmat.primitives.asymmetric import ec, rsa
    from cryptography.x509 import ExtensionNotFound, KeyUsage

    key = certificate.public_key()
    if not (
        (isinstance(key, rsa.RSAPublicKey) and key.key_size >= SHORTEST_RSA)
        or (isinstance(key, ec.EllipticCurvePublicKey) and key.key_size >= SHORTEST_EC)
    ):
        return False
    try:
        return certificate.extensions.get_extension_for_class(KeyUsage).value.digital_signature
    except ExtensionNotFound:
        return True


def _issued(issuer: Certificate, certificate: Certificate, below: int) -> bool:
    """Whether `issuer` is an authority that issued `certificate`. below: authorities between it and the signer."""
    from cryptography.exceptions import InvalidSignature
    from cryptography.x509 import BasicConstraints, ExtensionNotFound, KeyUsage

    try:
        certificate.verify_directly_issued_by(issuer)
        bounds = issuer.extensions.get_extension_for_class(BasicConstraints).value
        if not bounds.ca or (bounds.path_length is not None and bounds.path_length < below):
            return False
        return issuer.extensions.get_extension_for_class(KeyUsage).value.key_cert_sign
    except (ValueError, TypeError, InvalidSignature):
        return False
    except ExtensionNotFound as missing:
        return missing.oid == KeyUsage.oid
