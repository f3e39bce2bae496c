"""Which URLs may be called, and at which addresses."""

from collections.abc import Sequence
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from jetpay.security.address_table import (
    AllowedNetwork,
    is_public,
    parse_allowed,
    parse_allowed_list,
)
from jetpay.security.ourselves import is_own_address
from jetpay.security.vetting import DialRefused, Surroundings, Target, vet
from tests.security.hostile_targets import (
    GOOD_URLS,
    PUBLIC,
    PUBLIC_ADDRESSES,
    REFUSED_ADDRESSES,
    REFUSED_URLS,
)

LOOPBACK = parse_allowed_list(["127.0.0.0/8", "::1/128"])


NOBODY = Surroundings(is_ours=lambda _: False)


async def vetted(
    url: str,
    *,
    allowed: Sequence[AllowedNetwork] = (),
    answers: list[str] | None = None,
    ourselves: Surroundings = NOBODY,
) -> Target:
    async def resolve(_host: str, _port: int) -> list[str]:
        return [PUBLIC] if answers is None else answers

    return await vet(url, allowed, resolve, ourselves)


async def refusal(url: str, **more: Any) -> str:
    with pytest.raises(DialRefused) as refused:
        await vetted(url, **more)
    return refused.value.code


REFUSED = [(url, code) for code, urls in REFUSED_URLS.items() for url in urls]


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    assert await refusal("https://example.com/", answers=[str(ip_address(address))]) == "not_public"


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
async def test_a_public_address_may_be_called(address: str) -> None:
    target = await vetted("https://example.com/hook", answers=[address])
    assert target.addresses == (ip_address(address),)
    assert not target.is_allowed_only


@pytest.mark.parametrize("url, code", REFUSED)
async def test_a_hostile_url_is_refused_and_told_why(url: str, code: str) -> None:
    assert await refusal(url) == code


async def test_no_name_server_hears_of_what_is_refused_as_it_is_spelled() -> None:
    async def resolve(host: str, _port: int) -> list[str]:
        raise AssertionError(host)

    for url, _ in REFUSED:
        with pytest.raises(DialRefused):
            await vet(url, (), resolve, NOBODY)


def test_the_tables_are_long_enough() -> None:
    assert len({url for url, _ in REFUSED}) == len(REFUSED) >= 150
    assert set(REFUSED_URLS) | {"unresolvable"} == set(DialRefused.SENTENCES)


@pytest.mark.parametrize("url, host, port, target", GOOD_URLS)
async def test_a_plain_url_passes(url: str, host: str, port: int, target: str) -> None:
    parsed = (await vetted(url)).parsed
    assert (parsed.host, parsed.port, parsed.target) == (host, port, target)


@pytest.mark.parametrize(
    "url, authority",
    [
        ("https://example.com/", "example.com"),
        ("https://example.com:8443/", "example.com:8443"),
        ("https://[2606:4700:4700::1111]:443/", "[2606:4700:4700::1111]"),
        ("https://[2606:4700:4700::1111]:8443/", "[2606:4700:4700::1111]:8443"),
    ],
)
async def test_the_host_header_says_what_a_browser_would(url: str, authority: str) -> None:
    assert (await vetted(url)).parsed.authority == authority


async def test_one_bad_address_among_good_ones_refuses_all() -> None:
    with pytest.raises(DialRefused):
        await vetted("https://example.com/", answers=[PUBLIC, "10.0.0.1"])


@pytest.mark.parametrize("strange", ["", "localhost", "0x7f.1", "127.1", "10.0.0.1 "])
async def test_what_a_name_server_says_must_be_an_address(strange: str) -> None:
    assert await refusal("https://example.com/", answers=[PUBLIC, strange]) == "not_public"


async def test_more_than_sixteen_addresses_are_refused() -> None:
    answers = [f"93.184.216.{number}" for number in range(1, 18)]
    assert len((await vetted("https://example.com/", answers=answers[:16])).addresses) == 16
    with pytest.raises(DialRefused):
        await vetted("https://example.com/", answers=answers)


async def test_a_name_without_an_address_is_refused() -> None:
    async def nowhere(_host: str, _port: int) -> list[str]:
        raise OSError("no such name")

    with pytest.raises(DialRefused) as refused:
        await vet("https://nowhere.example/", (), nowhere, NOBODY)
    assert refused.value.code == "unresolvable"


async def test_no_refusal_tells_an_address() -> None:
    with pytest.raises(DialRefused) as refused:
        await vetted("https://example.com/", answers=["10.9.8.7"])
    assert "10.9" not in str(refused.value)


OURS = Surroundings(
    is_ours=lambda address: str(address) == "93.184.216.99",
    guarded=frozenset(
        {
            (ip_address("93.184.216.1"), 443),  # the public URL
            (ip_address("93.184.216.2"), 5432),  # the database
            (ip_address("93.184.216.3"), 465),  # the mail server
            (ip_address("2606:4700::5"), 3128),  # the egress proxy
            (ip_address("10.1.2.3"), 5432),  # a database in an allowed network
        }
    ),
    ports=frozenset({8080, 9464}),
)


