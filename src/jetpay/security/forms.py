"""Which posted forms are ours: the form's token, what was reviewed, and the browser's headers."""

import hashlib
import hmac
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

from jetpay.security.derivation import WorkingKey, company_mac_key
from jetpay.security.encoding import b64url, lp

TOKEN_BYTES: Final = 18
FORM_CONTENT_TYPE: Final = "application/x-www-form-urlencoded"

_INFO: Final = b"jetpay.csrf.v1"
_FORM_LABEL: Final = b"jetpay.form.v1\x00"
_REVIEWED_LABEL: Final = b"jetpay.reviewed.v1\x00"
_DEFAULT_PORTS: Final = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Reviewed:
    """Everything that a payee saw on the review and that must still be so when accepting."""

    credit_id: UUID
    attempt: int
    amount_minor: int
    currency: str
    company_account_id: UUID
    draft_id: UUID
    draft_revision: int
    consent_text_id: str
    language: str


def form_token(key: WorkingKey, company_id: UUID, cookie_value: str, form: str) -> str:
    """24 characters that only the browser with this cookie can have got, for this form.

    `key` has purpose `csrf`; `company_id` is `INSTALLATION` before a company is known.
    """
    message = _FORM_LABEL + hashlib.sha256(cookie_value.encode()).digest() + form.encode()
    return _token(key, company_id, message)


def reviewed_token(key: WorkingKey, company_id: UUID, reviewed: Reviewed) -> str:
    """24 characters that stand for what was reviewed, and for nothing else."""
    message = b"".join(
        (
            _REVIEWED_LABEL,
            reviewed.credit_id.bytes,
            reviewed.attempt.to_bytes(2, "big"),
            reviewed.amount_minor.to_bytes(8, "big"),
            lp(reviewed.currency),
            reviewed.company_account_id.bytes,
            reviewed.draft_id.bytes,
            reviewed.draft_revision.to_bytes(4, "big"),
            lp(reviewed.consent_text_id),
            lp(reviewed.language),
        )
    )
    return _token(key, company_id, message)


def is_form_token(
    given: str, keys: Iterable[WorkingKey], company_id: UUID, cookie_value: str, form: str
) -> bool:
    """Whether one of the keys made it. These tokens carry no key number: give all accepted."""
    return any(_equal(given, form_token(key, company_id, cookie_value, form)) for key in keys)


def is_reviewed_token(
    given: str, keys: Iterable[WorkingKey], company_id: UUID, reviewed: Reviewed
) -> bool:
    """Whether one of the keys made it for exactly this."""
    return any(_equal(given, reviewed_token(key, company_id, reviewed)) for key in keys)


def form_allowed(*, sec_fetch_site: str | None, origin: str | None, public_origin: str) -> bool:
    """What the headers must say of a posted form, besides its token being right.

    A page with `Referrer-Policy: no-referrer` posts its own form with `Origin: null`, so that
    alone neither accepts nor refuses. Without either header the token alone decides.
    """
    if sec_fetch_site is not None and sec_fetch_site != "same-origin":
        return False
    return origin is None or origin in ("null", public_origin)


def content_type_allowed(content_type: str | None) -> bool:
    """Whether the body is of the one type that a form may have."""
    said = (content_type or "").partition(";")[0].strip().lower()
    return said == FORM_CONTENT_TYPE


def origin_of(public_url: str) -> str:
    """The origin as browsers write it: lower case, no default port, no path."""
    parts = urlsplit(public_url)
    if not parts.hostname:
        raise ValueError("a public URL has a scheme and a host")
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    is_default = parts.port is None or parts.port == _DEFAULT_PORTS.get(parts.scheme)
    return f"{parts.scheme}://{host}" + ("" if is_default else f":{parts.port}")


def _token(key: WorkingKey, company_id: UUID, message: bytes) -> str:
    derived = company_mac_key(key, company_id, _INFO)
    return b64url(hmac.digest(derived, message, "sha256")[:TOKEN_BYTES])


def _equal(given: str, expected: str) -> bool:
    # compare_digest() of texts takes ASCII alone.
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), expected.encode("ascii"))
