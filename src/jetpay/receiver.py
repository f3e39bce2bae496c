"""For those who receive webhooks: is this delivery genuine, meant for me, new and complete?

Needs only joserfc (with cryptography). See docs/webhooks.md for its use.
"""

import base64
import hashlib
import hmac
import json
import re
import time
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final, Protocol, cast
from urllib.parse import urlsplit

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

TOKEN_TYPE: Final = "webhook+jwt"  # noqa: S105 - the header's `typ`
CLOCK_SKEW_SECONDS: Final = 30
KEYS_KEPT_SECONDS: Final = 300
FETCH_AT_MOST_EVERY_SECONDS: Final = 10
"""Whoever sends tokens with made-up keys cannot make you call the key set's server more often."""
FETCH_SECONDS: Final = 5
KEY_SET_BYTES: Final = 100_000
SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - says what follows
REPLAY_HEADER: Final = "X-Jetpay-Replay"
STAMP_TOLERANCE_SECONDS: Final = 300
"""As Standard Webhooks has it."""

Keys = Mapping[str, Any]
"""A JSON Web Key Set as `/.well-known/jwks.json` answers it."""


class NotGenuine(Exception):
    """Do not act on this delivery; answer 401. The text says why."""


class KeysUnavailable(Exception):
    """The key set cannot be had now; answer 503, and the delivery comes again."""


class EventsMissing(Exception):
    """A gap: `last_event_id` is what you have, `first_event_id` what came; take nothing."""

    def __init__(self, last_event_id: int, first_event_id: int) -> None:
        self.last_event_id = last_event_id
        self.first_event_id = first_event_id
        super().__init__(f"events {last_event_id + 1} to {first_event_id - 1} did not arrive")


class Headers(Protocol):
    """A request's headers, as every web framework has them."""

    def get(self, name: str, /) -> str | None: ...


@dataclass(frozen=True, slots=True)
class Delivery:
    """A genuine delivery. `events` as sent: `id`, `createdAt`, `type`, `data`, ascending.

    `company` and `webhook`: identifiers, None from a `StandardReceiver`. `replay`: the first and
    last event that somebody asked for again, if so; no signature covers that header.
    """

    webhook_id: int
    events: list[dict[str, Any]]
    replay: tuple[int, int] | None = None
    company: str | None = None
    webhook: str | None = None