@pytest.mark.parametrize(
    "address", ["93.184.216.99", "93.184.216.1", "93.184.216.2", "93.184.216.3", "2606:4700::5"]
)
@pytest.mark.parametrize("port", [443, 8443, 8080])
async def test_our_own_addresses_and_services_are_refused(address: str, port: int) -> None:
    url = f"https://example.com:{port}/"
    assert await refusal(url, answers=[address], ourselves=OURS) == "not_public"
    assert await refusal(url, answers=[PUBLIC, address], ourselves=OURS) == "not_public"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8080/", "http://127.9.9.9:9464/", "http://[::1]:8080/",
            "http://10.1.2.3:5432/", "http://0.0.0.0:8080/", "http://[::ffff:7f00:1]:8080/"]
)  # fmt: skip
async def test_leave_for_loopback_is_no_leave_for_what_we_listen_on(url: str) -> None:
    ours = parse_allowed_list(["127.0.0.0/8", "[::1/128]", "10.0.0.0/8", "10.1.2.3:5432"])
    assert await refusal(url, allowed=ours, ourselves=OURS) == "not_public"


async def test_leave_for_loopback_is_for_whatever_else_listens_there() -> None:
    target = await vetted("http://127.0.0.1:8081/", allowed=LOOPBACK, ourselves=OURS)
    assert target.is_allowed_only


@pytest.mark.parametrize(
    "address",
    ["0.0.0.0", "169.254.169.254", "169.254.170.2", "100.100.100.200", "224.0.0.1",
     "255.255.255.255", "::ffff:7f00:1", "::ffff:a00:1", "2002:a00:1::", "2001:0:a00:1::1",
     "fd00:ec2::254", "ff02::1", "64:ff9b::7f00:1", "64:ff9b::a9fe:a9fe", "::"],
)  # fmt: skip
async def test_no_leave_opens_metadata_many_hosts_or_hidden_addresses(address: str) -> None:
    everything = "::/0" if ":" in address else "0.0.0.0/0"  # wider than can be allowed
    allowed = [AllowedNetwork(ip_network(everything))]
    assert await refusal("https://example.com:8443/", answers=[address], allowed=allowed)


async def test_a_translated_address_needs_leave_and_a_public_inner_one() -> None:
    nat64 = parse_allowed_list(["64:ff9b::/96"])
    target = await vetted("https://example.com/", answers=["64:ff9b::5db8:d822"], allowed=nat64)
    assert target.is_allowed_only
    inner = ["64:ff9b::a00:1"]
    assert await refusal("https://example.com/", allowed=nat64, answers=inner) == "not_public"
    both = (*nat64, *parse_allowed_list(["10.0.0.0/8"]))
    assert (await vetted("https://example.com/", allowed=both, answers=inner)).is_allowed_only


async def test_an_allowed_network_may_be_called_also_without_tls() -> None:
    url = "http://hook.internal/"
    allowed = parse_allowed_list(["10.1.2.0/24"])
    target = await vetted(url, allowed=allowed, answers=["10.1.2.9"])
    assert target.is_allowed_only
    with pytest.raises(DialRefused):
        await vetted(url, allowed=allowed, answers=["10.1.3.9"])
    with pytest.raises(DialRefused):
        await vetted(url, allowed=allowed, answers=["10.1.2.9", PUBLIC])


async def test_an_allowed_port_is_the_only_one_and_may_be_a_services() -> None:
    allowed = parse_allowed_list(["10.1.2.7:9200"])
    assert (await vetted("http://10.1.2.7:9200/", allowed=allowed)).is_allowed_only
    for url in ("http://10.1.2.7:9201/", "https://10.1.2.7/"):
        with pytest.raises(DialRefused):
            await vetted(url, allowed=allowed)
    with pytest.raises(DialRefused) as refused:
        await vetted("http://10.1.2.7:9200/", allowed=parse_allowed_list(["10.1.2.0/24"]))
    assert refused.value.code == "bad_port"


async def test_leave_for_an_ipv4_network_is_none_for_its_ipv6_spellings() -> None:
    with pytest.raises(DialRefused):
        await vetted("http://hook.internal/", allowed=LOOPBACK, answers=["::ffff:7f00:1"])


@pytest.mark.parametrize(
    "text, network, port",
    [
        ("10.0.0.0/8", "10.0.0.0/8", None),
        ("10.0.0.7:9000", "10.0.0.7/32", 9000),
        ("10.1.0.0/16:65535", "10.1.0.0/16", 65535),
        ("fd00::/8", "fd00::/8", None),
        ("fd00::1", "fd00::1/128", None),
        ("[fd00::/8]:81", "fd00::/8", 81),
        ("[fd00::/8]", "fd00::/8", None),
    ],
)
def test_an_allowed_network_is_read_and_written(text: str, network: str, port: int | None) -> None:
    found = parse_allowed(text)
    assert (str(found.network), found.port) == (network, port)
    assert parse_allowed(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", "10.0.0.1/8", "10.0.0.0/8:0", "10.0.0.0/8:x", "10.0.0.0/8:", "10.0.0.0/8:65536",
     "10.0.0.0/8:080", "a.example", "0.0.0.0/0", "10.0.0.0/7", "::/0", "fc00::/7", "fe80::%1/64",
     "[fd00::/8]81", "[10.0.0.0/8", "169.254.169.254", "169.254.169.254:80", "224.0.0.0/8",
     "::ffff:10.0.0.0/104", "10.0.0.0/8 ", "10.0.0.0/8,10.0.0.0/8"],
)  # fmt: skip
def test_a_wrong_allowed_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_allowed(text)


def test_our_loopback_address_is_ours() -> None:
    assert is_own_address(ip_address("127.0.0.1"))
