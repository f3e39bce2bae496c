"""What a bank's word about a whole file changes."""

from dataclasses import replace
from datetime import datetime

from jetpay.bank_files.model import BankFile, FileState, tell
from jetpay.companies import due
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction
from jetpay.events.model import REPORT_READER, EventType

ACKNOWLEDGED = Command(
    """
    update bank_file set state = 'acknowledged', acknowledged_at = %(at)s,
      sent_at = coalesce(sent_at, %(at)s)
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
    """
)
REJECTED = Command(
    """
    update bank_file set state = 'rejected', sent_at = coalesce(sent_at, %(at)s)
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
    """
)


async def acknowledge(
    tx: Transaction, file: BankFile, *, code: str | None, at: datetime
) -> BankFile:
    """The bank has the file, which is locked; its debit and its settlement come in their time."""
    await ACKNOWLEDGED.run(tx, company_id=file.company_id, bank_file_id=file.bank_file_id, at=at)
    return await _told(
        tx, file, EventType.BANK_FILE_ACKNOWLEDGED, FileState.ACKNOWLEDGED, code=code, at=at
    )


async def refuse(tx: Transaction, file: BankFile, *, code: str | None, at: datetime) -> BankFile:
    """The bank takes none of the file, which is locked; its credits come back held."""
    await REJECTED.run(tx, company_id=file.company_id, bank_file_id=file.bank_file_id, at=at)
    return await _told(tx, file, EventType.BANK_FILE_REJECTED, FileState.REJECTED, code=code, at=at)


async def _told(
    tx: Transaction,
    file: BankFile,
    kind: EventType,
    to: FileState,
    *,
    code: str | None,
    at: datetime,
) -> BankFile:
    tell(tx, file, kind, to, by=REPORT_READER, at=at, because=code)
    await due.arm(tx, file.company_id, due.BANK_FILE, file.bank_file_id, at=at)
    return replace(file, state=to)
