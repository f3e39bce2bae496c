"""The kit takes what is genuine, for me and in time; every other token is refused with a reason."""

import base64
import hashlib
import json
import time
from dataclasses import dataclass, field
from typing import Any

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from jetpay.receiver import Delivery, NotGenuine, Receiver, StandardReceiver
from jetpay.security.encoding import b64url
from tests.receiver.live import Endpoint, LiveCompany

COMPANY = "01980000-0000-7000-8000-000000000001"
WEBHOOK = "01980000-0000-7000-8000-000000000002"
NOW = 1_770_000_000
EVENTS = [{"id": 7, "createdAt": "2026-01-22T10:15:30.123456Z", "type": "a.b", "data": {}}]
BODY = json.dumps({"webhookId": 5, "events": EVENTS}).encode()
KEY = RSAKey.generate_key(2048, private=True)
OTHER_KEY = RSAKey.generate_key(2048, private=True)
PUBLIC = KEY.as_dict(private=False, kid="k1", use="sig", alg="RS256")
CLAIMS = {
    "jti": "01980000-0000-7000-8000-000000000003",
    "iat": NOW,
    "exp": NOW + 90,
    "iss": "jetpay",
    "sub": "webhook",
    "company": COMPANY,
    "webhook": WEBHOOK,
    "payload_hash": b64url(hashlib.sha256(BODY).digest()),
}
GONE: Any = object()


def signed(
    header: dict[str, Any] | None = None, claims: dict[str, Any] | None = None, key: Any = KEY
) -> str:
    """A token with some of it changed, or gone."""
    head = {"alg": "RS256", "typ": "webhook+jwt", "kid": "k1"} | (header or {})
    said = CLAIMS | (claims or {})
    return jwt.encode(
        {name: value for name, value in head.items() if value is not GONE},
        {name: value for name, value in said.items() if value is not GONE},
        key,
        algorithms=[head["alg"]],
    )


@dataclass
class Clock:
    at: float = NOW

    def __call__(self) -> float:
        return self.at


@dataclass
class Stage:
    """A receiver whose key set and time a test can change."""

    keys: list[dict[str, Any]] = field(default_factory=lambda: [PUBLIC])
    clock: Clock = field(default_factory=Clock)

    def receiver(self, **options: Any) -> Receiver:
        usual: dict[str, Any] = {"company": COMPANY, "clock": self.clock}
        return Receiver(lambda: {"keys": self.keys}, **(usual | options))

    def verify(self, token: str, body: bytes = BODY, **options: Any) -> Delivery:
        return self.receiver(**options).verify({"Authorization": f"Bearer {token}"}, body)


def test_a_genuine_delivery_is_given_as_it_came() -> None:
    assert Stage().verify(signed()) == Delivery(
        webhook_id=5, events=EVENTS, company=COMPANY, webhook=WEBHOOK
    )


def test_headers_in_lower_case_are_as_good() -> None:
    assert Stage().receiver().verify({"authorization": f"Bearer {signed()}"}, BODY).webhook_id == 5


@pytest.mark.parametrize(
    "said, replay",
    [("45-60", (45, 60)), ("7-7", (7, 7)), (None, None), ("", None), ("45", None), ("٤-٥", None)],
)
def test_a_replay_is_told(said: str | None, replay: tuple[int, int] | None) -> None:
    headers = {"Authorization": f"Bearer {signed()}"}
    if said is not None:
        headers["X-Jetpay-Replay"] = said
    assert Stage().receiver().verify(headers, BODY).replay == replay


@pytest.mark.parametrize(
    "claims, options, says",
    [
        pytest.param({"iss": "other"}, {}, "not a webhook's", id="issuer"),
        pytest.param({"iss": GONE}, {}, "not a webhook's", id="no issuer"),
        pytest.param({"sub": "receipt"}, {}, "not a webhook's", id="subject"),
        pytest.param({"company": WEBHOOK}, {}, "another company", id="company"),
        pytest.param({"company": GONE}, {}, "another company", id="no company"),
        pytest.param({}, {"webhook": COMPANY}, "another webhook", id="webhook"),
        pytest.param({"webhook": GONE}, {"webhook": WEBHOOK}, "another webhook", id="no webhook"),
        pytest.param({"aud": "b"}, {"audience": "a"}, "another audience", id="audience"),
        pytest.param({"aud": "b"}, {}, "another audience", id="an audience that is not mine"),
        pytest.param({}, {"audience": "a"}, "another audience", id="no audience"),
        pytest.param({"payload_hash": GONE}, {}, "the body is not", id="no hash"),
        pytest.param({"payload_hash": ""}, {}, "the body is not", id="empty hash"),
        pytest.param({"iat": GONE}, {}, "no times", id="never issued"),
        pytest.param({"exp": GONE}, {}, "no times", id="never expires"),
        pytest.param({"exp": "2100-01-01"}, {}, "no times", id="a time in words"),
    ],
)
def test_a_token_for_something_else_is_refused(
    claims: dict[str, Any], options: dict[str, Any], says: str
) -> None:
    with pytest.raises(NotGenuine, match=says):
        Stage().verify(signed(claims=claims), **options)


def test_what_i_ask_for_is_accepted() -> None:
    token = signed(claims={"aud": "https://shop.example"})
    taken = Stage().verify(token, webhook=WEBHOOK, audience="https://shop.example")
    assert taken.webhook == WEBHOOK


