"""Whose request it is: headers are believed of trusted proxies alone, from the right."""

from ipaddress import ip_network

import pytest

from jetpay.security.proxies import client_of

TRUSTED = [ip_network("10.0.0.0/8"), ip_network("fd00::/8")]
Case = tuple[str, str, list[str], bool, str | None, bool]
CASES: list[Case] = [
    ("a stranger", "192.0.2.1", [], True, "192.0.2.1", True),
    ("a stranger who claims", "192.0.2.1", ["198.51.100.1"], True, "192.0.2.1", True),
    ("behind the proxy", "10.0.0.1", ["198.51.100.1"], True, "198.51.100.1", True),
    ("the rightmost that is not ours", "10.0.0.1", ["6.6.6.6, 198.51.100.1, 10.0.0.2"], True,
     "198.51.100.1", True),
    ("all lines are one", "10.0.0.1", ["6.6.6.6", "198.51.100.1", "10.0.0.2"], True,
     "198.51.100.1", True),
    ("what is no address", "10.0.0.1", ["198.51.100.1, unknown"], True, "10.0.0.1", True),
    ("with a port", "10.0.0.1", ["198.51.100.1:80"], True, "10.0.0.1", True),
    ("all are ours", "10.0.0.1", ["10.0.0.3, 10.0.0.2"], True, "10.0.0.1", True),
    ("no header", "10.0.0.1", [], True, "10.0.0.1", True),
    ("IPv6", "fd00::1", ["2001:db8::5"], True, "2001:db8::5", True),
    ("IPv6 with a zone", "10.0.0.1", ["fe80::1%eth0"], True, "fe80::1", True),
    ("IPv4 in IPv6", "::ffff:10.0.0.1", ["::ffff:198.51.100.1"], True, "198.51.100.1", True),
    ("an unnamed proxy", "127.0.0.1", ["198.51.100.1"], False, "127.0.0.1", False),
    ("an unnamed private proxy", "172.16.0.1", ["198.51.100.1"], False, "172.16.0.1", False),
    ("no proxy", "127.0.0.1", [], False, "127.0.0.1", True),
    ("a public peer that claims", "8.8.8.8", ["1.1.1.1"], False, "8.8.8.8", True),
    ("a socket", "", ["198.51.100.1"], True, None, False),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=[case[0] for case in CASES])
def test_the_client_is(case: Case) -> None:
    _, peer, lines, is_set, address, certain = case
    scope = {
        "client": (peer, 5) if peer else None,
        "headers": [(b"x-forwarded-for", line.encode()) for line in lines]
        + [(b"x-real-ip", b"9.9.9.9"), (b"forwarded", b"for=9.9.9.9")],
    }
    client = client_of(scope, TRUSTED if is_set else [])
    assert (str(client.address) if client.address else None, client.is_certain) == (
        address,
        certain,
    )
