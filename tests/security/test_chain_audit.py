"""The audit chain notices every changed, missing, added and re-ordered entry."""

import hashlib
from datetime import UTC, datetime
from uuid import UUID

import pytest

from jetpay.security.audit_chain import (
    BEGINNING,
    AuditEntry,
    ChainRow,
    Named,
    canonical_entry,
    chain,
    details_digest,
    first_break,
    network_of,
)
from tests.security.vectors import COMPANY, OTHER_COMPANY, working_key

KEY = working_key("audit")
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


def chained(count: int) -> list[ChainRow]:
    rows, previous = [], BEGINNING
    for n in range(1, count + 1):
        entry = CANONICAL.replace(b"done", str(n).encode())
        previous = chain(KEY, COMPANY, n, previous, entry)
        rows.append(ChainRow(n, entry, previous))
    return rows


def test_the_vector_of_the_design() -> None:
    assert canonical_entry(ENTRY) == CANONICAL
    expected = "2641247808954dd44367486e1a73168a31ee8eda6e1c509b821f406ea28409c7"
    assert chain(KEY, COMPANY, 1, BEGINNING, CANONICAL).hex() == expected


def test_who_acts_without_client_or_identifier_is_written_as_null() -> None:
    entry = AuditEntry("keys.rotate", Named("system", None), ENTRY.at, "00", None,
                       Named("key", 3), "done", "shell")  # fmt: skip
    assert canonical_entry(entry) == (
        b'{"act":"keys.rotate","actor":{"id":null,"type":"system"},'
        b'"at":"2026-01-22T10:15:30.123456Z","details":"00","from":null,'
        b'"object":{"id":3,"type":"key"},"outcome":"done","via":"shell"}'
    )


def test_an_unbroken_chain_has_no_break() -> None:
    rows = chained(5)
    assert first_break(KEY, COMPANY, rows) is None
    assert first_break(KEY, COMPANY, rows[3:], after_n=3, after_h=rows[2].h) is None
    assert first_break(KEY, COMPANY, []) is None


@pytest.mark.parametrize(
    "order, first",
    [
        ([0, 1, 3, 4], 3),
        ([1, 2], 1),
        ([0, 2, 1, 3], 2),
        ([0, 1, 1, 2], 3),
    ],
)
def test_missing_and_moved_rows_are_named(order: list[int], first: int) -> None:
    rows = chained(5)
    assert first_break(KEY, COMPANY, [rows[index] for index in order]) == first


def test_a_changed_row_is_named() -> None:
    rows = chained(5)
    rows[2] = ChainRow(3, rows[2].entry.replace(b"3", b"4"), rows[2].h)
    assert first_break(KEY, COMPANY, rows) == 3


def test_a_row_with_an_impossible_number_is_named() -> None:
    rows = chained(3)
    rows[1] = ChainRow(0, rows[1].entry, rows[1].h)
    assert first_break(KEY, COMPANY, rows) == 2


def test_nobody_chains_without_the_key_or_for_another_company() -> None:
    rows = chained(2)
    assert first_break(working_key("audit", 1, bytes(32)), COMPANY, rows) == 1
    assert first_break(KEY, OTHER_COMPANY, rows) == 1


@pytest.mark.parametrize("n, previous", [(0, BEGINNING), (1, b""), (1, bytes(31))])
def test_a_chain_starts_at_one_with_32_bytes(n: int, previous: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        chain(KEY, COMPANY, n, previous, CANONICAL)


def test_details_stand_in_the_chain_as_a_salted_digest() -> None:
    digest = details_digest(bytes(16), {"b": 1, "a": "x"})
    assert digest == details_digest(bytes(16), {"a": "x", "b": 1})
    assert digest != details_digest(b"1" * 16, {"b": 1, "a": "x"})
    assert len(bytes.fromhex(digest)) == hashlib.sha256().digest_size
    with pytest.raises(ValueError, match="16 bytes"):
        details_digest(b"", {})


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
