"""An act is written in one spelling, and its client as a network alone."""

from datetime import UTC, datetime
from uuid import UUID

import pytest

from jetpay.security.audit_entry import AuditEntry, Named, canonical_entry, network_of

ENTRY = AuditEntry(
    act="token.create",
    actor=Named("member", UUID("01980000-0000-7000-8000-0000000000cc")),
    at=datetime(2026, 1, 22, 10, 15, 30, 123456, tzinfo=UTC),
    details=None,
    client="192.0.2.77",
    object=Named("api_token", UUID("01980000-0000-7000-8000-0000000000dd")),
    outcome="done",
    via="session",
)
CANONICAL = (
    b'{"act":"token.create","actor":{"id":"01980000-0000-7000-8000-0000000000cc",'
    b'"type":"member"},"at":"2026-01-22T10:15:30.123456Z","details":null,'
    b'"from":"192.0.2.0/24","object":{"id":"01980000-0000-7000-8000-0000000000dd",'
    b'"type":"api_token"},"outcome":"done","via":"session"}'
)


def test_an_entry_is_spelled_as_in_the_design() -> None:
    assert canonical_entry(ENTRY) == CANONICAL


def test_who_acts_without_client_or_identifier_is_written_as_null() -> None:
    entry = AuditEntry("keys.rotate", Named("system", None), ENTRY.at, "00", None,
                       Named("key", 3), "done", "shell")  # fmt: skip
    assert canonical_entry(entry) == (
        b'{"act":"keys.rotate","actor":{"id":null,"type":"system"},'
        b'"at":"2026-01-22T10:15:30.123456Z","details":"00","from":null,'
        b'"object":{"id":3,"type":"key"},"outcome":"done","via":"shell"}'
    )


@pytest.mark.parametrize(
    "client, network",
    [
        ("192.0.2.77", "192.0.2.0/24"),
        ("192.0.2.0/24", "192.0.2.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("2001:db8:1::/48", "2001:db8:1::/48"),
        ("::ffff:192.0.2.77", "192.0.2.0/24"),
    ],
)
def test_a_client_is_kept_as_its_network(client: str, network: str) -> None:
    assert network_of(client) == network
