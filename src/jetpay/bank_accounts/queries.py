"""Reading bank accounts, masked."""

from jetpay.bank_accounts.model import BankAccount
from jetpay.base.ids import BankAccountId, CompanyId
from jetpay.base.refusals import NotFound
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions, Transaction

BANK_ACCOUNT = Query(
    BankAccount,
    """
    select bank_account_id, contact_id, title, institution, holder_name, holder_type,
           account_type, scheme, currency, last3, rail, state, credit_limit, created_at,
           returned_at
    from bank_account
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
      and deleted_at is null
    """,
)
OF_CONTACT = Query(
    BankAccount,
    """
    select bank_account_id, contact_id, title, institution, holder_name, holder_type,
           account_type, scheme, currency, last3, rail, state, credit_limit, created_at,
           returned_at
    from bank_account
    where company_id = %(company_id)s and contact_id = %(contact_id)s and deleted_at is null
      and (%(after)s::uuid is null or bank_account_id > %(after)s)
    order by bank_account_id limit %(limit)s
    """,
)
OF_COMPANY = Query(
    BankAccount,
    """
    select bank_account_id, contact_id, title, institution, holder_name, holder_type,
           account_type, scheme, currency, last3, rail, state, credit_limit, created_at,
           returned_at
    from bank_account
    where company_id = %(company_id)s and contact_id is null and deleted_at is null
      and (%(after)s::uuid is null or bank_account_id > %(after)s)
    order by bank_account_id limit %(limit)s
    """,
)


async def get_bank_account(
    tx: OpensTransactions | Transaction, company_id: CompanyId, bank_account_id: BankAccountId
) -> BankAccount:
    """Refuses `NotFound`, also for one that was removed."""
    found = await BANK_ACCOUNT.first(tx, company_id=company_id, bank_account_id=bank_account_id)
    if found is None:
        raise NotFound
    return found
