"""Turns a payment attempt into a line of a bank file; here its bank details are opened."""

from dataclasses import dataclass
from typing import Any

from jetpay.banking.canada import CanadianAccount
from jetpay.base.ids import CompanyId, CreditId
from jetpay.credits.attempts import COLUMN, TABLE, place_key
from jetpay.db.transactions import Transaction
from jetpay.rails.rail import CannotBeWritten, Payment
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
    """Raises `CannotBeWritten` for a scheme that no rail here knows."""
    numbers = await vault.open(
        tx,
        company_id,
        table=TABLE,
        column=COLUMN,
        row_key=place_key(written.credit_id, written.attempt),
        blob=written.details,
    )
    routing, account = _route(written.scheme, numbers)
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


def _route(scheme: str, numbers: dict[str, Any]) -> tuple[str, str]:
    if scheme != "ca":
        raise CannotBeWritten("scheme")
    account = CanadianAccount(
        numbers["institution_number"], numbers["transit_number"], numbers["account_number"]
    )
    return account.electronic_routing(), account.account_number
