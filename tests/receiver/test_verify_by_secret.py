"""The Standard Webhooks signature serves as well as the token: one of the two is enough."""

import json
from datetime import UTC, datetime

import pytest

from jetpay.receiver import NotGenuine, StandardReceiver
from jetpay.security.secrets import Secret
from jetpay.security.signing import make_signing_secret, standard_headers

NOW = 1_770_000_000
BODY = json.dumps({"webhookId": 5, "events": [{"id": 7}]}).encode()
SECRET, OTHER = make_signing_secret(), make_signing_secret()


def headers_of(secret: Secret[str], *, at: int = NOW) -> dict[str, str]:
    moment = datetime.fromtimestamp(at, UTC)
    return standard_headers(secret, message_id="a-b", at=moment, body=BODY)


def receiver(*secrets: Secret[str]) -> StandardReceiver:
    return StandardReceiver(*(each.reveal() for each in secrets), clock=lambda: float(NOW))


def test_a_genuine_delivery_is_given_as_it_came() -> None:
    delivery = receiver(SECRET).verify(headers_of(SECRET), BODY)
    assert (delivery.webhook_id, delivery.events) == (5, [{"id": 7}])
    assert (delivery.company, delivery.webhook) == (None, None)


def test_while_a_secret_is_rotated_both_are_good() -> None:
    for secret in (SECRET, OTHER):
        receiver(SECRET, OTHER).verify(headers_of(secret), BODY)
    both = headers_of(SECRET)
    signatures = (headers_of(OTHER)["webhook-signature"], both["webhook-signature"])
    both["webhook-signature"] = " ".join(["v1a,AAAA", *signatures])
    receiver(SECRET).verify(both, BODY)
    receiver(OTHER).verify(both, BODY)


def test_another_secret_is_refused() -> None:
    with pytest.raises(NotGenuine, match="signature is not right"):
        receiver(OTHER).verify(headers_of(SECRET), BODY)


@pytest.mark.parametrize(
    "seconds, is_genuine", [(-301, False), (-300, True), (300, True), (301, False)]
)
def test_a_signature_is_good_for_five_minutes(seconds: int, is_genuine: bool) -> None:
    headers = headers_of(SECRET, at=NOW + seconds)
    if is_genuine:
        receiver(SECRET).verify(headers, BODY)
    else:
        with pytest.raises(NotGenuine, match="expired"):
            receiver(SECRET).verify(headers, BODY)


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "é", "-1", "v1", "v1,", "9" * 5_000])
def test_a_header_that_is_missing_or_odd_is_refused(name: str, value: str | None) -> None:
    headers = headers_of(SECRET)
    del headers[name]
    if value is not None:
        headers[name] = value
    with pytest.raises(NotGenuine):
        receiver(SECRET).verify(headers, BODY)


@pytest.mark.parametrize("secrets", [(), ("",), ("secret",), (SECRET.reveal(), "secret")])
def test_what_is_no_signing_secret_is_told_at_once(secrets: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match="begins with whsec_"):
        StandardReceiver(*secrets)
