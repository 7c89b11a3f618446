"""The key pair by which push services know us (VAPID, RFC 8292): made once for a network and kept in its database.

Browsers subscribe with the public half, so that a new pair would make every subscription worthless.
"""

from __future__ import annotations

import base64

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sqlalchemy import Connection, select

from cloud.store.store import Store
from cloud.store.tables import secret_keys
from cloud.store.upsert import insert_into

_NAME = "vapid"


def private_key(store: Store) -> ec.EllipticCurvePrivateKey:
    """The key; made when there is none. Of several processes that make one, the first wins."""
    with store.read() as connection:
        known = _known(connection)
    if known is None:
        made = ec.generate_private_key(ec.SECP256R1()).private_bytes(
            serialization.Encoding.DER, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        with store.write() as connection:
            statement = insert_into(connection, secret_keys).values(name=_NAME, value=made)
            connection.execute(statement.on_conflict_do_nothing())
            known = _known(connection)
    assert known is not None
    key = serialization.load_der_private_key(known, None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


def _known(connection: Connection) -> bytes | None:
    return connection.scalar(select(secret_keys.c.value).where(secret_keys.c.name == _NAME))


def public_key(key: ec.EllipticCurvePrivateKey) -> str:
    """As a browser's pushManager.subscribe takes it: the point, uncompressed, base64url."""
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return base64.urlsafe_b64encode(point).rstrip(b"=").decode()
