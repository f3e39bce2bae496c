"""For those who receive webhooks: is this delivery genuine, meant for me, new and complete?

Needs only joserfc (with cryptography). See docs/webhooks.md for its use.
"""

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import KeySet, KeySetSerialization

TOKEN_TYPE: Final = "webhook+jwt"  # noqa: S105 - the header's `typ`
CLOCK_SKEW_SECONDS: Final = 30
FETCH_AT_MOST_EVERY_SECONDS: Final = 60.0
KEYS_KEPT_SECONDS: Final = 300.0

Keys = Mapping[str, Any]
"""A JSON Web Key Set as `/.well-known/jwks.json` answers it."""


class NotGenuine(Exception):
    """Do not act on this delivery; answer 401. The text says why."""


class EventsMissing(Exception):
    """A gap: `last_event_id` is what you have, `first_event_id` what came; nothing was taken."""

    def __init__(self, last_event_id: int, first_event_id: int) -> None:
        self.last_event_id = last_event_id
        self.first_event_id = first_event_id
        super().__init__(f"events {last_event_id + 1} to {first_event_id - 1} did not arrive")


@dataclass(frozen=True, slots=True)
class Delivery:
    """A genuine delivery. `events` as sent: `id`, `createdAt`, `type`, `data`, ascending."""

    company: str
    webhook: str
    webhook_id: int
    events: list[dict[str, Any]]


class Receiver:
    """Checks deliveries of one company's webhooks."""

    def __init__(
        self,
        keys: Keys | Callable[[], Keys],
        *,
        company: str,
        audience: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`keys`: the key set or, better, a function that fetches it; it is kept 5 minutes.

        `company`: your company's identifier, without which events of others would look genuine.
        `audience`: what you registered the webhook with, if you did.
        """
        self._fetch = keys if callable(keys) else lambda: keys
        self._company = company
        self._audience = audience
        self._clock = clock
        self._keys: dict[str, KeySet] = {}
        self._fetched_at = float("-inf")

    def verify(self, authorization: str | None, body: bytes) -> Delivery:
        """The delivery in the raw `body`, if the `Authorization` header vouches for all of it.

        Raises `NotGenuine`.
        """
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise NotGenuine("there is no bearer token")
        claims = self._claims(token.strip())
        self._check(claims, body)
        content = json.loads(body)
        return Delivery(
            company=claims["company"],
            webhook=claims["webhook"],
            webhook_id=content["webhookId"],
            events=content["events"],
        )

    def _claims(self, token: str) -> dict[str, Any]:
        try:
            header = jws.extract_compact(token.encode()).headers()
            if header.get("typ") != TOKEN_TYPE:
                raise NotGenuine("the token is not a webhook's")
            key = self._key(str(header.get("kid")))
            signed = jws.deserialize_compact(token, key, algorithms=["RS256"])
            claims = json.loads(signed.payload)
        except (JoseError, ValueError) as error:
            raise NotGenuine("the token's signature is not right") from error
        if not isinstance(claims, dict):
            raise NotGenuine("the token has no claims")
        return claims

    def _key(self, kid: str) -> KeySet:
        now = self._clock()
        age = now - self._fetched_at
        is_unknown = kid not in self._keys and age >= FETCH_AT_MOST_EVERY_SECONDS
        if is_unknown or age >= KEYS_KEPT_SECONDS:
            found = self._fetch()
            self._keys = {
                str(key["kid"]): KeySet.import_key_set(cast("KeySetSerialization", {"keys": [key]}))
                for key in found["keys"]
            }
            self._fetched_at = now
        key = self._keys.get(kid)
        if key is None:
            raise NotGenuine("the token was signed with an unknown key")
        return key

    def _check(self, claims: Mapping[str, Any], body: bytes) -> None:
        digest = base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
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
        if self._audience is not None and claims.get("aud") != self._audience:
            raise NotGenuine("the token is for another audience")
        if not hmac.compare_digest(str(claims.get("payload_hash")).encode(), digest.encode()):
            raise NotGenuine("the body is not the one that was signed")


def new_events(last_event_id: int | None, events: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Those you do not have yet; you have all up to `last_event_id` (None: nothing so far).

    Take them and the new last id in one transaction, then answer 2xx. Raises `EventsMissing`.
    """
    fresh = [each for each in events if last_event_id is None or each["id"] > last_event_id]
    before = last_event_id
    for each in fresh:
        if before is not None and each["id"] != before + 1:
            raise EventsMissing(before, each["id"])
        before = each["id"]
    return fresh
