"""The vault: small values sealed for one company, table, column and row (section 31.3)."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jetpay.db.transactions import Transaction
from jetpay.security.derivation import WorkingKey
from jetpay.security.encoding import lp
from jetpay.security.keys import Keyring
from jetpay.security.sealed_files import CannotOpen, open_chunks, read_header, seal_chunks
from jetpay.security.secrets import Secret

PADDED_TO: Final = 128
"""Plain texts are filled up to a multiple of it: blobs do not tell how long a number is."""

MAX_PLAIN_BYTES: Final = 65_536
ROW_KEY_SIZES: Final = (16, 20, 32)
"""A UUID, a UUID with a 4-byte version, or a digest."""

_PREFIX: Final = b"\x01\x01"
_HEADER_BYTES: Final = 6
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_LENGTH_BYTES: Final = 4
_BODY_AT: Final = _HEADER_BYTES + _NONCE_BYTES
_LABEL: Final = b"jetpay.seal.v1\x00"


class Vault:
    """Seals and opens; what was sealed for one place opens at no other."""

    def __init__(self, keyring: Keyring) -> None:
        self._keyring = keyring

    async def seal(
        self,
        tx: Transaction,
        company_id: UUID,
        *,
        table: str,
        column: str,
        row_key: bytes,
        value: Mapping[str, object],
    ) -> bytes:
        """The value (JSON; texts may be `Secret`s) sealed with the company's active key."""
        key = await self._keyring.seal_key(tx, company_id)
        place = place_of(company_id, table=table, column=column, row_key=row_key)
        return seal_with(key, place, value, nonce=os.urandom(_NONCE_BYTES))

    async def open(
        self,
        tx: Transaction,
        company_id: UUID,
        *,
        table: str,
        column: str,
        row_key: bytes,
        blob: bytes,
    ) -> dict[str, Any]:
        """The value again. Raises `CannotOpen` if anything was changed or is out of its place."""
        key = await self._keyring.seal_key_numbered(tx, company_id, key_number(blob))
        place = place_of(company_id, table=table, column=column, row_key=row_key)
        return open_with(key, place, blob)

    async def reseal(
        self,
        tx: Transaction,
        company_id: UUID,
        *,
        table: str,
        column: str,
        row_key: bytes,
        blob: bytes,
    ) -> bytes | None:
        """The value under the active key, or None when it already is; for the worker."""
        key = await self._keyring.seal_key(tx, company_id)
        if key.number == key_number(blob):
            return None
        value = await self.open(
            tx, company_id, table=table, column=column, row_key=row_key, blob=blob
        )
        place = place_of(company_id, table=table, column=column, row_key=row_key)
        return seal_with(key, place, value, nonce=os.urandom(_NONCE_BYTES))

    async def seal_file(
        self,
        tx: Transaction,
        company_id: UUID,
        *,
        table: str,
        column: str,
        row_key: bytes,
        pieces: Iterable[bytes],
    ) -> Iterator[bytes]:
        """The header, then sealed chunks; memory holds one of them at a time."""
        key = await self._keyring.seal_key(tx, company_id)
        place = place_of(company_id, table=table, column=column, row_key=row_key)
        return seal_chunks(key, _LABEL, place, pieces)

    async def open_file(
        self,
        tx: Transaction,
        company_id: UUID,
        *,
        table: str,
        column: str,
        row_key: bytes,
        pieces: Iterable[bytes],
    ) -> Iterator[bytes]:
        """The chunks again, from pieces cut anywhere. Raises `CannotOpen`, also midway.

        What came before a refusal was genuine, but only a full run says that it was all.
        """
        header, rest = read_header(pieces)
        number = int.from_bytes(header[2:6], "big")
        key = await self._keyring.seal_key_numbered(tx, company_id, number)
        place = place_of(company_id, table=table, column=column, row_key=row_key)
        return open_chunks(key, _LABEL, header, place, rest)


def key_number(blob: bytes) -> int:
    """The number of the data key that a blob names. Raises `CannotOpen`."""
    if blob[:2] != _PREFIX or len(blob) < _BODY_AT + PADDED_TO + _TAG_BYTES:
        raise CannotOpen
    return int.from_bytes(blob[2:_HEADER_BYTES], "big")


def seal_with(key: WorkingKey, place: bytes, value: Mapping[str, object], *, nonce: bytes) -> bytes:
    """The format itself; `place` is what `place_of` says, a nonce is used once."""
    header = _PREFIX + key.number.to_bytes(4, "big")
    sealed = AESGCM(key.secret.reveal()).encrypt(nonce, _padded(value), _LABEL + header + place)
    return header + nonce + sealed


def open_with(key: WorkingKey, place: bytes, blob: bytes) -> dict[str, Any]:
    """Raises `CannotOpen`."""
    if key_number(blob) != key.number:
        raise CannotOpen
    aad = _LABEL + blob[:_HEADER_BYTES] + place
    try:
        plain = AESGCM(key.secret.reveal()).decrypt(
            blob[_HEADER_BYTES:_BODY_AT], blob[_BODY_AT:], aad
        )
    except InvalidTag:
        raise CannotOpen from None
    length = int.from_bytes(plain[:_LENGTH_BYTES], "big")
    value: dict[str, Any] = json.loads(plain[_LENGTH_BYTES : _LENGTH_BYTES + length])
    return value


def _padded(value: Mapping[str, object]) -> bytes:
    text = json.dumps(
        dict(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False, default=_revealed
    ).encode()
    if len(text) > MAX_PLAIN_BYTES:
        raise ValueError(f"a sealed value has at most {MAX_PLAIN_BYTES} bytes")
    plain = len(text).to_bytes(_LENGTH_BYTES, "big") + text
    return plain + bytes(-len(plain) % PADDED_TO)


def _revealed(value: object) -> object:
    if isinstance(value, Secret):
        return value.reveal()
    raise TypeError(f"{type(value).__name__} cannot be sealed")


def place_of(company_id: UUID, *, table: str, column: str, row_key: bytes) -> bytes:
    """What the associated data says after the label and the header."""
    if len(row_key) not in ROW_KEY_SIZES:
        raise ValueError("a row's key has 16, 20 or 32 bytes")
    return company_id.bytes + lp(table) + lp(column) + lp(row_key)
