"""The one place that writes transfers; many at once, each cause only once."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import BankFileId, CompanyId, CreditId
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Transfer:
    """`amount` minor units from the credit side to the debit side.

    `cause` says what made it and is posted once per company and line.
    """

    cause: str
    debit_account: str
    credit_account: str
    amount: int
    currency: str
    at: datetime
    line: int = 1
    credit_id: CreditId | None = None
    attempt: int | None = None
    bank_file_id: BankFileId | None = None


@dataclass(frozen=True, slots=True)
class _Posted:
    cause: str
    line: int


POST = Query(
    _Posted,
    """
    insert into transfer (company_id, cause, line, debit_account, credit_account, amount,
                          currency, credit_id, attempt, bank_file_id, at)
    select %(company_id)s, t.* from unnest(%(causes)s::text[], %(lines)s::smallint[],
        %(debits)s::text[], %(credits)s::text[], %(amounts)s::bigint[], %(currencies)s::text[],
        %(credit_ids)s::uuid[], %(attempts)s::smallint[], %(files)s::uuid[],
        %(ats)s::timestamptz[]) as t
    on conflict do nothing
    returning cause, line
    """,
)


async def post(tx: Transaction, company_id: CompanyId, transfers: Sequence[Transfer]) -> list[bool]:
    """Write the transfers; False for each whose cause was posted before and moves nothing now.

    Raises the database's foreign key error for an account that was never opened.
    """
    if not transfers:
        return []
    posted = await POST.all(
        tx,
        company_id=company_id,
        causes=[t.cause for t in transfers],
        lines=[t.line for t in transfers],
        debits=[t.debit_account for t in transfers],
        credits=[t.credit_account for t in transfers],
        amounts=[t.amount for t in transfers],
        currencies=[t.currency for t in transfers],
        credit_ids=[t.credit_id for t in transfers],
        attempts=[t.attempt for t in transfers],
        files=[t.bank_file_id for t in transfers],
        ats=[t.at for t in transfers],
    )
    fresh = {(row.cause, row.line) for row in posted}
    return [(t.cause, t.line) in fresh for t in transfers]
