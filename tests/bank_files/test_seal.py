"""Sealing: one number, the same bytes from the same rows, whatever crashes in between."""

import asyncio
import hashlib

import psycopg
import pytest

from jetpay.bank_files import seal as sealing
from jetpay.bank_files.cut_off import cut_off
from jetpay.bank_files.model import BankFile, FileState
from jetpay.bank_files.seal import open_bytes, render, seal, store, take_number
from jetpay.base.ids import BankFileId, uuid7
from jetpay.db.rows import Command
from jetpay.security.sealed_files import CannotOpen
from tests.stage import Stage
from tests.world import NOON

DAMAGE = Command(
    """
    update bank_file set total = total + 1 where company_id = %(company_id)s
    """
)


@pytest.fixture
async def assembled(stage: Stage) -> BankFile:
    """A file with two payments in the making."""
    for amount in (100, 250):
        await stage.accepted(amount=amount)
    services = stage.services
    await cut_off(
        services.db, services.vault, stage.company_id, stage.account, cutoff_at=NOON, at=NOON
    )
    return (await stage.files())[0]


async def sealed(stage: Stage, file: BankFile) -> BankFile:
    services = stage.services
    await seal(services.db, services.vault, stage.company_id, file.bank_file_id, at=NOON)
    return await stage.file(file.bank_file_id)


async def test_a_sealed_file_opens_to_what_was_hashed(stage: Stage, assembled: BankFile) -> None:
    file = await sealed(stage, assembled)
    assert (file.state, file.number) == (FileState.SEALED, 1)
    text = await open_bytes(
        stage.services.db, stage.services.vault, stage.company_id, file.bank_file_id
    )
    assert hashlib.sha256(text).digest() == file.sha256
    assert text.count(b"\n") == 4


async def test_the_same_rows_render_to_the_same_bytes(stage: Stage, assembled: BankFile) -> None:
    services = stage.services
    numbered = await take_number(services.db, stage.company_id, assembled.bank_file_id)
    assert numbered is not None
    first = await render(services.db, services.vault, numbered)
    assert await render(services.db, services.vault, numbered) == first


async def test_a_crash_after_the_number_goes_on_with_that_number(
    stage: Stage, assembled: BankFile
) -> None:
    await take_number(stage.services.db, stage.company_id, assembled.bank_file_id)
    file = await sealed(stage, assembled)
    assert (file.state, file.number) == (FileState.SEALED, 1)


async def test_a_crash_while_storing_leaves_nothing_half_done(
    stage: Stage, assembled: BankFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object, **__: object) -> int:
        raise BrokenPipeError

    with monkeypatch.context() as broken:
        broken.setattr(sealing.STORE, "run", fails)
        with pytest.raises(BrokenPipeError):
            await sealed(stage, assembled)
    assert (await stage.file(assembled.bank_file_id)).state is FileState.ASSEMBLING
    assert (await sealed(stage, assembled)).state is FileState.SEALED


async def test_two_workers_seal_it_once(stage: Stage, assembled: BankFile) -> None:
    await asyncio.gather(*(sealed(stage, assembled) for _ in range(3)))
    file = await stage.file(assembled.bank_file_id)
    assert (file.state, file.number) == (FileState.SEALED, 1)
    services = stage.services
    numbered = await take_number(services.db, stage.company_id, file.bank_file_id)
    assert numbered is None
    assert await store(services.db, services.vault, assembled, b"other", at=NOON) is False


async def test_rows_that_do_not_add_up_are_never_sealed(stage: Stage, assembled: BankFile) -> None:
    await DAMAGE.run(stage.services.db, company_id=stage.company_id)
    with pytest.raises(RuntimeError, match="not those that were claimed"):
        await sealed(stage, assembled)
    assert (await stage.file(assembled.bank_file_id)).state is FileState.ASSEMBLING


async def test_a_file_that_lost_its_payments_is_not_rendered_for_ever(
    stage: Stage, assembled: BankFile
) -> None:
    await Command("update bank_file set credit_count = 3 where company_id = %(company_id)s").run(
        stage.services.db, company_id=stage.company_id
    )
    with pytest.raises(RuntimeError, match="not those that were claimed"):
        await sealed(stage, assembled)


async def test_the_stored_bytes_cannot_be_changed(stage: Stage, assembled: BankFile) -> None:
    await sealed(stage, assembled)
    change = Command("update bank_file_bytes set bytes = '' where company_id = %(company_id)s")
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        await change.run(stage.services.db, company_id=stage.company_id)


async def test_a_file_opens_only_in_its_own_place(stage: Stage, assembled: BankFile) -> None:
    await sealed(stage, assembled)
    services = stage.services
    with pytest.raises(CannotOpen):
        await open_bytes(services.db, services.vault, stage.company_id, BankFileId(uuid7()))


async def test_no_account_number_stands_in_the_stored_bytes(
    stage: Stage, assembled: BankFile
) -> None:
    file = await sealed(stage, assembled)
    stored = await sealing.CHUNKS.all(
        stage.services.db, company_id=stage.company_id, bank_file_id=file.bank_file_id
    )
    assert b"1000001" not in b"".join(stored)
