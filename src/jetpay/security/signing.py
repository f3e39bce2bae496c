"""Signing webhooks (an RS256 token over the body, the Standard Webhooks signature) and receipts."""

import base64
import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, RSAKey

from jetpay.security.derivation import WorkingKey
from jetpay.security.encoding import b64url
from jetpay.security.key_rows import Purpose
from jetpay.security.keys import Keyring
from jetpay.security.secrets import Secret

ISSUER: Final = "jetpay"
SUBJECT: Final = "webhook"
TOKEN_TYPE: Final = "webhook+jwt"  # noqa: S105 - the header's `typ`
RECEIPT_SUBJECT: Final = "receipt"
RECEIPT_TYPE: Final = "receipt+jwt"
TOKEN_SECONDS: Final = 90
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - says what follows
SECRET_BYTES: Final = 32
KEYS_OPEN: Final = 8


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`kid`: the RFC 7638 thumbprint of its public half, as in the published key set."""

    kid: str
    private: RSAKey = field(repr=False)


def signing_key(keyring: Keyring, purpose: Purpose = Purpose.WEBHOOK_RS256) -> SigningKey:
    """The key that signs webhooks now, or what else the purpose says."""
    return _opened(keyring.active(purpose), keyring.key_id(purpose))


@lru_cache(maxsize=KEYS_OPEN)
def _opened(key: WorkingKey, kid: str) -> SigningKey:
    private = load_der_private_key(key.secret.reveal(), password=None)
    assert isinstance(private, RSAPrivateKey)  # the ring makes no others for this purpose
    return SigningKey(kid, RSAKey.import_key(private))


def key_set(public_keys: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What an address below `/.well-known` answers."""
    return {"keys": list(public_keys)}


def payload_hash(body: bytes) -> str:
    """SHA-256 of the raw body in base64url without padding."""
    return b64url(hashlib.sha256(body).digest())


def webhook_token(
    key: SigningKey,
    *,
    body: bytes,
    company_id: UUID,
    webhook_id: UUID,
    audience: str | None,
    token_id: UUID,
    at: datetime,
) -> str:
    """`at`: real time. Valid for 90 seconds; `aud` only when the webhook has an audience."""
    issued = int(at.timestamp())
    claims: dict[str, Any] = {
        "jti": str(token_id),
        "iat": issued,
        "exp": issued + TOKEN_SECONDS,
        "iss": ISSUER,
        "sub": SUBJECT,
        "payload_hash": payload_hash(body),
        "company": str(company_id),
        "webhook": str(webhook_id),
    }
    if audience is not None:
        claims["aud"] = audience
    return _signed(key, TOKEN_TYPE, claims)


def receipt_token(
    key: SigningKey, claims: Mapping[str, Any], *, token_id: UUID, at: datetime
) -> str:
    """`at`: real time. Never ends, and stands for no body: no webhook's receiver takes it."""
    about = {
        "iss": ISSUER,
        "sub": RECEIPT_SUBJECT,
        "jti": str(token_id),
        "iat": int(at.timestamp()),
    }
    return _signed(key, RECEIPT_TYPE, about | dict(claims))


def read_receipt(token: str, public_keys: Sequence[dict[str, Any]]) -> dict[str, Any] | None:
    """The claims of a receipt that one of these keys has signed; None of anything else."""
    try:
        read = jwt.decode(
            token, KeySet.import_key_set({"keys": list(public_keys)}), algorithms=["RS256"]
        )
    except (JoseError, ValueError, TypeError):  # the last for a header of odd types
        return None
    about = (read.header.get("typ"), read.claims.get("iss"), read.claims.get("sub"))
    return read.claims if about == (RECEIPT_TYPE, ISSUER, RECEIPT_SUBJECT) else None


def _signed(key: SigningKey, token_type: str, claims: dict[str, Any]) -> str:
    header = {"alg": "RS256", "typ": token_type, "kid": key.kid}
    return jwt.encode(header, claims, key.private, algorithms=["RS256"])


def make_signing_secret() -> Secret[str]:
    """`whsec_` and 32 random bytes in base64, as Standard Webhooks spells a secret."""
    return Secret(SECRET_PREFIX + base64.b64encode(os.urandom(SECRET_BYTES)).decode("ascii"))


def standard_headers(
    secret: Secret[str],
    *,
    message_id: str,
    at: datetime,
    body: bytes,
    previous: Secret[str] | None = None,
) -> dict[str, str]:
    """The three headers of standardwebhooks.com, scheme `v1` (HMAC-SHA-256).

    `previous`: a secret that receivers may still have; either signature is enough for them.
    """
    stamp = str(int(at.timestamp()))
    message = f"{message_id}.{stamp}.".encode("ascii") + body
    secrets = (secret,) if previous is None else (secret, previous)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": stamp,
        "webhook-signature": " ".join(_standard_signature(each, message) for each in secrets),
    }


def _standard_signature(secret: Secret[str], message: bytes) -> str:
    key = base64.b64decode(secret.reveal().removeprefix(SECRET_PREFIX))
    return "v1," + base64.b64encode(hmac.digest(key, message, "sha256")).decode("ascii")
