"""The ledger's accounts: their names, their normal sides, and opening them."""

from jetpay.base.ids import BankAccountId, CompanyId
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction

PAYOUTS = "payouts"
PAYABLE = "payable"
BANK_FEES = "bank_fees"
RECOVERY = "recovery"
LOSSES = "losses"
IN_TRANSIT = "in_transit"
RETURNING = "returning"
BANK = "bank"
SUSPENSE = "suspense"

_OF_COMPANY = (
    (PAYOUTS, "debit"),
    (PAYABLE, "credit"),
    (BANK_FEES, "debit"),
    (RECOVERY, "debit"),
    (LOSSES, "debit"),
)
_OF_BANK_ACCOUNT = (
    (IN_TRANSIT, "credit"),
    (RETURNING, "debit"),
    (BANK, "debit"),
    (SUSPENSE, "either"),
)

OPEN_ACCOUNTS = Command(
    """
    insert into ledger_account (company_id, account, currency, normal_side)
    select %(company_id)s, a.account, %(currency)s, a.normal_side
    from unnest(%(accounts)s::text[], %(sides)s::text[]) as a(account, normal_side)
    on conflict do nothing
    """
)


def of(account: str, bank_account: BankAccountId) -> str:
    """The name of a bank account's ledger account: `in_transit:<bank account>`."""
    return f"{account}:{bank_account}"


async def open_accounts(
    tx: Transaction, company_id: CompanyId, bank_account: BankAccountId, currency: str
) -> None:
    """Open what a company bank account posts to; those already there stay."""
    rows = [
        *_OF_COMPANY,
        *((of(account, bank_account), side) for account, side in _OF_BANK_ACCOUNT),
    ]
    await OPEN_ACCOUNTS.run(
        tx,
        company_id=company_id,
        currency=currency,
        accounts=[account for account, _ in rows],
        sides=[side for _, side in rows],
    )
