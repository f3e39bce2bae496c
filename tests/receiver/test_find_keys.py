"""The kit asks for keys seldom, finds new ones soon, and says when there are none to be had."""

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt
import pytest

from jetpay.receiver import KeysUnavailable, NotGenuine, Receiver
from tests.cli.conftest import Command
from tests.receiver.live import Endpoint, LiveCompany
from tests.receiver.test_verify import BODY, CLAIMS, COMPANY, NOW, OTHER_KEY, PUBLIC, Clock, signed

OTHER_PUBLIC = OTHER_KEY.as_dict(private=False, kid="k2", use="sig", alg="RS256")
OF_THE_OTHER = signed({"kid": "k2"}, key=OTHER_KEY)
LASTING = {"exp": NOW + 10_000, "iat": NOW - 10_000}


class Place:
    """Where keys are; counts how often it was asked."""

    def __init__(self, *keys: dict[str, Any]) -> None:
        self.keys: list[Any] = list(keys)
        self.asked = 0
        self.is_down = False
        self.seconds = 0.0

    def __call__(self) -> dict[str, Any]:
        self.asked += 1
        time.sleep(self.seconds)
        if self.is_down:
            raise OSError("down")
        return {"keys": self.keys}


def verifying(place: Callable[[], dict[str, Any]], clock: Clock) -> Callable[[str], object]:
    receiver = Receiver(place, company=COMPANY, clock=clock)
    return lambda token: receiver.verify({"Authorization": f"Bearer {token}"}, BODY)


def test_keys_are_kept_for_five_minutes() -> None:
    place, clock = Place(PUBLIC), Clock()
    verify, token = verifying(place, clock), signed(claims=LASTING)
    for seconds, asked in ((0, 1), (299, 1), (300, 2), (599, 2), (600, 3)):
        clock.at = NOW + seconds
        verify(token)
        assert place.asked == asked


def test_a_new_key_is_found_at_once_and_made_up_ones_cost_a_call_in_ten_seconds() -> None:
    place, clock = Place(PUBLIC), Clock()
    verify = verifying(place, clock)
    verify(signed())
    for _ in range(50):
        with pytest.raises(NotGenuine, match="unknown key"):
            verify(OF_THE_OTHER)
    assert place.asked == 1
    place.keys.append(OTHER_PUBLIC)
    clock.at += 10
    verify(OF_THE_OTHER)
    verify(signed())
    assert place.asked == 2


def test_a_key_that_is_withdrawn_is_good_for_five_minutes_at_most() -> None:
    place, clock = Place(PUBLIC, OTHER_PUBLIC), Clock()
    verify = verifying(place, clock)
    verify(OF_THE_OTHER)
    place.keys.pop()
    clock.at += 300
    verify(signed(claims=LASTING))
    with pytest.raises(NotGenuine, match="unknown key"):
        verify(signed({"kid": "k2"}, LASTING, key=OTHER_KEY))


def test_without_keys_it_is_not_called_a_forgery() -> None:
    place, clock = Place(PUBLIC), Clock()
    verify, token = verifying(place, clock), signed(claims=LASTING)
    place.is_down = True
    for _ in range(3):
        with pytest.raises(KeysUnavailable):
            verify(token)
    assert place.asked == 1, "whoever is down is not asked for each delivery"
    place.is_down = False
    clock.at += 10
    verify(token)
    place.is_down = True
    clock.at += 299
    verify(token)
    clock.at += 1
    with pytest.raises(KeysUnavailable):
        verify(token)


def test_a_clock_that_is_set_back_does_not_keep_old_keys() -> None:
    place, clock = Place(PUBLIC), Clock(NOW + 1_000_000)
    verify = verifying(place, clock)
    with pytest.raises(NotGenuine, match="expired"):
        verify(signed())
    place.keys = [OTHER_PUBLIC]
    clock.at = NOW
    with pytest.raises(NotGenuine, match="unknown key"):
        verify(signed())


def test_many_threads_ask_once() -> None:
    place, clock = Place(PUBLIC), Clock()
    place.seconds = 0.2
    verify, token = verifying(place, clock), signed()
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(verify, [token] * 32))) == 32
    assert place.asked == 1


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param([{"kty": "EC", "crv": "P-999", "kid": "k2"}], id="of a kind that comes later"),
        pytest.param([], id="alone"),
    ],
)
def test_keys_of_other_kinds_are_passed_over(keys: list[dict[str, Any]]) -> None:
    verifying(Place(*keys, PUBLIC), Clock())(signed())


@pytest.mark.parametrize("answer", [{}, {"keys": [{}]}, {"keys": None}, [], None])
def test_what_is_no_key_set_is_told(answer: Any) -> None:
    with pytest.raises(KeysUnavailable):
        verifying(lambda: answer, Clock())(signed())


@pytest.mark.parametrize(
    "url",
    ["http://pay.example.com/keys", "file:///etc/passwd", "ftp://127.0.0.1/", "", "http://127.1/"],
)
def test_keys_come_by_https_or_from_this_machine(url: str) -> None:
    with pytest.raises(ValueError, match="by https"):
        Receiver(url, company=COMPANY)


def test_a_key_set_that_has_moved_is_not_followed() -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            moved = self.path == "/moved"
            self.send_response(302 if moved else 200)
            self.send_header("Location", "/keys")
            self.end_headers()
            self.wfile.write(json.dumps({"keys": [PUBLIC]}).encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    headers = {"Authorization": f"Bearer {signed()}"}
    try:
        url = f"http://127.0.0.1:{server.server_address[1]}"
        Receiver(f"{url}/keys", company=COMPANY, clock=Clock()).verify(headers, BODY)
        with pytest.raises(KeysUnavailable, match="moved"):
            Receiver(f"{url}/moved", company=COMPANY, clock=Clock()).verify(headers, BODY)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_a_server_that_rotates_its_key_is_believed_on(paying: LiveCompany, sink: Endpoint) -> None:
    clock = Clock(time.time())
    receiver = Receiver(paying.server.jwks_url, company=paying.identifier, clock=clock)
    paying.register(sink.url)
    paying.happen()
    sink.until(lambda: sink.received)
    receiver.verify(sink.received[0].headers, sink.received[0].body)
    Command(paying.server.environment).json("keys", "rotate", "webhook-rs256", "--now")
    paying.server.stop()
    paying.server.start()  # or a minute later, when it reads its keys again
    paying.happen()
    sink.until(lambda: len(sink.received) == 2)
    old, new = (jwt.get_unverified_header(each.token)["kid"] for each in sink.received)
    assert old != new
    clock.at += 10
    for each in sink.received:
        receiver.verify(each.headers, each.body)


def test_the_claims_of_these_tests_are_those_of_a_webhook() -> None:
    assert set(CLAIMS) == {
        "jti", "iat", "exp", "iss", "sub", "company", "webhook", "payload_hash",
    }  # fmt: skip
