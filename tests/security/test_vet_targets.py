"""Which URLs may be called, and at which addresses."""

from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address

import pytest

from jetpay.security.address_table import (
    AllowedNetwork,
    is_public,
    parse_allowed,
    parse_allowed_list,
)
from jetpay.security.dial import is_own_address
from jetpay.security.vetting import DialRefused, Surroundings, Target, vet

PUBLIC = "93.184.216.34"
LOOPBACK = parse_allowed_list(["127.0.0.0/8", "::1/128"])


def names(table: dict[str, list[str]]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    async def resolve(host: str, _port: int) -> list[str]:
        if host not in table:
            raise OSError("no such name")
        return table[host]

    return resolve


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


REFUSED_ADDRESSES = [
    "0.0.0.0",
    "0.1.2.3",
    "10.0.0.1",
    "10.255.255.255",
    "100.64.0.1",
    "100.100.100.200",
    "100.127.255.255",
    "127.0.0.1",
    "127.1.2.3",
    "168.63.129.16",
    "169.254.0.1",
    "169.254.169.254",
    "169.254.170.2",
    "172.16.0.1",
    "172.31.255.255",
    "192.0.0.1",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "192.31.196.1",
    "192.52.193.1",
    "192.88.99.1",
    "192.168.0.1",
    "192.168.255.255",
    "192.175.48.1",
    "198.18.0.1",
    "198.19.255.255",
    "198.51.100.7",
    "203.0.113.9",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::10.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "::ffff:93.184.216.34",
    "64:ff9b::a00:1",
    "64:ff9b::5db8:d822",
    "64:ff9b:1::a00:1",
    "100::1",
    "2001::1",
    "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    "2001:2::1",
    "2001:10::1",
    "2001:20::1",
    "2001:db8::1",
    "2002:a00:1::",
    "2002:7f00:1::1",
    "2620:4f:8000::1",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
    "2001:470::5efe:10.0.0.1",
    "2001:470::200:5efe:10.0.0.1",
    "4000::1",
]

PUBLIC_ADDRESSES = [
    "1.1.1.1",
    "9.255.255.255",
    "11.0.0.0",
    "93.184.216.34",
    "100.63.255.255",
    "100.128.0.1",
    "126.255.255.255",
    "128.0.0.1",
    "172.15.255.255",
    "172.32.0.1",
    "192.0.1.1",
    "192.167.1.1",
    "198.17.0.1",
    "198.20.0.1",
    "223.255.255.255",
    "2606:4700:4700::1111",
    "2001:470::1",
    "2a00:1450:4001::1",
    "2003::1",
]

HOSTILE_URLS = [
    # not https
    "http://example.com/", "HTTP://example.com/", "ftp://example.com/", "file:///etc/passwd",
    "gopher://example.com/", "javascript:alert(1)", "//example.com/", "example.com", "",
    "https:/example.com/", "https:example.com", "https:///path", "https://", "https:\\\\a.com\\",
    # who is the host?
    "https://user@example.com/", "https://user:pw@example.com/", "https://@example.com/",
    "https://example.com@127.0.0.1/", "https://example.com%40127.0.0.1/", "https://a.com#@b.com/",
    "https://a.com\\@b.com/", "https://a.com/#fragment", "https://a.com/ b", "https://a.com/\tb",
    "https://a.com\n.b.com/", "https://a.com/\r\nX-Header: 1", "https://a.com/\x00",
    "https://a.com\u2028/", " https://a.com/", "https://a.com/ ", "https://a..com/",
    "https://.a.com/", "https://a.com./", "https://-a.com/", "https://a-.com/", "https://%61.com/",
    "https://[a.com]/", "https://a.com]/", "https://[::1/", "https://a_%2e.com/",
    "https://" + "a" * 64 + ".com/", "https://" + "a." * 130 + "com/",
    "https://a.com/" + "a" * 2048, "https://a\u202eb.com/",
    # numbers that are addresses to some
    "https://2130706433/", "https://017700000001/", "https://0x7f000001/", "https://0x7f.1/",
    "https://127.1/", "https://127.0.1/", "https://0177.0.0.1/", "https://127.0.0.01/",
    "https://0/", "https://1.2.3.4.5/", "https://256.1.1.1/", "https://1.2.3.4./",
    "https://93.184.216.34./", "https://a.0x1/", "https://a.1/", "https://１２７.0.0.1/",
    "https://①②⑦.0.0.1/", "https://127。0。0。1/", "https://93.184.216.３4/",
    # literals, also those that a resolver is never asked about
    "https://127.0.0.1/", "https://10.1.2.3/", "https://169.254.169.254/latest/meta-data/",
    "https://[::1]/", "https://[::]/", "https://[::ffff:127.0.0.1]/", "https://[::ffff:7f00:1]/",
    "https://[0:0:0:0:0:ffff:127.0.0.1]/", "https://[64:ff9b::7f00:1]/", "https://[fe80::1]/",
    "https://[fe80::1%25eth0]/", "https://[fd00:ec2::254]/", "https://[2002:7f00:1::]/",
    "https://[2606:4700:4700:0:0:0:0:1111]/", "https://[2606:4700:4700::1111%25lo]/",
    # ports of other services
    "https://example.com:22/", "https://example.com:25/", "https://example.com:80/",
    "https://example.com:0/", "https://example.com:65536/", "https://example.com:/",
    "https://example.com:-1/", "https://example.com:443a/", "https://example.com:2375/",
    "https://example.com:3306/", "https://example.com:5432/", "https://example.com:6379/",
    "https://example.com:9200/", "https://example.com:11211/", "https://example.com:27017/",
    "https://example.com:1023/", "https://example.com:6000/", "https://example.com:10250/",
]  # fmt: skip


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
async def test_a_name_that_leads_inside_is_refused(address: str) -> None:
    assert not is_public(ip_address(address))
    with pytest.raises(DialRefused):
        await vetted("https://example.com/", answers=[str(ip_address(address))])


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
async def test_a_public_address_may_be_called(address: str) -> None:
    target = await vetted("https://example.com/hook", answers=[address])
    assert target.addresses == (ip_address(address),)
    assert not target.is_allowed_only


@pytest.mark.parametrize("url", HOSTILE_URLS)
async def test_a_hostile_url_is_refused(url: str) -> None:
    with pytest.raises(DialRefused):
        await vetted(url)


def test_the_tables_are_long_enough() -> None:
    assert len(set(HOSTILE_URLS)) >= 80
    assert len(set(HOSTILE_URLS)) + len(set(REFUSED_ADDRESSES)) >= 150


@pytest.mark.parametrize(
    "url, host, port",
    [
        ("https://example.com", "example.com", 443),
        ("https://EXAMPLE.com/a?b=c", "example.com", 443),
        ("HTTPS://example.com:8443/", "example.com", 8443),
        ("https://example.com:1024/", "example.com", 1024),
        ("https://bücher.example/", "xn--bcher-kva.example", 443),
        ("https://my_hook.example/", "my_hook.example", 443),
        (f"https://{PUBLIC}/", PUBLIC, 443),
        ("https://[2606:4700:4700::1111]/", "2606:4700:4700::1111", 443),
    ],
)
async def test_a_plain_url_passes(url: str, host: str, port: int) -> None:
    target = await vetted(url)
    assert (target.parsed.host, target.parsed.port) == (host, port)


async def test_one_bad_address_among_good_ones_refuses_all() -> None:
    with pytest.raises(DialRefused):
        await vetted("https://example.com/", answers=[PUBLIC, "10.0.0.1"])


async def test_more_than_sixteen_addresses_are_refused() -> None:
    answers = [f"93.184.216.{number}" for number in range(1, 18)]
    assert len((await vetted("https://example.com/", answers=answers[:16])).addresses) == 16
    with pytest.raises(DialRefused):
        await vetted("https://example.com/", answers=answers)


async def test_a_name_without_an_address_is_refused() -> None:
    with pytest.raises(DialRefused) as refused:
        await vet("https://nowhere.example/", (), names({}), NOBODY)
    assert refused.value.code == "unresolvable"


async def test_no_refusal_tells_an_address() -> None:
    with pytest.raises(DialRefused) as refused:
        await vetted("https://example.com/", answers=["10.9.8.7"])
    assert "10.9" not in str(refused.value)


async def test_our_own_addresses_and_services_are_refused() -> None:
    ours = Surroundings(is_ours=lambda address: str(address) == PUBLIC)
    with pytest.raises(DialRefused):
        await vetted("https://example.com/", ourselves=ours)
    database = Surroundings(lambda _: False, frozenset({(ip_address(PUBLIC), 5432)}))
    with pytest.raises(DialRefused):
        await vetted("https://example.com/", ourselves=database)


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


async def test_leave_for_loopback_is_no_leave_for_our_own_service() -> None:
    ourselves = Surroundings(lambda _: True, frozenset({(ip_address("127.0.0.1"), 8080)}))
    target = await vetted("http://127.0.0.1:8081/", allowed=LOOPBACK, ourselves=ourselves)
    assert target.is_allowed_only
    with pytest.raises(DialRefused):
        await vetted("http://127.0.0.1:8080/", allowed=LOOPBACK, ourselves=ourselves)


async def test_leave_for_an_ipv4_network_is_none_for_its_ipv6_spellings() -> None:
    with pytest.raises(DialRefused):
        await vetted("http://hook.internal/", allowed=LOOPBACK, answers=["::ffff:7f00:1"])


@pytest.mark.parametrize(
    "text, port",
    [("10.0.0.0/8", None), ("10.0.0.7:9000", 9000), ("fd00::/8", None), ("[fd00::/8]:81", 81)],
)
def test_an_allowed_network_is_read(text: str, port: int | None) -> None:
    assert parse_allowed(text).port == port


@pytest.mark.parametrize("text", ["", "10.0.0.1/8", "10.0.0.0/8:0", "10.0.0.0/8:x", "a.example"])
def test_a_wrong_allowed_network_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        parse_allowed(text)


def test_our_loopback_address_is_ours() -> None:
    assert is_own_address(ip_address("127.0.0.1"))
