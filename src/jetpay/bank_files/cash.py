"""The cash legs of the ledger, made by bank evidence; assumed where a bank gives no statements."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jetpay.bank_files.model import BankFile, FileState, lock_file
from jetpay.base.ids import BankFileId, CompanyId, CreditId
from jetpay.credits.model import Outcome
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.ledger import accounts
from jetpay.ledger.posting import Transfer, post


@dataclass(frozen=True, slots=True)
class Refund:
    """What the bank gives back of one payment; `amount` in minor units."""

    file: BankFile
    credit_id: CreditId
    attempt: int
    outcome: Outcome
    amount: int


TO_DEBIT = Query(
    int,
    """
    select coalesce(sum(amount), 0)::bigint as amount from payment_attempt
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s
      and (outcome is null or outcome = 'returned')
    """,
)
DEBITED = Command(
    """
    update bank_file set debited_at = %(at)s, debited_amount = %(amount)s
    where company_id = %(company_id)s and bank_file_id = %(bank_file_id)s and debited_at is null
    """
)
REFUNDED = Command(
    """
    update payment_attempt a set refunded_at = %(at)s
    from unnest(%(credit_ids)s::uuid[], %(attempts)s::smallint[]) as r(credit_id, attempt)
    where a.company_id = %(company_id)s and a.credit_id = r.credit_id
      and a.attempt = r.attempt and a.refunded_at is null
    """
)


@action
async def assume_debit(
    tx: Transaction, company_id: CompanyId, bank_file_id: BankFileId, *, at: datetime
) -> None:
    """Once the bank has the file and its value date came: what it did not reject is debited."""
    file = await lock_file(tx, company_id, bank_file_id)
    if file is None or file.state is not FileState.ACKNOWLEDGED or file.debited_at is not None:
        return
    key = {"company_id": company_id, "bank_file_id": bank_file_id}
    amount = await TO_DEBIT.one(tx, **key)
    await DEBITED.run(tx, amount=amount, at=at, **key)
    if amount:
        debit = Transfer(
            cause=f"debit:{bank_file_id}",
            debit_account=accounts.of(accounts.IN_TRANSIT, file.bank_account_id),
            credit_account=accounts.of(accounts.BANK, file.bank_account_id),
            amount=amount,
            currency=file.currency,
            at=at,
            bank_file_id=bank_file_id,
        )
        await post(tx, company_id, [debit])


async def post_refunds(
    tx: Transaction, company_id: CompanyId, refunds: Sequence[Refund], *, at: datetime
) -> None:
    """The bank gave returned or rejected payments back; each attempt is refunded once."""
    if not refunds:
        return
    marked = await REFUNDED.run(
        tx,
        company_id=company_id,
        credit_ids=[each.credit_id for each in refunds],
        attempts=[each.attempt for each in refunds],
        at=at,
    )
    posted = await post(tx, company_id, [_transfer(each, at) for each in refunds])
    if marked != len(refunds) or not all(posted):
        raise RuntimeError("a payment attempt was refunded before")


def _transfer(refund: Refund, at: datetime) -> Transfer:
    waits_in = accounts.RETURNING if refund.outcome is Outcome.RETURNED else accounts.IN_TRANSIT
    account = refund.file.bank_account_id
    # It names no credit: what a credit owes and is owed is in the transfers of its moves alone.
    return Transfer(
        cause=f"refund:{refund.credit_id}:{refund.attempt}",
        debit_account=accounts.of(accounts.BANK, account),
        credit_account=accounts.of(waits_in, account),
        amount=refund.amount,
        currency=refund.file.currency,
        at=at,
        bank_file_id=refund.file.bank_file_id,
    )
