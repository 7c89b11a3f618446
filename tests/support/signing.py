"""Real certificates and signatures, made for a test."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

Key = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey
YEAR = timedelta(days=365)
NOW = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)


def rsa_key(bits: int = 2048) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)


def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@dataclass(frozen=True)
class Holder:
    """Somebody with a key and a certificate."""

    key: Key
    certificate: x509.Certificate

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode("ascii")

    def write(self, path: Path) -> Path:
        """Certificate and key in one file, as a server reads them."""
        key = self.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        path.write_bytes(self.pem.encode() + key)
        return path

    def sign(self, data: bytes) -> str:
        """As `openssl dgst -sha256 -sign` does: PKCS #1 v1.5, or ECDSA."""
        if isinstance(self.key, rsa.RSAPrivateKey):
            return base64.b64encode(self.key.sign(data, padding.PKCS1v15(), SHA256())).decode("ascii")
        return base64.b64encode(self.key.sign(data, ec.ECDSA(SHA256()))).decode("ascii")

    def sign_pss(self, data: bytes) -> str:
        assert isinstance(self.key, rsa.RSAPrivateKey)
        scheme = padding.PSS(padding.MGF1(SHA256()), SHA256.digest_size)
        return base64.b64encode(self.key.sign(data, scheme, SHA256())).decode("ascii")


def issue(
    name: str,
    issuer: Holder | None = None,
    *,
    key: Key | None = None,
    ca: bool = False,
    path_length: int | None = None,
    valid: tuple[datetime, datetime] = (NOW - YEAR, NOW + YEAR),
    signs: bool = True,
    address: str | None = None,
) -> Holder:
    """A certificate of `issuer`, or one that is its own. address: of a server."""
    own = key or ec_key()
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    usage = {
        "digital_signature": signs,
        "content_commitment": False,
        "key_encipherment": not signs,
        "data_encipherment": False,
        "key_agreement": False,
        "key_cert_sign": ca,
        "crl_sign": ca,
        "encipher_only": False,
        "decipher_only": False,
    }
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.certificate.subject)
        .public_key(own.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(valid[0])
        .not_valid_after(valid[1])
        .add_extension(x509.BasicConstraints(ca, path_length if ca else None), critical=True)
        .add_extension(x509.KeyUsage(**usage), critical=True)
    )
    if address is not None:
        names = x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))])
        builder = builder.add_extension(names, critical=False)
    return Holder(own, builder.sign(own if issuer is None else issuer.key, SHA256()))
