"""One bank file, taken from state to state; safe to begin anywhere, any number of times."""

from datetime import datetime
from pathlib import Path

from jetpay.bank_files import settle as settling
from jetpay.bank_files.assemble import claim
from jetpay.bank_files.cash import assume_debit
from jetpay.bank_files.hand_over import hand_over, look
from jetpay.bank_files.model import BankFile, FileState
from jetpay.bank_files.queries import one_file
from jetpay.bank_files.seal import seal
from jetpay.base.ids import BankFileId, CompanyId
from jetpay.companies.due import NotYet
from jetpay.db.pool import Database
from jetpay.rails.profiles import debit_at, debited_on, overdue_at, settled_at
from jetpay.security.vault import Vault

_IN_OTHER_HANDS = (FileState.ASSEMBLING, FileState.HANDING_OVER)
"""After our work only if another worker is at it too: his lease ran out, but he lives."""


async def process(
    db: Database,
    vault: Vault,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    data_dir: Path,
    *,
    at: datetime,
) -> datetime | None:
    """Do what is due by `at`; answers when to come again, or None until somebody acts."""
    file = await one_file(db, company_id, bank_file_id)
    if file.state is FileState.ASSEMBLING:
        await _assemble(db, vault, file, at=at)
        file = await one_file(db, company_id, bank_file_id)
    if file.state is FileState.SEALED:
        await hand_over(db, vault, file, data_dir, at=at)
        file = await one_file(db, company_id, bank_file_id)
    elif file.state is FileState.HANDING_OVER:
        await look(db, vault, file, at=at)
        file = await one_file(db, company_id, bank_file_id)
    if file.state in _IN_OTHER_HANDS:
        raise NotYet
    if file.state in (FileState.REJECTED, FileState.WITHDRAWN):
        await _take_back(db, vault, file, at=at)
        return None
    if file.state is FileState.ACKNOWLEDGED:
        return await _with_bank(db, file, at=at)
    return await _unanswered(db, file, at=at)


async def _assemble(db: Database, vault: Vault, file: BankFile, *, at: datetime) -> None:
    if file.number is None:
        while True:
            chunk = await claim(
                db,
                vault,
                file.company_id,
                file.bank_account_id,
                cutoff_at=file.cutoff_at,
                into=file.bank_file_id,
                at=at,
            )
            if not chunk.more:
                break
    await seal(db, vault, file.company_id, file.bank_file_id, at=at)


async def _unanswered(db: Database, file: BankFile, *, at: datetime) -> datetime | None:
    if file.state is not FileState.SENT or file.sent_at is None or file.overdue_at is not None:
        return None
    deadline = overdue_at(file.profile, file.sent_at)
    if at < deadline:
        return deadline
    await settling.mark_overdue(db, file.company_id, file.bank_file_id, at=at)
    return None


async def _with_bank(db: Database, file: BankFile, *, at: datetime) -> datetime | None:
    assert file.sent_at is not None, "the bank has it"
    on = debited_on(file.profile, file.value_date, file.sent_at)
    debited, settled = debit_at(file.profile, on), settled_at(file.profile, on)
    if at < debited:
        return debited
    if not file.profile.statements:
        await assume_debit(db, file.company_id, file.bank_file_id, at=at)
    if at < settled:
        return settled
    line: int | None = 0
    while line is not None:
        line = await settling.settle_some(db, file.company_id, file.bank_file_id, after=line, at=at)
    return None


async def _take_back(db: Database, vault: Vault, file: BankFile, *, at: datetime) -> None:
    line: int | None = 0
    while line is not None:
        line = await settling.take_back_some(
            db, vault, file.company_id, file.bank_file_id, after=line, at=at
        )
