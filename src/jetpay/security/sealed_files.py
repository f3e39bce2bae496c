"""Sealed files: chunks of 1 MiB under a key of the file's own (section 31.3, format 02)."""

import os
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jetpay.security.derivation import WorkingKey, hkdf

CHUNK_BYTES: Final = 2**20
MAX_CHUNKS: Final = 4_096
"""4 GiB, far more than any bank file."""

SALT_BYTES: Final = 32
HEADER_BYTES: Final = 38

_PREFIX: Final = b"\x02\x01"
_TAG_BYTES: Final = 16
_INFO: Final = b"jetpay.file.v1"


class CannotOpen(Exception):
    """A sealed value was changed, cut, or does not belong to this place or key."""

    def __init__(self) -> None:
        super().__init__("A sealed value does not open: it was changed or is out of its place.")


def seal_chunks(
    key: WorkingKey, label: bytes, place: bytes, pieces: Iterable[bytes]
) -> Iterator[bytes]:
    """The header, then every chunk with its tag; an empty file is one empty chunk."""
    header = _PREFIX + key.number.to_bytes(4, "big") + os.urandom(SALT_BYTES)
    cipher, aad = _cipher(key, header), label + header + place
    yield header
    for number, chunk, is_last in _numbered(_cut(pieces, CHUNK_BYTES)):
        yield cipher.encrypt(_nonce(number, is_last=is_last), chunk, aad)


def read_header(pieces: Iterable[bytes]) -> tuple[bytes, Iterator[bytes]]:
    """The header, and the pieces behind it. Raises `CannotOpen`."""
    remaining = iter(pieces)
    start = b""
    while len(start) < HEADER_BYTES:
        piece = next(remaining, None)
        if piece is None:
            raise CannotOpen
        start += piece
    header, rest = start[:HEADER_BYTES], start[HEADER_BYTES:]
    if header[:2] != _PREFIX:
        raise CannotOpen
    return header, chain([rest], remaining)


def open_chunks(
    key: WorkingKey, label: bytes, header: bytes, place: bytes, pieces: Iterable[bytes]
) -> Iterator[bytes]:
    """The plain chunks. A cut, swapped, repeated or added chunk raises `CannotOpen`."""
    cipher, aad = _cipher(key, header), label + header + place
    for number, chunk, is_last in _numbered(_cut(pieces, CHUNK_BYTES + _TAG_BYTES)):
        try:
            plain = cipher.decrypt(_nonce(number, is_last=is_last), chunk, aad)
        except InvalidTag:
            raise CannotOpen from None
        yield plain


def _cipher(key: WorkingKey, header: bytes) -> AESGCM:
    return AESGCM(hkdf(key.secret.reveal(), header[-SALT_BYTES:], _INFO))


def _nonce(number: int, *, is_last: bool) -> bytes:
    return bytes(7) + number.to_bytes(4, "big") + (b"\x01" if is_last else b"\x00")


def _cut(pieces: Iterable[bytes], size: int) -> Iterator[bytes]:
    """The same bytes in pieces of exactly `size`, the last one shorter or equal, at least one."""
    held = bytearray()
    for piece in pieces:
        held += piece
        # Strictly more: the last chunk must be known to be the last.
        while len(held) > size:
            yield bytes(held[:size])
            del held[:size]
    yield bytes(held)


def _numbered(chunks: Iterable[bytes]) -> Iterator[tuple[int, bytes, bool]]:
    waiting: bytes | None = None
    number = 0
    for chunk in chunks:
        if waiting is not None:
            yield number, waiting, False
            number += 1
            if number >= MAX_CHUNKS:
                raise ValueError(f"a sealed file has at most {MAX_CHUNKS} chunks")
        waiting = chunk
    assert waiting is not None, "there is always one chunk"
    yield number, waiting, True
