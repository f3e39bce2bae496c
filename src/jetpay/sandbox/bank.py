"""Lets the simulated bank answer: its replies are read as reports like those of any bank."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

import orjson

from jetpay.bank_files.model import BankFile, Item, ItemKind, Report
from jetpay.bank_files.queries import one_file
from jetpay.bank_files.refusals import NotAtTheBank
from jetpay.bank_files.reports import read_report
from jetpay.bank_files.seal import open_bytes
from jetpay.base.ids import BankAccountId, BankFileId, CompanyId, CreditId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.credits.model import State
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.rails.sandbox import read
from jetpay.sandbox import books
from jetpay.sandbox.simulator import Reply, replies
from jetpay.security.vault import Vault


@dataclass(frozen=True, slots=True)
class _Payment:
    state: State
    bank_account_id: BankAccountId
    bank_file_id: BankFileId | None
    reference: str | None
    amount: int


PAYMENT = Query(
    _Payment,
    """
    select c.state, c.from_bank_account_id as bank_account_id, a.bank_file_id, a.reference, c.amount
    from credit c
    left join lateral (
      select bank_file_id, reference from payment_attempt
      where company_id = %(company_id)s and credit_id = c.credit_id and attempt = c.attempt
      limit 1) a on true
    where c.company_id = %(company_id)s and c.credit_id = %(credit_id)s
    """,
)


async def answer(
    db: Database, vault: Vault, company_id: CompanyId, bank_file_id: BankFileId, *, at: datetime
) -> datetime | None:
    """Hand back every reply due by `at` about a file; answers when the next one comes."""
    received_at = await books.has(db, company_id, bank_file_id)
    if received_at is None:
        return None
    file = await one_file(db, company_id, bank_file_id)
    text = await open_bytes(db, vault, company_id, bank_file_id)
    for reply in replies(file.profile, bank_file_id, read(text), received_at):
        if reply.at > at:
            return reply.at
        await read_report(db, vault, company_id, _report(file, reply), at=at)
    return None


async def return_payment(
    db: Database,
    vault: Vault,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    reason: str,
    at: datetime,
) -> None:
    """Let the bank return a payment now; `reason` is a fail reason or a code of any rail.

    Refuses `NotFound`, and `NotAtTheBank` unless the credit is processing or completed and its
    file has reached the bank.
    """
    payment = await PAYMENT.first(db, company_id=company_id, credit_id=credit_id)
    if payment is None:
        raise NotFound
    file_id, reference = payment.bank_file_id, payment.reference
    is_out = payment.state in (State.PROCESSING, State.COMPLETED)
    if not is_out or file_id is None or not await books.has(db, company_id, file_id):
        raise NotAtTheBank(state=payment.state.value)
    returned = Item(kind=ItemKind.RETURNED, reference=reference, amount=payment.amount, code=reason)
    report = Report(
        bank_account_id=payment.bank_account_id,
        sha256=hashlib.sha256(uuid7().bytes).digest(),
        items=(returned,),
    )
    await read_report(db, vault, company_id, report, at=at)


def _report(file: BankFile, reply: Reply) -> Report:
    """The reply as a report; its hash is the same whenever it is read."""
    lines = [
        [item.kind.value, str(item.bank_file_id), item.reference, item.amount, item.code]
        for item in reply.items
    ]
    said = orjson.dumps([str(file.bank_file_id), reply.at, lines])
    return Report(
        bank_account_id=file.bank_account_id,
        sha256=hashlib.sha256(said).digest(),
        items=reply.items,
    )
