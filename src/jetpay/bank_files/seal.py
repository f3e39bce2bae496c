"""Sealing: the number, then the rendered bytes, hashed and sealed; same rows, same bytes."""

import hashlib
from datetime import datetime
from zoneinfo import ZoneInfo

from jetpay.bank_files.model import (
    CREDITS_AT_ONCE,
    BankFile,
    FileState,
    lock_account_of,
    lock_file,
)
from jetpay.bank_files.payments import Written, open_payment
from jetpay.bank_files.states import move_file
from jetpay.base.ids import BankFileId, CompanyId
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import FILE_BUILDER
from jetpay.rails.profiles import RAILS
from jetpay.rails.rail import Head, Payment
from jetpay.security.vault import Vault

TABLE, COLUMN = "bank_file_bytes", "bytes"

NEXT_NUMBER = Query(
    int,
    """
    update bank_account set last_file_number = last_file_number + 1
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    returning last_file_number
    """,
)
NUMBER = Command(
    """
    update bank_file set number = %(number)s
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s and number is null
    """
)
ORIGINATOR = Query(int, "select short_id from company where company_id = %(company_id)s")
PAGE = Query(
    Written,
    """
    select a.credit_id, a.attempt, a.reference, a.amount, c.statement, a.holder_name, a.scheme,
           a.account_type, a.details
    from payment_attempt a
    join lateral (
      select statement from credit
      where company_id = %(company_id)s and credit_id = a.credit_id limit 1) c on true
    where a.company_id = %(company_id)s and a.bank_file_id = %(bank_file_id)s
      and a.line > %(after)s
    order by a.line limit %(limit)s
    """,
)
STORE = Command(
    """
    insert into bank_file_bytes (company_id, bank_file_id, chunk, bytes)
    values (%(company_id)s, %(bank_file_id)s, %(chunk)s, %(bytes)s)
    """
)
CHUNKS = Query(
    bytes,
    """
    select bytes from bank_file_bytes
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
    order by chunk
    """,
)


@action
async def take_number(
    tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId
) -> BankFile | None:
    """Number the file, which ends its claims; None when it is assembling no more."""
    await lock_account_of(tx, company_id, bank_file_id)
    file = await lock_file(tx, company_id, bank_file_id)
    if file is None or file.state is not FileState.ASSEMBLING:
        return None
    if file.number is None:
        number = await NEXT_NUMBER.one(
            tx, company_id=company_id, bank_account_id=file.bank_account_id
        )
        await NUMBER.run(tx, company_id=company_id, bank_file_id=bank_file_id, number=number)
    return await lock_file(tx, company_id, bank_file_id)


async def render(db: Database, vault: Vault, file: BankFile) -> bytes:
    """The file in clear, from what was claimed; 1,000 payments a transaction.

    Raises `RuntimeError` if the rows do not add up to what the file says of itself.
    """
    payments: list[Payment] = []
    while len(payments) < file.credit_count:
        async with db.transaction() as tx:
            page = await PAGE.all(
                tx,
                company_id=file.company_id,
                bank_file_id=file.bank_file_id,
                after=len(payments),
                limit=CREDITS_AT_ONCE,
            )
            for written in page:
                line = len(payments) + 1
                payments.append(await open_payment(tx, vault, file.company_id, written, line=line))
        if not page:
            break
    counted = (len(payments), sum(payment.amount for payment in payments))
    if counted != (file.credit_count, file.total):
        raise RuntimeError("the payments of a bank file are not those that were claimed")
    short_id = await ORIGINATOR.one(db, company_id=file.company_id)
    return b"".join(RAILS[file.rail].render(_head(file, short_id), payments))


async def seal(
    db: Database, vault: Vault, company_id: CompanyId, bank_file_id: BankFileId, *, at: datetime
) -> None:
    """Make an assembled file's bytes and store them sealed, once, whoever else tries it too."""
    file = await take_number(db, company_id, bank_file_id)
    if file is not None:
        text = await render(db, vault, file)
        await store(db, vault, file, text, at=at)


@action
async def store(
    tx: Transaction, vault: Vault, file: BankFile, text: bytes, *, at: datetime
) -> bool:
    """Keep the bytes and set the file `sealed`, together; False when it was done before."""
    digest = hashlib.sha256(text).digest()
    sealed = await move_file(
        tx, file, FileState.SEALED, by=FILE_BUILDER, at=at, sha256=digest, size_bytes=len(text)
    )
    if sealed is None:
        return False
    key = {"company_id": file.company_id, "bank_file_id": file.bank_file_id}
    chunks = await vault.seal_file(
        tx,
        file.company_id,
        table=TABLE,
        column=COLUMN,
        row_key=file.bank_file_id.bytes,
        pieces=[text],
    )
    for number, chunk in enumerate(chunks):
        await STORE.run(tx, chunk=number, bytes=chunk, **key)
    return True


@action
async def open_bytes(
    tx: Transaction, vault: Vault, company_id: CompanyId, bank_file_id: BankFileId
) -> bytes:
    """The file as the bank gets it. Raises `CannotOpen` if a byte of it was changed."""
    chunks = await CHUNKS.all(tx, company_id=company_id, bank_file_id=bank_file_id)
    opened = await vault.open_file(
        tx,
        company_id,
        table=TABLE,
        column=COLUMN,
        row_key=bank_file_id.bytes,
        pieces=chunks,
    )
    return b"".join(opened)


def _head(file: BankFile, short_id: int) -> Head:
    assert file.number is not None, "only a numbered file is rendered"
    made_on = file.created_at.astimezone(ZoneInfo(file.profile.zone)).date()
    return Head(
        originator=f"{short_id:08x}",
        number=file.number,
        made_on=made_on,
        value_date=file.value_date,
        currency=file.currency,
    )
