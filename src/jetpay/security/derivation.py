"""Working keys, and the keys derived from them for one company."""

from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jetpay.security.secrets import Secret

DERIVED_KEYS_CACHED: Final = 65_536
"""About 15 MB; a link, an index and a fingerprint key for 20,000 busy companies."""


@dataclass(frozen=True, slots=True)
class WorkingKey:
    """One numbered key of one purpose: 32 bytes, or for `…-rs256` a PKCS#8 private key (DER)."""

    purpose: str
    number: int
    secret: Secret[bytes]


def company_mac_key(key: WorkingKey, company_id: UUID, label: bytes) -> bytes:
    """The 32-byte key of one company: HKDF-SHA-256, salt = company, info = label without NUL."""
    return _derive(key.secret.reveal(), company_id.bytes, label)


@lru_cache(maxsize=DERIVED_KEYS_CACHED)
def _derive(secret: bytes, salt: bytes, info: bytes) -> bytes:
    return hkdf(secret, salt, info)


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 with 32 bytes of output, not remembered."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)
