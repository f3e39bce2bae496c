"""The vault seals with the company's active key and opens with the one that was used."""

from typing import Any

import pytest

from jetpay.db.pool import Database
from jetpay.security.keys import Keyring, UnknownKey
from jetpay.security.sealed_files import CannotOpen
from jetpay.security.vault import Vault
from tests.security.vectors import COMPANY, CREDIT, OTHER_COMPANY, ROW

PLACE: dict[str, Any] = {"table": "bank_account", "column": "details", "row_key": ROW.bytes}
FILE: dict[str, Any] = {"table": "bank_file", "column": "chunks", "row_key": ROW.bytes}


async def test_a_value_opens_for_its_company_and_row_alone(
    key_database: Database, keyring: Keyring
) -> None:
    vault = Vault(keyring)
    async with key_database.transaction() as tx:
        blob = await vault.seal(tx, COMPANY, **PLACE, value={"account_number": "1000001"})
        assert b"1000001" not in blob
        assert await vault.seal(tx, COMPANY, **PLACE, value={"account_number": "1000001"}) != blob
        assert (await vault.open(tx, COMPANY, **PLACE, blob=blob))["account_number"] == "1000001"
        await vault.seal(tx, OTHER_COMPANY, **PLACE, value={})
        with pytest.raises(CannotOpen):
            await vault.open(tx, OTHER_COMPANY, **PLACE, blob=blob)
        with pytest.raises(CannotOpen):
            await vault.open(tx, COMPANY, **(PLACE | {"row_key": CREDIT.bytes}), blob=blob)
        with pytest.raises(UnknownKey):
            await vault.open(tx, CREDIT, **PLACE, blob=blob)
        with pytest.raises(CannotOpen):
            await vault.open(tx, COMPANY, **PLACE, blob=b"")


async def test_a_file_of_several_chunks_opens_again(
    key_database: Database, keyring: Keyring
) -> None:
    vault = Vault(keyring)
    data = bytes(range(256)) * 10_000
    async with key_database.transaction() as tx:
        sealed = list(await vault.seal_file(tx, COMPANY, **FILE, pieces=[data[:5], data[5:]]))
        assert [len(piece) for piece in sealed] == [38, 2**20 + 16, 2**20 + 16, 462_848 + 16]
        opened = await vault.open_file(tx, COMPANY, **FILE, pieces=sealed)
        assert b"".join(opened) == data
        cut = await vault.open_file(tx, COMPANY, **FILE, pieces=sealed[:-1])
        with pytest.raises(CannotOpen):
            list(cut)
        elsewhere = await vault.open_file(tx, COMPANY, **PLACE, pieces=sealed)
        with pytest.raises(CannotOpen):
            list(elsewhere)


async def test_an_empty_file_is_still_proved_whole(
    key_database: Database, keyring: Keyring
) -> None:
    vault = Vault(keyring)
    async with key_database.transaction() as tx:
        sealed = b"".join(await vault.seal_file(tx, COMPANY, **FILE, pieces=[]))
        assert len(sealed) == 54
        assert list(await vault.open_file(tx, COMPANY, **FILE, pieces=[sealed])) == [b""]
        header_only = await vault.open_file(tx, COMPANY, **FILE, pieces=[sealed[:38]])
        with pytest.raises(CannotOpen):
            list(header_only)
