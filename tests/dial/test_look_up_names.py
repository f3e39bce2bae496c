"""Names, looked up at a real name server that cannot be trusted."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from dns.resolver import NoResolverConfiguration

from jetpay.security.address_table import parse_allowed_list
from jetpay.security.dial import Dialler, DialRefused
from jetpay.security.names import Names
from jetpay.security.ourselves import Ourselves
from tests.dial.certificates import Certificates
from tests.dial.conftest import World
from tests.dial.name_server import NameServer
from tests.dial.peers import PUBLIC, Peer, nobody, post
from tests.patience import PATIENCE_SECONDS

pytestmark = [
    pytest.mark.asyncio(loop_scope="module", loop_factories=["uvloop"]),
    pytest.mark.allow_hosts(["127.0.0.1", "127.0.0.2"]),
]

Closer = Callable[[Any], Any]
NO_HOSTS = Path("/nonexistent")


@pytest_asyncio.fixture(loop_scope="module")
async def server(closing: Closer) -> NameServer:
    made: NameServer = await closing(NameServer()).listen()
    return made


def names_of(server: NameServer, hosts: Path = NO_HOSTS, seconds: float = 20) -> Names:
    return Names(server.resolver, hosts, seconds=seconds)


async def refused(dialler: Dialler, url: str, **more: Any) -> str:
    with pytest.raises(DialRefused) as caught:
        await post(dialler, url, **{"allowed": (), **more})
    return caught.value.code


async def test_both_kinds_of_address_are_asked_for(server: NameServer) -> None:
    server.records = {
        ("hook.example.com", "A"): [PUBLIC, "93.184.216.35"],
        ("hook.example.com", "AAAA"): ["2606:4700:4700::1111"],
    }
    found = await names_of(server)("hook.example.com", 443)
    assert sorted(found) == ["2606:4700:4700::1111", PUBLIC, "93.184.216.35"]
    assert sorted(server.asked) == [("hook.example.com", "A"), ("hook.example.com", "AAAA")]


async def test_one_kind_may_be_missing_or_silent(server: NameServer) -> None:
    server.records = {("v4.example.com", "A"): [PUBLIC]}
    assert await names_of(server)("v4.example.com", 443) == [PUBLIC]
    server.records = {("v6.example.com", "AAAA"): ["2606:4700:4700::1111"]}
    assert await names_of(server)("v6.example.com", 443) == ["2606:4700:4700::1111"]


async def test_a_name_is_asked_for_as_it_is_typed(server: NameServer) -> None:
    with pytest.raises(OSError, match="no address"):
        await names_of(server)("hook.example.com", 443)
    assert {name for name, _ in server.asked} == {"hook.example.com"}  # no domain is searched


async def test_an_answer_too_long_for_a_datagram_is_not_fetched(server: NameServer) -> None:
    server.truncated.add("big.example.com")
    server.records[("big.example.com", "A")] = [f"93.184.216.{number}" for number in range(200)]
    with pytest.raises(OSError, match="no address"):
        await names_of(server)("big.example.com", 443)
    assert server.asked_by_tcp == 0


async def test_more_than_sixteen_addresses_are_refused(server: NameServer) -> None:
    server.records[("many.example.com", "A")] = [f"93.184.216.{number}" for number in range(17)]
    dialler = Dialler(resolve=names_of(server), ourselves=Ourselves(is_ours=nobody))
    assert await refused(dialler, "https://many.example.com/") == "not_public"


async def test_an_alias_is_followed_and_what_it_leads_to_is_vetted(server: NameServer) -> None:
    server.records = {
        ("hook.example.com", "CNAME"): ["cdn.example.net."],
        ("cdn.example.net", "A"): [PUBLIC],
        ("evil.example.com", "CNAME"): ["inside.example.net."],
        ("inside.example.net", "A"): ["10.0.0.7"],
    }
    names = names_of(server)
    assert await names("hook.example.com", 443) == [PUBLIC]
    dialler = Dialler(resolve=names, ourselves=Ourselves(is_ours=nobody))
    assert await refused(dialler, "https://evil.example.com/") == "not_public"


async def test_aliases_without_end_are_no_address(server: NameServer) -> None:
    server.records = {("a.example.com", "CNAME"): ["b.example.com."],
                      ("b.example.com", "CNAME"): ["a.example.com."]}  # fmt: skip
    with pytest.raises(OSError, match="no address"):
        await names_of(server)("a.example.com", 443)


@pytest.mark.parametrize(
    "answer",
    [b"", b"\x81\x80", b"\x81\x80" + b"\xff" * 8 + b"\xc0\x0c" * 200, b"\x81\x82" + b"\x00" * 8],
    ids=["empty", "cut off", "loops of pointers", "server failure"],
)
async def test_a_broken_answer_is_no_address(server: NameServer, answer: bytes) -> None:
    server.broken["broken.example.com"] = answer
    names = names_of(server, seconds=1)
    async with asyncio.timeout(PATIENCE_SECONDS):
        with pytest.raises(OSError, match="no address"):
            await names("broken.example.com", 443)


async def test_a_silent_server_holds_up_nobody_else(server: NameServer) -> None:
    """Many look-ups that hang leave the others alone: no pool of threads to fill."""
    server.silent.add("silent.example.com")
    server.records[("hook.example.com", "A")] = [PUBLIC]
    names = names_of(server)
    hanging = [asyncio.create_task(names("silent.example.com", 443)) for _ in range(100)]
    await asyncio.sleep(0.1)
    async with asyncio.timeout(10):
        assert await names("hook.example.com", 443) == [PUBLIC]
    assert not any(task.done() for task in hanging)
    for task in hanging:
        task.cancel()
    await asyncio.gather(*hanging, return_exceptions=True)


async def test_the_machines_own_list_comes_first(server: NameServer, tmp_path: Path) -> None:
    hosts = tmp_path / "hosts"
    hosts.write_text("127.0.0.1 localhost\n10.1.2.3 Hook.Internal hook # ours\nfd00::3 hook\n\n")
    names = names_of(server, hosts)
    assert await names("hook.internal", 443) == ["10.1.2.3"]
    assert await names("hook", 443) == ["10.1.2.3", "fd00::3"]
    hosts.write_text("10.1.2.44 hook.internal\n")
    assert await names("hook.internal", 443) == ["10.1.2.44"]
    assert server.asked == []


async def test_localhost_is_loopback_whatever_a_server_says(server: NameServer) -> None:
    for name in ("localhost", "a.localhost"):
        server.records[(name, "A")] = [PUBLIC]
        assert await names_of(server)(name, 443) == ["127.0.0.1"]
    assert server.asked == []


async def test_without_a_name_server_nothing_resolves() -> None:
    def none() -> Any:
        raise NoResolverConfiguration

    with pytest.raises(OSError, match="no name server"):
        await Names(none, NO_HOSTS)("hook.example.com", 443)


# ------------------------------------------------ a server that changes its answer between look-ups


async def test_what_is_dialled_is_what_was_vetted_not_what_is_said_next(
    server: NameServer, peer: Peer, closing: Closer
) -> None:
    """The first answer is allowed; whoever looks again for the call is led to another machine."""
    inner = await closing(Peer(address="127.0.0.2", port=peer.port)).listen()
    server.records[("rebind.example.com", "A")] = ["127.0.0.1"]
    server.then = lambda each: each.records.update({("rebind.example.com", "A"): ["127.0.0.2"]})
    dialler = closing(Dialler(resolve=names_of(server)))
    narrow = parse_allowed_list(["127.0.0.1/32"])
    url = peer.url("rebind.example.com")
    answer = await post(dialler, url, allowed=narrow)
    assert (answer.status, peer.came, inner.came) == (200, 1, 0)
    assert server.asked.count(("rebind.example.com", "A")) == 1
    assert await refused(dialler, url, allowed=narrow, line="b") == "not_public"
    assert inner.came == 0


async def test_a_public_name_that_turns_private_after_registration_is_refused_at_the_call(
    server: NameServer, world: World, certificates: Certificates, closing: Closer
) -> None:
    server.records[("hook.example.com", "A")] = [PUBLIC]
    through = world.dialler._proxy
    assert through is not None
    dialler = closing(
        Dialler(
            ourselves=Ourselves([through.place], is_ours=nobody),
            proxy=through,
            resolve=names_of(server),
            tls=certificates.trusting("hook.example.com"),
        )
    )
    await dialler.vet(world.url(), ())  # it is registered
    for inner in ("10.0.0.1", "127.0.0.1", "169.254.169.254"):
        server.records[("hook.example.com", "A")] = [inner]
        assert await refused(dialler, world.url()) == "not_public"
    server.records[("hook.example.com", "A")] = [PUBLIC]
    server.then = lambda each: each.records.update({("hook.example.com", "A"): ["10.0.0.1"]})
    assert (await post(dialler, world.url(), allowed=())).status == 200
    assert {request.split()[1] for request in world.proxy.requests} == {f"{PUBLIC}:443".encode()}


async def test_one_bad_address_in_either_kind_refuses_all(server: NameServer) -> None:
    dialler = Dialler(resolve=names_of(server), ourselves=Ourselves(is_ours=nobody))
    for kind, bad in (("A", "10.0.0.1"), ("AAAA", "::1"), ("AAAA", "64:ff9b::a00:1")):
        server.records = {("mixed.example.com", "A"): [PUBLIC]}
        server.records.setdefault(("mixed.example.com", kind), []).append(bad)
        assert await refused(dialler, "https://mixed.example.com/") == "not_public"
