"""`jetpay events tail --forward` is a webhook of this machine, whatever goes down meanwhile."""

import json
import socket
from collections.abc import Mapping

import pytest
import typer

from jetpay.cli.calls import NotNow, address, call
from jetpay.cli.forward import receiver_address
from jetpay.receiver import NotGenuine, Receiver, StandardReceiver
from tests.cli.tailing import Tail, one, quiet, tail
from tests.patience import wait_until
from tests.processes import free_port
from tests.receiver.live import Endpoint, LiveCompany

__all__ = ["one", "quiet", "tail"]


def test_what_is_printed_and_what_is_forwarded_have_each_their_cursor(
    tail: Tail, paying: LiveCompany, sink: Endpoint
) -> None:
    paying.happen(2)
    tail.start()
    wait_until(lambda: tail.cursors == [2])
    tail.stop()
    tail.start("--forward", sink.url)
    sink.until(lambda: sink.taken == [1, 2])
    wait_until(lambda: tail.cursors == [2, 2])
    assert tail.company.token not in "".join(str(path) for path in tail.state_home.rglob("*"))


def test_what_is_forwarded_is_a_webhooks_call_signed_with_a_key_of_its_own(
    tail: Tail, paying: LiveCompany, sink: Endpoint
) -> None:
    paying.register(sink.url, max_batch_size=3, max_wait_seconds=60)
    paying.happen(3)
    sink.until(lambda: len(sink.taken) == 3)
    tail.start("--forward", sink.url, "--json")
    sink.until(lambda: len(sink.taken) == 6)
    of_webhook, of_tail = sink.received
    wait_until(lambda: len(tail.events) == 3)
    place, secret = (
        match[1]
        for pattern in (r"(http://127\.0\.0\.1:\d+/\.well-known/jwks\.json)", r"(whsec_\S+)")
        if (match := tail.said(pattern))
    )
    delivery = Receiver(place, company=paying.identifier).verify(of_tail.headers, of_tail.body)
    assert delivery.events == tail.events == paying.events
    assert delivery.webhook_id == 0
    by_secret = StandardReceiver(secret).verify(of_tail.headers, of_tail.body)
    assert by_secret.events == paying.events
    with pytest.raises(NotGenuine, match="unknown key"):
        Receiver(paying.server.jwks_url, company=paying.identifier).verify(
            of_tail.headers, of_tail.body
        )
    assert of_tail.body.partition(b",")[2] == of_webhook.body.partition(b",")[2]
    own = {"Host", "Accept-Encoding", "User-Agent", "Accept", "Connection", "Content-Length"}
    assert {name.title() for name in of_tail.headers} - own == {
        name.title() for name in of_webhook.headers
    } - own


def test_the_receivers_audience_can_be_given(
    tail: Tail, paying: LiveCompany, sink: Endpoint
) -> None:
    paying.happen()
    keys = f"http://127.0.0.1:{(port := free_port())}/.well-known/jwks.json"
    tail.start("--forward", sink.url, "--audience", "a b", "--keys-port", str(port))
    sink.until(lambda: sink.received)
    [sent] = sink.received
    receiver = Receiver(keys, company=paying.identifier, audience="a b")
    assert receiver.verify(sent.headers, sent.body).events == paying.events


@pytest.mark.slow
def test_only_what_the_receiver_took_is_behind_the_cursor(
    tail: Tail, paying: LiveCompany, sink: Endpoint
) -> None:
    paying.happen(12)
    statuses = iter([204, 500, 302, 401])
    sink.answer = lambda *_: next(statuses, 204)
    tail.start("--forward", sink.url, "--json")
    sink.until(lambda: len(sink.received) == 4)
    assert [each.ids for each in sink.received] == [[*range(1, 11)]] + 3 * [[11, 12]]
    assert tail.cursors == [10]
    assert tail.ids == [*range(1, 11)]
    sink.until(lambda: sink.taken == [*range(1, 13)])
    wait_until(lambda: tail.cursors == [12])
    assert tail.ids == [*range(1, 13)]
    assert tail.said(f"{sink.url.removesuffix('/hook')} answers 500; again in 1 s")


