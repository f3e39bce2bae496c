"""What idempotency remembers of a request: a keyed 8-byte fingerprint per field, no value."""

import hmac
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID

from jetpay.base.clock import iso
from jetpay.security.canonical_json import canonical_json
from jetpay.security.derivation import Mac, WorkingKey, company_mac
from jetpay.security.encoding import lp
from jetpay.security.secrets import Secret

FINGERPRINT_BYTES: Final = 8
COMPANIES_CACHED: Final = 4_096
"""Whose started MACs and prints of absent fields are remembered, for each operation."""
IDENTIFIERS_CACHED: Final = 16_384
SECRET_FIELDS_NAME: Final = "secret fields"  # noqa: S105 - it is what the 409 says
SECRET_FIELDS: Final = (
    "account_number",
    "callback_api_key",
    "iban",
    "routing_number",
    "security_answer",
)

_INFO: Final = b"jetpay.fingerprint.v1"
_LABEL: Final = _INFO + b"\x00"


def fingerprint_key(key: WorkingKey, company_id: UUID) -> Mac:
    """The company's key for `fingerprint`."""
    return company_mac(key, company_id, _INFO)


def fingerprint(key: Mac, field: str, value: object) -> bytes:
    """8 bytes that change when the field's value does."""
    return _fingerprint(_of_field(key, field), value)


def _of_field(key: Mac, field: str) -> Mac:
    return key.after(_LABEL + lp(field))


def _fingerprint(key: Mac, value: object) -> bytes:
    if type(value) is UUID:
        return _of_identifier(key, value)
    return key.digest(canonical_json(_opened(value)))[:FINGERPRINT_BYTES]


@lru_cache(IDENTIFIERS_CACHED)
def _of_identifier(key: Mac, value: UUID) -> bytes:
    # The same account and the same contacts come again and again.
    return key.digest(canonical_json(str(value)))[:FINGERPRINT_BYTES]


class RequestFingerprint:
    """The fingerprints of one operation's requests, packed into a few bytes.

    Packed: the number of the working key, 8 bytes for all secret fields together (if the
    operation has any), then 8 bytes per field. The list of fields may grow at its end only:
    a field that an older request did not have counts as absent (None) in it.
    """

    def __init__(self, fields: Sequence[str]) -> None:
        public = [field for field in fields if field not in SECRET_FIELDS]
        self._secret = tuple(field for field in SECRET_FIELDS if field in fields)
        self._names = ([SECRET_FIELDS_NAME] if self._secret else []) + public
        self._public = [(self._names.index(name), name) for name in public]
        # Most fields of most requests are absent, and this stands on the hot path.
        self._of_company = lru_cache(COMPANIES_CACHED)(self._prepare)

    def pack(self, key: WorkingKey, company_id: UUID, request: Mapping[str, object]) -> bytes:
        """What is stored; absent fields and None are the same."""
        derived = fingerprint_key(key, company_id)
        macs, absent = self._of_company(derived)
        prints = list(absent)
        for position, name in self._public:
            value = request.get(name)
            if value is not None:
                prints[position] = _fingerprint(macs[position], value)
        for field in self._secret:
            if request.get(field) is not None:
                together = {field: request.get(field) for field in self._secret}
                prints[0] = _fingerprint(macs[0], together)
                break
        return bytes((key.number,)) + b"".join(prints)

    def differing(
        self,
        stored: bytes,
        company_id: UUID,
        request: Mapping[str, object],
        *,
        key_numbered: Callable[[int], WorkingKey],
    ) -> tuple[str, ...]:
        """The fields that this request has otherwise; nothing when it is the same request."""
        key = key_numbered(stored[0])
        absent = self.pack(key, company_id, {})
        before = stored + absent[len(stored) :]
        now = self.pack(key, company_id, request)
        return tuple(
            name
            for position, name in enumerate(self._names)
            if not hmac.compare_digest(_at(before, position), _at(now, position))
        )

    def _prepare(self, derived: Mac) -> tuple[list[Mac], list[bytes]]:
        macs = [_of_field(derived, name) for name in self._names]
        nothing = dict.fromkeys(self._secret)
        absent = [
            _fingerprint(mac, nothing if name == SECRET_FIELDS_NAME else None)
            for mac, name in zip(macs, self._names, strict=True)
        ]
        return macs, absent


def _at(packed: bytes, position: int) -> bytes:
    start = 1 + position * FINGERPRINT_BYTES
    return packed[start : start + FINGERPRINT_BYTES]


def _opened(value: object) -> object:
    if isinstance(value, str | int):
        return value
    if isinstance(value, Secret):
        return value.reveal()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        return iso(value)
    if isinstance(value, Mapping):
        return {key: _opened(item) for key, item in value.items()}
    return value