@pytest.mark.parametrize(
    "seconds, is_genuine",
    [(-31, False), (-30, True), (0, True), (90, True), (120, True), (121, False)],
)
def test_a_token_is_good_for_its_90_seconds_and_half_a_minute_of_wrong_clocks(
    seconds: int, is_genuine: bool
) -> None:
    stage = Stage(clock=Clock(NOW + seconds))
    if is_genuine:
        stage.verify(signed())
    else:
        with pytest.raises(NotGenuine, match="expired"):
            stage.verify(signed())


PUBLIC_AS_SECRET = OctKey.import_key(json.dumps(PUBLIC))


@pytest.mark.parametrize(
    "token",
    [
        pytest.param(signed({"typ": "receipt+jwt"}), id="a receipt"),
        pytest.param(signed({"typ": "JWT"}), id="any token"),
        pytest.param(signed({"typ": GONE}), id="no kind"),
        pytest.param(signed({"kid": "k2"}), id="an unknown key"),
        pytest.param(signed({"kid": GONE}), id="no key"),
        pytest.param(signed(key=OTHER_KEY), id="another key"),
        pytest.param(signed({"alg": "PS256"}), id="another algorithm"),
        pytest.param(signed({"alg": "HS256"}, key=PUBLIC_AS_SECRET), id="the public key as secret"),
        pytest.param(
            b64url(b'{"alg":"none","typ":"webhook+jwt","kid":"k1"}')
            + f".{signed().split('.')[1]}.",
            id="no signature",
        ),
        pytest.param(b64url(b'{"alg":"RS256","typ":"webhook+jwt","kid":[]}') + ".e30.AA", id="odd"),
        pytest.param(
            b64url(b'{"alg":"RS256","typ":"webhook+jwt","kid":"k1","crit":[{}]}') + ".e30.AA",
            id="an odd demand",
        ),
        pytest.param(b64url(b"[" * 100_000) + ".e30.AA", id="depth"),
        pytest.param(b64url(b'["webhook+jwt"]') + ".e30.AA", id="a list"),
        pytest.param("a.b.c", id="nonsense"),
        pytest.param("", id="nothing"),
        pytest.param("é.é.é", id="not ASCII"),
        pytest.param(signed() + "=", id="padding"),
        pytest.param(signed() + "\n", id="a line's end"),
        pytest.param(signed() + "!!!!", id="signs that decoders overlook"),
        pytest.param(signed() + "." + signed(), id="two tokens"),
    ],
)
def test_a_token_that_is_not_a_webhooks_is_refused(token: str) -> None:
    with pytest.raises(NotGenuine):
        Stage().verify(token)


@pytest.mark.parametrize("scheme", ["", "bearer", "Basic", "Bearer:"])
def test_a_header_of_another_kind_is_refused(scheme: str) -> None:
    with pytest.raises(NotGenuine, match="no bearer token"):
        Stage().receiver().verify({"Authorization": f"{scheme} {signed()}"}, BODY)
    with pytest.raises(NotGenuine, match="no bearer token"):
        Stage().receiver().verify({}, BODY)


def test_a_signature_has_one_spelling() -> None:
    """The last letter of 256 bytes in base64url has bits that mean nothing to a decoder."""
    token = signed()
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    same = [token[:-1] + each for each in alphabet if _signature(token[:-1] + each) is not None]
    twins = [each for each in same if _signature(each) == _signature(token)]
    assert len(twins) == 16
    for other in twins:
        if other != token:
            with pytest.raises(NotGenuine):
                Stage().verify(other)


def _signature(token: str) -> bytes:
    return base64.urlsafe_b64decode(token.rpartition(".")[2] + "==")


def test_one_changed_byte_anywhere_in_a_real_delivery_is_refused(
    paying: LiveCompany, sink: Endpoint
) -> None:
    webhook = paying.register(sink.url)
    paying.happen()
    sink.until(lambda: sink.received)
    call = sink.received[0]
    receiver = Receiver(paying.server.jwks_url, company=paying.identifier)
    by_secret = StandardReceiver(webhook["signing_secret"])
    of_token = receiver.verify(call.headers, call.body)
    assert of_token.webhook == webhook["identifier"]
    assert of_token.events == by_secret.verify(call.headers, call.body).events == paying.events
    began = time.monotonic()
    for place in range(len(call.body)):
        body = bytearray(call.body)
        body[place] ^= 1
        for each in (receiver, by_secret):
            with pytest.raises(NotGenuine):
                each.verify(call.headers, bytes(body))
    authorization = call.headers["Authorization"]
    for place, letter in enumerate(authorization):
        other = authorization[:place] + chr(ord(letter) ^ 1) + authorization[place + 1 :]
        with pytest.raises(NotGenuine):
            receiver.verify({"Authorization": other}, call.body)
    for name in ("webhook-id", "webhook-timestamp", "webhook-signature"):
        for place, letter in enumerate(call.headers[name]):
            other = call.headers[name][:place] + chr(ord(letter) ^ 1)
            headers = {**call.headers, name: other + call.headers[name][place + 1 :]}
            with pytest.raises(NotGenuine):
                by_secret.verify(headers, call.body)
    assert time.monotonic() - began < 60, "it was refused for what it is, not for its age"
