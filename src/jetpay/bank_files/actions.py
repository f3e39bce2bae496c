"""What people do with bank files: withdraw one, take it to the bank, say that it is there."""

from datetime import datetime
from pathlib import Path

from jetpay.bank_files.hand_over import mark_delivered, write_down
from jetpay.bank_files.model import BankFile, FileState, lock_account_of, lock_file
from jetpay.bank_files.queries import one_file
from jetpay.bank_files.refusals import HandOverBegan, NotTheNewest, NotWithYou
from jetpay.bank_files.seal import open_bytes
from jetpay.bank_files.settle import take_back_some
from jetpay.bank_files.states import move_file
from jetpay.base.ids import BankFileId, CompanyId
from jetpay.base.refusals import NotFound
from jetpay.companies import due
from jetpay.db.pool import Database
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction, action
from jetpay.events.audit import audit
from jetpay.events.model import Actor
from jetpay.rails.profiles import Delivery, Numbers
from jetpay.sandbox import books
from jetpay.security.vault import Vault

GIVE_NUMBER_BACK = Command(
    """
    update bank_account set last_file_number = last_file_number - 1
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
      and last_file_number = %(number)s
    """
)


@action
async def withdraw(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    *,
    by: Actor,
    at: datetime,
) -> None:
    """Take a file back whose hand-over never began; its credits wait, held, for a person.

    Refuses `HandOverBegan`, and `NotTheNewest` where the bank wants numbers without a gap.
    """
    await lock_account_of(tx, company_id, bank_file_id)
    file = await _locked(tx, company_id, bank_file_id)
    waits = file.state in (FileState.ASSEMBLING, FileState.SEALED)
    if not waits or file.hand_over_begun:
        raise HandOverBegan(identifier=bank_file_id, state=file.state.value)
    if file.profile.numbers is Numbers.STRICT and file.number is not None:
        await _give_number_back(tx, file)
    await move_file(tx, file, FileState.WITHDRAWN, by=by, at=at)
    # The event is queued until the commit, so the first ones are taken back in its maker's name.
    if await take_back_some(tx, vault, company_id, bank_file_id, by=by, at=at) is not None:
        await due.arm(tx, company_id, due.BANK_FILE, bank_file_id, at=at)


async def mark_sent(
    db: Database,
    vault: Vault,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    data_dir: Path,
    *,
    by: Actor,
    at: datetime,
) -> None:
    """A person says that the bank has the file. Refuses `NotWithYou` where nobody has to."""
    file = await one_file(db, company_id, bank_file_id)
    _check_waits_for_word(file)
    await write_down(db, file, data_dir, at=at)
    await _mark_sent(db, vault, company_id, bank_file_id, by=by, at=at)


@action
async def _mark_sent(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    *,
    by: Actor,
    at: datetime,
) -> None:
    file = await _locked(tx, company_id, bank_file_id)
    _check_waits_for_word(file)
    # The bank that the person gave it to is, for every sandbox rail, the simulated one.
    text = await open_bytes(tx, vault, company_id, bank_file_id)
    await books.receive(tx, company_id, bank_file_id, text, at=at)
    await mark_delivered(tx, file, by=by, at=at)
    await due.arm(tx, company_id, due.BANK_FILE, bank_file_id, at=at)


async def write_out(
    db: Database,
    vault: Vault,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    data_dir: Path,
    *,
    by: Actor,
    at: datetime,
    now: datetime,
) -> bytes:
    """The file for the hand that gives it to the bank; from now on the bank may have it.

    It holds every account number in clear. Refuses `NotWithYou` where no hand is needed. `at`:
    business time, `now`: real time, for the audit.
    """
    file = await one_file(db, company_id, bank_file_id)
    _check_waits_for_word(file)
    await write_down(db, file, data_dir, at=at)
    return await _write_out(db, vault, company_id, bank_file_id, by=by, at=at, now=now)


@action
async def _write_out(
    tx: Transaction,
    vault: Vault,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    *,
    by: Actor,
    at: datetime,
    now: datetime,
) -> bytes:
    file = await _locked(tx, company_id, bank_file_id)
    _check_waits_for_word(file)
    if file.state is FileState.SEALED:
        await move_file(tx, file, FileState.UNCONFIRMED, by=by, at=at)
    await _audit(tx, file, "write", by=by, now=now)
    return await open_bytes(tx, vault, company_id, bank_file_id)


@action
async def send_again(
    tx: Transaction,
    company_id: CompanyId,
    bank_file_id: BankFileId,
    *,
    by: Actor,
    at: datetime,
    now: datetime,
) -> None:
    """Hand the same bytes over once more. Refuses `NotWithYou` unless it is unconfirmed."""
    file = await _locked(tx, company_id, bank_file_id)
    if file.state is not FileState.UNCONFIRMED:
        raise NotWithYou(identifier=bank_file_id, state=file.state.value)
    await move_file(tx, file, FileState.SEALED, by=by, at=at)
    await _audit(tx, file, "send_again", by=by, now=now)
    await due.arm(tx, company_id, due.BANK_FILE, bank_file_id, at=at)


async def _give_number_back(tx: Transaction, file: BankFile) -> None:
    if not await GIVE_NUMBER_BACK.run(
        tx,
        company_id=file.company_id,
        bank_account_id=file.bank_account_id,
        number=file.number,
    ):
        raise NotTheNewest


async def _audit(tx: Transaction, file: BankFile, act: str, *, by: Actor, now: datetime) -> None:
    await audit(
        tx,
        file.company_id,
        act=f"bank_file.{act}",
        by=by,
        object_type="bank_file",
        object_id=file.bank_file_id,
        at=now,
    )


async def _locked(tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId) -> BankFile:
    file = await lock_file(tx, company_id, bank_file_id)
    if file is None:
        raise NotFound
    return file


def _check_waits_for_word(file: BankFile) -> None:
    by_hand = file.profile.delivery is Delivery.HAND and file.state is FileState.SEALED
    if not by_hand and file.state is not FileState.UNCONFIRMED:
        raise NotWithYou(identifier=file.bank_file_id, state=file.state.value)
