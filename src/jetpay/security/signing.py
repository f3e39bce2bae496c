"""Signing webhooks: an RS256 token over the body, and the Standard Webhooks signature beside it."""

import base64
import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, Final
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_der_private_key
from joserfc import jwt
from joserfc.jwk import RSAKey

from jetpay.security.derivation import WorkingKey
from jetpay.security.encoding import b64url
from jetpay.security.key_rows import Purpose
from jetpay.security.keys import Keyring
from jetpay.security.secrets import Secret

ISSUER: Final = "jetpay"
SUBJECT: Final = "webhook"
TOKEN_TYPE: Final = "webhook+jwt"  # noqa: S105 - the header's `typ`
TOKEN_SECONDS: Final = 90
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - says what follows
SECRET_BYTES: Final = 32
KEYS_OPEN: Final = 8


@dataclass(frozen=True, slots=True)
class SigningKey:
    """`kid`: the RFC 7638 thumbprint of its public half, as in the published key set."""

    kid: str
    private: RSAKey = field(repr=False)


def signing_key(keyring: Keyring) -> SigningKey:
    """The key that signs webhooks now."""
    purpose = Purpose.WEBHOOK_RS256
    return _opened(keyring.active(purpose), keyring.key_id(purpose))


@lru_cache(maxsize=KEYS_OPEN)
def _opened(key: WorkingKey, kid: str) -> SigningKey:
    private = load_der_private_key(key.secret.reveal(), password=None)
    assert isinstance(private, RSAPrivateKey)  # the ring makes no others for this purpose
    return SigningKey(kid, RSAKey.import_key(private))


def key_set(public_keys: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """What `/.well-known/jwks.json` answers."""
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
    header = {"alg": "RS256", "typ": TOKEN_TYPE, "kid": key.kid}
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
