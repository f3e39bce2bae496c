"""Hand-over: the one moment after which a file may be at the bank, and what is known of it then.

The journal has the file before its state says `handing_over`, and the state says so before the
first byte leaves. After a crash in between we look at the bank; nothing is sent again by itself
to a bank that would take it twice.
"""

import asyncio
from datetime import datetime
from pathlib import Path

from jetpay.bank_files import journal
from jetpay.bank_files.model import BankFile, FileState
from jetpay.bank_files.seal import ORIGINATOR, open_bytes
from jetpay.bank_files.states import move_file
from jetpay.companies import due
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import FILE_BUILDER, Actor
from jetpay.rails.profiles import Delivery
from jetpay.sandbox import books
from jetpay.security.vault import Vault

REFERENCES = Query(
    str,
    """
    select reference from payment_attempt
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s order by line
    """,
)
LAST_EVENT = Query(int, "select last_event_id from event_counter where company_id = %(company_id)s")


async def hand_over(
    db: Database, vault: Vault, file: BankFile, data_dir: Path, *, at: datetime
) -> None:
    """Give a sealed file to its bank. A file that is handed over by hand waits for a person."""
    if file.profile.delivery is Delivery.HAND:
        return
    await write_down(db, file, data_dir, at=at)
    begun = await move_file(db, file, FileState.HANDING_OVER, by=FILE_BUILDER, at=at)
    if begun is not None:
        await _deliver(db, vault, begun, at=at)


async def look(db: Database, vault: Vault, file: BankFile, *, at: datetime) -> None:
    """After a crash while handing over: whether the bank has the file decides what it is."""
    if await books.has(db, file.company_id, file.bank_file_id, file.sha256):
        await mark_delivered(db, file, by=FILE_BUILDER, at=at)
    elif file.profile.refuses_repeats:
        await _deliver(db, vault, file, at=at)
    else:
        await move_file(db, file, FileState.UNCONFIRMED, by=FILE_BUILDER, at=at)


async def write_down(db: Database, file: BankFile, data_dir: Path, *, at: datetime) -> None:
    """Append the file's manifest to the journal; it is on the disk when this returns."""
    assert file.number is not None, "only a sealed file is handed over"
    assert file.sha256 is not None, "only a sealed file is handed over"
    key = {"company_id": file.company_id, "bank_file_id": file.bank_file_id}
    manifest = journal.Manifest(
        bank_account_id=file.bank_account_id,
        originator=f"{await ORIGINATOR.one(db, company_id=file.company_id):08x}",
        number=file.number,
        sha256=file.sha256,
        credit_count=file.credit_count,
        total=file.total,
        currency=file.currency,
        references=tuple(await REFERENCES.all(db, **key)),
        last_event_id=await LAST_EVENT.one(db, company_id=file.company_id),
        at=at,
        company_id=file.company_id,
        bank_file_id=file.bank_file_id,
    )
    await asyncio.to_thread(journal.append, data_dir, manifest)


async def _deliver(db: Database, vault: Vault, file: BankFile, *, at: datetime) -> None:
    text = await open_bytes(db, vault, file.company_id, file.bank_file_id)
    await books.receive(db, file.company_id, file.bank_file_id, text, at=at)
    await mark_delivered(db, file, by=FILE_BUILDER, at=at)


@action
async def mark_delivered(tx: Transaction, file: BankFile, *, by: Actor, at: datetime) -> None:
    """The bank has the file, whoever says so first."""
    if await move_file(tx, file, FileState.SENT, by=by, at=at) is not None:
        await due.arm(tx, file.company_id, due.SANDBOX_BANK, file.bank_file_id, at=at)
