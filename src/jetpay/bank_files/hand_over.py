"""Hand-over: the one moment after which a file may be at the bank, and what is known of it then.

The journal has the file before its state says `handing_over`, and the state says so before the
first byte leaves. After a crash in between we look at the bank; nothing is sent again by itself
to a bank that would take it twice.
"""

import asyncio
from datetime import datetime
from pathlib import Path
from uuid import uuid4

from jetpay.bank_files import journal
from jetpay.bank_files.model import BankFile, FileState, lock_file, tell
from jetpay.bank_files.seal import ORIGINATOR, open_bytes
from jetpay.base.ids import BankFileId, CompanyId
from jetpay.companies import due
from jetpay.db.pool import Database
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import FILE_BUILDER, Actor, EventType
from jetpay.rails.profiles import Delivery
from jetpay.sandbox import books
from jetpay.security.vault import Vault

BEGIN = Command(
    """
    update bank_file set state = 'handing_over', hand_over_token = %(token)s
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s and state = 'sealed'
    """
)
SENT = Command(
    """
    update bank_file set state = 'sent', sent_at = %(at)s
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
      and state = any(%(from_states)s::text[])
    """
)
UNCONFIRMED = Command(
    """
    update bank_file set state = 'unconfirmed'
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
      and state = 'handing_over'
    """
)
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
    begun = await BEGIN.run(
        db, company_id=file.company_id, bank_file_id=file.bank_file_id, token=uuid4()
    )
    if begun:
        await _deliver(db, vault, file, at=at)


async def look(db: Database, vault: Vault, file: BankFile, *, at: datetime) -> None:
    """After a crash while handing over: whether the bank has the file decides what it is."""
    if await books.has(db, file.company_id, file.bank_file_id, file.sha256):
        await mark_delivered(db, file.company_id, file.bank_file_id, by=FILE_BUILDER, at=at)
    elif file.profile.refuses_repeats:
        await _deliver(db, vault, file, at=at)
    else:
        await _mark_unconfirmed(db, file.company_id, file.bank_file_id, at=at)


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
    await mark_delivered(db, file.company_id, file.bank_file_id, by=FILE_BUILDER, at=at)


@action
async def mark_delivered(
    tx: Transaction,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    *,
    by: Actor,
    at: datetime,
    from_states: frozenset[FileState] = frozenset({FileState.HANDING_OVER}),
) -> bool:
    """The bank has the file; False when somebody else said so before."""
    file = await lock_file(tx, company_id, bank_file_id)
    assert file is not None, "files are never deleted"
    sent = await SENT.run(
        tx,
        company_id=company_id,
        bank_file_id=bank_file_id,
        at=at,
        from_states=[state.value for state in from_states],
    )
    if sent:
        tell(tx, file, EventType.BANK_FILE_SENT, FileState.SENT, by=by, at=at)
        await due.arm(tx, company_id, due.SANDBOX_BANK, bank_file_id, at=at)
    return bool(sent)


@action
async def _mark_unconfirmed(
    tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId, *, at: datetime
) -> None:
    file = await lock_file(tx, company_id, bank_file_id)
    assert file is not None, "files are never deleted"
    if await UNCONFIRMED.run(tx, company_id=company_id, bank_file_id=bank_file_id):
        tell(
            tx,
            file,
            EventType.BANK_FILE_UNCONFIRMED,
            FileState.UNCONFIRMED,
            by=FILE_BUILDER,
            at=at,
        )
