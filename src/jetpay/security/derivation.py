"""Working keys, and the keys derived from them for one company."""

import hashlib
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Self
from uuid import UUID

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jetpay.security.secrets import Secret

if TYPE_CHECKING:
    from hashlib import _Hash as Hash

_BLOCK_BYTES: Final = 64
_INNER_PAD: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER_PAD: Final = bytes(byte ^ 0x5C for byte in range(256))
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


class Mac:
    """HMAC-SHA-256 under one key, its two padded states computed once (RFC 2104, section 4).

    On the hot path: six times quicker than `hmac.digest`, which sets OpenSSL up anew each time.
    """

    __slots__ = ("_inner", "_outer")

    def __init__(self, inner: "Hash", outer: "Hash") -> None:
        self._inner = inner
        self._outer = outer

    @classmethod
    def under(cls, key: bytes) -> Self:
        """`key`: at most a block, 64 bytes; ours have 32."""
        block = key.ljust(_BLOCK_BYTES, b"\x00")
        return cls(
            hashlib.sha256(block.translate(_INNER_PAD)), hashlib.sha256(block.translate(_OUTER_PAD))
        )

    def after(self, prefix: bytes) -> "Mac":
        """The same key for messages that all begin with `prefix`."""
        inner = self._inner.copy()
        inner.update(prefix)
        return Mac(inner, self._outer)

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


def company_mac(key: WorkingKey, company_id: UUID, label: bytes) -> Mac:
    """A `Mac` under `company_mac_key`."""
    return _mac(key.secret.reveal(), company_id.bytes, label)


@lru_cache(maxsize=DERIVED_KEYS_CACHED)
def _mac(secret: bytes, salt: bytes, info: bytes) -> Mac:
    return Mac.under(_derive(secret, salt, info))


def hkdf(secret: bytes, salt: bytes, info: bytes) -> bytes:
    """HKDF-SHA-256 with 32 bytes of output, not remembered."""
    return HKDF(algorithm=SHA256(), length=32, salt=salt, info=info).derive(secret)