class Receiver:
    """Checks the token of deliveries of one company's webhooks; one for all threads."""

    def __init__(
        self,
        keys: str | Callable[[], Keys],
        *,
        company: str,
        webhook: str | None = None,
        audience: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`keys`: the URL of the key set, or a function that fetches it; kept for 5 minutes.

        `company`: your company's identifier, without which events of others would look genuine.
        `webhook`: the webhook's identifier, when only one may call here.
        `audience`: what you registered the webhook with, if you did.
        """
        self._keys = _KeysKept(_fetching(keys) if isinstance(keys, str) else keys, clock)
        self._company = company
        self._webhook = webhook
        self._audience = audience
        self._clock = clock

    def verify(self, headers: Headers, body: bytes) -> Delivery:
        """The delivery in the raw `body`, if the `Authorization` header vouches for all of it.

        Raises `NotGenuine` and `KeysUnavailable`.
        """
        scheme, _, token = (_header(headers, "Authorization") or "").partition(" ")
        if scheme != "Bearer" or not token:
            raise NotGenuine("there is no bearer token")
        claims = self._claims(token)
        self._check(claims, body)
        return _delivery(headers, body, company=self._company, webhook=claims.get("webhook"))

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jws.extract_compact(token.encode("ascii")).headers()
            if header.get("typ") != TOKEN_TYPE:
                raise NotGenuine("the token is not a webhook's")
            key = self._keys.find(str(header.get("kid")))
            signed = jws.deserialize_compact(token, key, algorithms=["RS256"])
            claims = json.loads(signed.payload)
        except (JoseError, TypeError, ValueError, RecursionError) as error:
            raise NotGenuine("the token's signature is not right") from error
        if not isinstance(claims, dict):
            raise NotGenuine("the token has no claims")
        return claims

    def _check(self, claims: Mapping[str, Any], body: bytes) -> None:
        now = self._clock()
        issued, expires = claims.get("iat"), claims.get("exp")
        if not isinstance(issued, int) or not isinstance(expires, int):
            raise NotGenuine("the token has no times")
        if not issued - CLOCK_SKEW_SECONDS <= now <= expires + CLOCK_SKEW_SECONDS:
            raise NotGenuine("the token has expired, or a clock is wrong")
        if (claims.get("iss"), claims.get("sub")) != ("jetpay", "webhook"):
            raise NotGenuine("the token is not a webhook's")
        if claims.get("company") != self._company:
            raise NotGenuine("the token is for another company")
        if self._webhook not in (None, claims.get("webhook")):
            raise NotGenuine("the token is for another webhook")
        # Whoever does not find himself in an `aud` must refuse the token (RFC 7519, 4.1.3).
        if claims.get("aud") != self._audience:
            raise NotGenuine("the token is for another audience")
        digest = _b64url(hashlib.sha256(body).digest())
        if not hmac.compare_digest(str(claims.get("payload_hash")).encode(), digest.encode()):
            raise NotGenuine("the body is not the one that was signed")


class StandardReceiver:
    """Checks the Standard Webhooks signature instead of the token."""

    def __init__(self, *secrets: str, clock: Callable[[], float] = time.time) -> None:
        """`secrets`: the webhook's `signing_secret`; while you rotate it, the old one as well."""
        if not secrets or not all(each.startswith(SECRET_PREFIX) for each in secrets):
            raise ValueError(f"a signing secret begins with {SECRET_PREFIX}")
        self._keys = [base64.b64decode(each.removeprefix(SECRET_PREFIX)) for each in secrets]
        self._clock = clock

    def verify(self, headers: Headers, body: bytes) -> Delivery:
        """The delivery in the raw `body`, if the `webhook-…` headers vouch for it.

        Raises `NotGenuine`.
        """
        identifier, stamp, given = (
            _header(headers, name) or ""
            for name in ("webhook-id", "webhook-timestamp", "webhook-signature")
        )
        if not (stamp.isascii() and stamp.isdigit() and identifier.isascii() and given.isascii()):
            raise NotGenuine("there is no signature")
        if abs(self._clock() - int(stamp[:12])) > STAMP_TOLERANCE_SECONDS:
            raise NotGenuine("the signature has expired, or a clock is wrong")
        message = f"{identifier}.{stamp}.".encode() + body
        right = [
            "v1," + base64.b64encode(hmac.digest(key, message, "sha256")).decode()
            for key in self._keys
        ]
        if not any(hmac.compare_digest(a, b) for a in given.split(" ") for b in right):
            raise NotGenuine("the signature is not right")
        return _delivery(headers, body)


def new_events(last_event_id: int | None, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those you do not have yet; you have all up to `last_event_id` (None: nothing so far).

    Take them and the new last id in one transaction, then answer 2xx. A test has the id 0 and is
    never new. Raises `EventsMissing`.
    """
    fresh = [each for each in events if each["id"] > (last_event_id or 0)]
    before = last_event_id
    for each in fresh:
        if before is not None and each["id"] != before + 1:
            raise EventsMissing(before, each["id"])
        before = each["id"]
    return fresh


class _KeysKept:
    """The key set as it was fetched last, fetched again when old or for an unknown key."""

    def __init__(self, fetch: Callable[[], Keys], clock: Callable[[], float]) -> None:
        self._fetch = fetch
        self._clock = clock
        self._lock = Lock()
        self._kept: dict[str, KeySet] = {}
        self._fetched_at = self._tried_at = float("-inf")

    def find(self, kid: str) -> KeySet:
        with self._lock:
            now = self._clock()
            # abs: after a clock was set back, keys must not be kept until it has caught up.
            is_old = abs(now - self._fetched_at) >= KEYS_KEPT_SECONDS
            if is_old or kid not in self._kept:
                self._fetch_again(now, is_needed=is_old)
            key = self._kept.get(kid)
        if key is None:
            raise NotGenuine("the token was signed with an unknown key")
        return key

    def _fetch_again(self, now: float, *, is_needed: bool) -> None:
        if abs(now - self._tried_at) < FETCH_AT_MOST_EVERY_SECONDS:
            if is_needed:
                raise KeysUnavailable("the key set could not be fetched a moment ago")
            return
        self._tried_at = now
        try:
            self._kept = {
                str(key["kid"]): KeySet.import_key_set(cast("KeySetSerialization", {"keys": [key]}))
                for key in self._fetch()["keys"]
                if key["kty"] == "RSA"
            }
        except Exception as error:
            raise KeysUnavailable(f"the key set could not be fetched: {error}") from error
        self._fetched_at = now


def _fetching(url: str) -> Callable[[], Keys]:
    parts = urlsplit(url)
    is_here = parts.hostname in {"localhost", "127.0.0.1", "::1"}
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise ValueError("a key set is fetched by https, or by http from this machine")

    def fetch() -> Keys:
        with urllib.request.urlopen(url, timeout=FETCH_SECONDS) as answer:  # noqa: S310 - as above
            if answer.geturl() != url:
                raise ValueError("it has moved")
            keys: Keys = json.loads(answer.read(KEY_SET_BYTES))
            return keys

    return fetch


def _header(headers: Headers, name: str) -> str | None:
    found = headers.get(name)
    return headers.get(name.lower()) if found is None else found


def _delivery(
    headers: Headers, body: bytes, *, company: str | None = None, webhook: str | None = None
) -> Delivery:
    content = json.loads(body)
    said = re.fullmatch(r"([0-9]{1,19})-([0-9]{1,19})", _header(headers, REPLAY_HEADER) or "")
    replay = None if said is None else (int(said[1]), int(said[2]))
    return Delivery(content["webhookId"], content["events"], replay, company, webhook)


def _b64url(value: bytes) -> str:
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode("ascii")
