"""What a real server sends is accepted by libraries that are not ours, and only unchanged."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass

import jwt
import pytest
from standardwebhooks.webhooks import Webhook, WebhookVerificationError

from jetpay.security.encoding import b64url
from tests.receiver.live import Endpoint, LiveCompany, Received

STANDARD_HEADERS = ("webhook-id", "webhook-timestamp", "webhook-signature")
LONGEST_PLAIN = 36  # an identifier; longer ones are signatures
AUDIENCE = "https://shop.example"


@dataclass(frozen=True)
class Sent:
    """A delivery and what its webhook's registration answered."""

    call: Received
    company: str
    webhook: str
    secret: str
    jwks_url: str


@pytest.fixture(scope="module", params=[None, AUDIENCE], ids=["no audience", "audience"])
def sent(request: pytest.FixtureRequest) -> Sent:
    live = request.getfixturevalue("live")
    company: LiveCompany = live.new_company()
    with Endpoint().listening() as endpoint:
        webhook = company.register(endpoint.url, audience=request.param)
        company.happen()
        endpoint.until(lambda: endpoint.received)
    secret = webhook["signing_secret"]
    return Sent(
        endpoint.received[0], company.identifier, webhook["identifier"], secret, live.jwks_url
    )


def decoded(sent: Sent, token: str) -> dict[str, object]:
    """As the guide has it, with PyJWT's own client for the key set."""
    key = jwt.PyJWKClient(sent.jwks_url).get_signing_key_from_jwt(token)
    is_expected = jwt.decode(token, options={"verify_signature": False}).get("aud") is not None
    claims: dict[str, object] = jwt.decode(
        token,
        key.key,
        algorithms=["RS256"],
        issuer="jetpay",
        audience=AUDIENCE if is_expected else None,
        options={"require": ["exp", "iat", "jti", "iss", "sub", "payload_hash"]},
    )
    return claims


def test_pyjwt_accepts_the_token(sent: Sent) -> None:
    claims = decoded(sent, sent.call.token)
    assert jwt.get_unverified_header(sent.call.token)["typ"] == "webhook+jwt"
    assert claims["sub"] == "webhook"
    assert claims["company"] == sent.company
    assert claims["webhook"] == sent.webhook
    assert claims["payload_hash"] == b64url(hashlib.sha256(sent.call.body).digest())


def changed(text: str) -> Iterator[str]:
    """The text with one character changed, for each of its places.

    The last letter of a signature is left: to decoders, some of its bits mean nothing
    (RFC 4648, 3.5). The receiver kit refuses other spellings.
    """
    last = len(text.rstrip("=")) - 1 if len(text) > LONGEST_PLAIN else None
    for place, letter in enumerate(text):
        if place != last:
            yield text[:place] + ("A" if letter != "A" else "B") + text[place + 1 :]


def test_pyjwt_refuses_one_changed_byte_anywhere_in_the_token(sent: Sent) -> None:
    key = jwt.PyJWKClient(sent.jwks_url).get_signing_key_from_jwt(sent.call.token)
    for other in changed(sent.call.token):
        with pytest.raises(jwt.PyJWTError):
            jwt.decode(other, key.key, algorithms=["RS256"], options={"verify_aud": False})


def test_a_changed_byte_of_the_body_has_another_hash(sent: Sent) -> None:
    claimed = decoded(sent, sent.call.token)["payload_hash"]
    for place in range(len(sent.call.body)):
        body = bytearray(sent.call.body)
        body[place] ^= 1
        assert b64url(hashlib.sha256(body).digest()) != claimed


def test_standard_webhooks_accepts_the_signature(sent: Sent) -> None:
    content = Webhook(sent.secret).verify(sent.call.body, dict(sent.call.headers))
    assert content == json.loads(sent.call.body)


@pytest.mark.parametrize("name", STANDARD_HEADERS)
def test_standard_webhooks_refuses_one_changed_byte_of_a_header(sent: Sent, name: str) -> None:
    for other in changed(sent.call.headers[name]):
        with pytest.raises((WebhookVerificationError, ValueError)):
            Webhook(sent.secret).verify(sent.call.body, {**sent.call.headers, name: other})


def test_standard_webhooks_refuses_one_changed_byte_of_the_body(sent: Sent) -> None:
    for place in range(len(sent.call.body)):
        body = bytearray(sent.call.body)
        body[place] ^= 1
        with pytest.raises((WebhookVerificationError, UnicodeDecodeError)):
            Webhook(sent.secret).verify(bytes(body), dict(sent.call.headers))