def test_a_batch_that_is_too_large_is_halved(
    tail: Tail, paying: LiveCompany, sink: Endpoint
) -> None:
    paying.happen(5)

    def answer(_: Mapping[str, str], body: bytes) -> int:
        return 204 if len(json.loads(body)["events"]) <= 2 else 413

    sink.answer = answer
    tail.start("--forward", sink.url)
    sink.until(lambda: sink.taken == [1, 2, 3, 4, 5])


def test_a_receiver_that_wants_no_more_ends_it(
    tail: Tail, paying: LiveCompany, sink: Endpoint
) -> None:
    paying.happen()
    sink.answer = lambda *_: 410
    tail.start("--forward", sink.url)
    assert tail.ends() == 1
    assert tail.said("it wants no more")
    assert tail.cursors == []


def test_a_receivers_retry_after_is_obeyed(tail: Tail, paying: LiveCompany, sink: Endpoint) -> None:
    paying.happen()
    sink.answer = lambda *_: 503
    sink.retry_after = "7"
    tail.start("--forward", sink.url)
    wait_until(lambda: tail.said("answers 503; again in 7 s"))


@pytest.mark.slow
def test_it_outlives_the_server_and_the_receiver(tail: Tail, paying: LiveCompany) -> None:
    port = free_port()
    tail.start("--forward", f"http://localhost:{port}/hook", "--json")
    paying.happen(2)
    wait_until(lambda: tail.said("does not answer"))
    with Endpoint(port=port).listening() as late:
        late.until(lambda: late.taken == [1, 2])
        paying.server.stop()
        wait_until(lambda: tail.said(f"{paying.server.url} does not answer"))
        paying.server.start()
        paying.happen(2)
        late.until(lambda: late.taken == [1, 2, 3, 4])
    assert tail.process.is_alive()


def test_a_port_for_the_keys_that_is_taken_is_told(quiet: Tail, sink: Endpoint) -> None:
    quiet.start("--forward", sink.url, "--keys-port", str(sink.port))
    assert quiet.ends() == 1
    assert quiet.said("not free")


@pytest.mark.parametrize(
    "text",
    [
        "http://127.0.0.1.example.com/", "http://localhost.example.com/", "http://0.0.0.0:3000/",
        "http://[::]:3000/", "http://10.0.0.1/", "http://169.254.169.254/", "http://127.1/",
        "http://2130706433/", "http://0x7f000001/", "http://[::ffff:10.0.0.1]/",
        "http://user@127.0.0.1/", "http://127.0.0.1#@example.com/", "http://127.0.0.1\\@a.example/",
        "http://127.0.0.1:0/", "http://127.0.0.1:99999/", "http://[::1/", "http:///hook", "//a/b",
        "ftp://127.0.0.1/", "https://localhost/", "http://pay.example.com/", "http://ⓛocalhost/",
        "http://127.0.0.1\t/", "http://127.0.0.1/ HTTP/1.1\r\nX: 1", "",
    ],
)  # fmt: skip
def test_events_are_forwarded_to_this_machine_alone(text: str) -> None:
    with pytest.raises(typer.BadParameter, match=r"must be (an address|http://)"):
        receiver_address(text)


@pytest.mark.parametrize(
    "text",
    ["http://localhost:3000/hook", "http://127.0.0.1/", "http://127.9.9.9:1/", "http://[::1]:3000/",
     "http://shop.localhost:3000/a?b=c", "HTTP://LOCALHOST/"],
)  # fmt: skip
def test_this_machine_has_several_names(text: str) -> None:
    assert receiver_address(text).hostname


class Elsewhere:
    """A connection that led off this machine."""

    sent = b""

    def getpeername(self) -> tuple[str, int]:
        return "192.0.2.1", 80

    def sendall(self, data: bytes) -> None:
        self.sent += data

    def setsockopt(self, *_: int) -> None: ...
    def close(self) -> None: ...


@pytest.mark.parametrize("name", ["localhost", "shop.localhost"])
def test_a_name_of_this_machine_that_leads_elsewhere_is_sent_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    connection = Elsewhere()
    monkeypatch.setattr(socket, "create_connection", lambda *_: connection)
    for to in (address(f"http://{name}/", "--url"), receiver_address(f"http://{name}/")):
        with pytest.raises(NotNow, match="not on this machine"):
            call("POST", to, "/", headers={"Authorization": "Bearer x"}, body=b"{}", seconds=1)
    assert connection.sent == b""
