"""Root keys: they wrap the working keys and do nothing else (security rule 1)."""

import hashlib
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from jetpay.security.encoding import b64url, lp, unb64url
from jetpay.security.secrets import Secret

KEY_BYTES: Final = 32
PREFIX: Final = "jk1_"
MAX_ROOT_KEYS: Final = 16
FINGERPRINT_BYTES: Final = 8

_FORMAT: Final = b"\x01"
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
_NONCE_AT: Final = 1 + FINGERPRINT_BYTES
_BODY_AT: Final = _NONCE_AT + _NONCE_BYTES
_LABEL: Final = b"jetpay.wrap.v1\x00"


class KeyProblem(Exception):
    """Base of what can be wrong with keys; its text is a whole sentence without a secret."""


class BadRootKey(KeyProblem):
    """A root key is not `jk1_` and 43 characters, or the list of them is not usable."""


class CannotUnwrap(KeyProblem):
    """A wrapped key was changed, or belongs to another root key, company, purpose or number."""


@dataclass(frozen=True, slots=True)
class RootKey:
    """32 secret bytes, and the first 8 bytes of their SHA-256 that name them."""

    secret: Secret[bytes]
    fingerprint: bytes


def generate_root_key() -> str:
    """A new root key in the form that `JETPAY_SECRET_KEYS` takes."""
    return PREFIX + b64url(os.urandom(KEY_BYTES))


def parse_root_keys(text: Secret[str] | str) -> tuple[RootKey, ...]:
    """Root keys separated by commas, blanks or lines; the first one wraps. Raises `BadRootKey`."""
    shown = text.reveal() if isinstance(text, Secret) else text
    spellings = [part for part in re.split(r"[\s,]+", shown) if part]
    if not 1 <= len(spellings) <= MAX_ROOT_KEYS:
        raise BadRootKey(f"There must be 1 to {MAX_ROOT_KEYS} root keys, not {len(spellings)}.")
    keys = tuple(_parse(part, position) for position, part in enumerate(spellings, start=1))
    if len({key.fingerprint for key in keys}) != len(keys):
        raise BadRootKey("The same root key stands twice in the list.")
    return keys


def named(root_keys: Sequence[RootKey], fingerprint: bytes) -> RootKey | None:
    """The root key with this fingerprint, if it is among the given ones."""
    return next((key for key in root_keys if key.fingerprint == fingerprint), None)


def wrap(root: RootKey, company_id: UUID, purpose: str, number: int, key: bytes) -> bytes:
    """The key under the root key: 37 bytes longer than the key, 69 for a key of 32 bytes."""
    nonce = os.urandom(_NONCE_BYTES)
    sealed = AESGCM(root.secret.reveal()).encrypt(nonce, key, _aad(company_id, purpose, number))
    return _FORMAT + root.fingerprint + nonce + sealed


def unwrap(root: RootKey, company_id: UUID, purpose: str, number: int, wrapped: bytes) -> bytes:
    """The key again. Raises `CannotUnwrap` when anything does not fit."""
    fits = (
        len(wrapped) > _BODY_AT + _TAG_BYTES
        and wrapped[:1] == _FORMAT
        and wrapped[1:_NONCE_AT] == root.fingerprint
    )
    if fits:
        aad = _aad(company_id, purpose, number)
        cipher = AESGCM(root.secret.reveal())
        try:
            return cipher.decrypt(wrapped[_NONCE_AT:_BODY_AT], wrapped[_BODY_AT:], aad)
        except InvalidTag:
            pass
    raise CannotUnwrap(
        f"The {purpose} key number {number} of company {company_id} does not open"
        f" with root key {root.fingerprint.hex()}."
    )


def _parse(spelling: str, position: int) -> RootKey:
    secret = None
    if spelling.startswith(PREFIX):
        secret = unb64url(spelling.removeprefix(PREFIX), size=KEY_BYTES)
    if secret is None:
        raise BadRootKey(
            f"Root key number {position} is not '{PREFIX}' followed by 43 base64url characters."
        )
    fingerprint = hashlib.sha256(secret).digest()[:FINGERPRINT_BYTES]
    return RootKey(secret=Secret(secret), fingerprint=fingerprint)


def _aad(company_id: UUID, purpose: str, number: int) -> bytes:
    return _LABEL + company_id.bytes + lp(purpose) + number.to_bytes(4, "big")
