"""Blind indexes: finding equal bank accounts of one company without opening any."""

import hmac
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from jetpay.security.derivation import WorkingKey, company_mac_key
from jetpay.security.encoding import lp
from jetpay.security.keys import Keyring, Purpose

INDEX_BYTES: Final = 18

_FORMAT: Final = 1
_MAC_BYTES: Final = 16
_INFO: Final = b"jetpay.index.v1"
_LABEL: Final = _INFO + b"\x00"


def blind_index(keyring: Keyring, company_id: UUID, kind: str, parts: Sequence[str]) -> bytes:
    """18 bytes under the active key. For `bank_account` the parts begin with the country:

    CA: institution (3), transit (5), account without leading zeros; US: routing (9), account
    without leading zeros; IBAN: upper case, no spaces. Never less than a whole account.
    """
    return index_with(keyring.active(Purpose.INDEX), company_id, kind, parts)


def blind_indexes(
    keyring: Keyring, company_id: UUID, kind: str, parts: Sequence[str]
) -> list[bytes]:
    """Under every key that rows may still name: `where account_index = any(…)`."""
    return [index_with(key, company_id, kind, parts) for key in keyring.accepted(Purpose.INDEX)]


def is_outdated(keyring: Keyring, index: bytes) -> bool:
    """Whether the worker shall compute it again under the active key."""
    return index[1] != keyring.active(Purpose.INDEX).number


def index_with(key: WorkingKey, company_id: UUID, kind: str, parts: Sequence[str]) -> bytes:
    """The format itself."""
    derived = company_mac_key(key, company_id, _INFO)
    message = _LABEL + lp(kind) + b"".join(map(lp, parts))
    mac = hmac.digest(derived, message, "sha256")[:_MAC_BYTES]
    return bytes((_FORMAT, key.number)) + mac
