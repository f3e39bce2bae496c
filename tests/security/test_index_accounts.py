"""Equal accounts of one company have equal indexes; nothing else can be compared."""

import pytest

from jetpay.db.pool import Database
from jetpay.security.blind_index import blind_index, blind_indexes, index_with, is_outdated
from jetpay.security.keys import Keyring, Purpose
from jetpay.security.rotation import rotate
from tests.security.conftest import NOW
from tests.security.vectors import COMPANY, OTHER_COMPANY, working_key

PARTS = ["CA", "003", "00002", "1000001"]


def test_the_vector_of_the_design() -> None:
    index = index_with(working_key("index"), COMPANY, "bank_account", PARTS)
    assert index.hex() == "0101f3e44dba2f75416be7bda2885a38dce6"


@pytest.mark.parametrize(
    "parts",
    [["CA", "003", "00002", "1000002"], ["US", *PARTS[1:]], ["CA", "00300", "002", "1000001"],
     ["CA", "003", "000021000001"], PARTS[:3]],
)  # fmt: skip
def test_another_account_has_another_index(parts: list[str]) -> None:
    key = working_key("index")
    base = index_with(key, COMPANY, "bank_account", PARTS)
    assert index_with(key, COMPANY, "bank_account", parts) != base
    assert index_with(key, COMPANY, "bank_accoun", PARTS) != base


def test_two_companies_cannot_compare_their_accounts() -> None:
    key = working_key("index")
    assert index_with(key, COMPANY, "bank_account", PARTS) != index_with(
        key, OTHER_COMPANY, "bank_account", PARTS
    )


async def test_rows_with_older_indexes_are_found(key_database: Database, keyring: Keyring) -> None:
    old = blind_index(keyring, COMPANY, "bank_account", PARTS)
    assert not is_outdated(keyring, old)
    await rotate(key_database, keyring, Purpose.INDEX, at=NOW, now=True)
    new = blind_index(keyring, COMPANY, "bank_account", PARTS)
    assert blind_indexes(keyring, COMPANY, "bank_account", PARTS) == [new, old]
    assert is_outdated(keyring, old)
    assert (old[1], new[1]) == (1, 2)
