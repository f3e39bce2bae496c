"""Turns a payment attempt into a line of a bank file; here its bank details are opened."""

from dataclasses import dataclass

from jetpay.banking.schemes import account_from
from jetpay.base.ids import CompanyId, CreditId
from jetpay.credits.attempts import COLUMN, TABLE, place_key
from jetpay.db.transactions import Transaction
from jetpay.rails.rail import Payment
from jetpay.security.vault import Vault


@dataclass(frozen=True, slots=True)
class Written:
    """An attempt with what a line needs; `details` are sealed, `amount` in minor units."""

    credit_id: CreditId
    attempt: int
    reference: str
    amount: int
    statement: str
    holder_name: str
    scheme: str
    account_type: str
    details: bytes


async def open_payment(
    tx: Transaction, vault: Vault, company_id: CompanyId, written: Written, *, line: int
) -> Payment:
    """The line that stands for it, whatever the scheme; its rail says whether it can be written."""
    numbers = await vault.open(
        tx,
        company_id,
        table=TABLE,
        column=COLUMN,
        row_key=place_key(written.credit_id, written.attempt),
        blob=written.details,
    )
    routing, account = account_from(written.scheme, numbers).route()
    return Payment(
        line=line,
        reference=written.reference,
        amount=written.amount,
        holder_name=written.holder_name,
        statement=written.statement,
        scheme=written.scheme,
        account_type=written.account_type,
        routing=routing,
        account=account,
    )
