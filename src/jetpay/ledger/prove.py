"""The proof: what the ledger says is what the credits, attempts and bank files say.

Written in SQL against the tables, it shares no code with what posts; see docs/ledger.md.
Signs here: the debit side is positive, the credit side negative.
"""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from jetpay.base.ids import CompanyId
from jetpay.companies.installation import ALL_COMPANIES
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction

NAMED_AT_MOST: Final = 1_000
"""Of each kind and company; a proof that fails more often fails for one reason."""
ONE_SNAPSHOT: Final = "set transaction isolation level repeatable read, read only"


@dataclass(frozen=True, slots=True)
class Difference:
    """Something of `company_id` that is not what it must be; amounts in minor units.

    `subject_id`: the credit or bank file; none for an account's total.
    """

    company_id: CompanyId
    what: str
    subject_id: UUID | None
    account: str
    currency: str
    expected: int
    found: int


@dataclass(frozen=True, slots=True)
class Proof:
    """`companies` and `credits`: how many were looked at."""

    companies: int
    credits: int
    differences: tuple[Difference, ...]

    @property
    def clean(self) -> bool:
        """Whether all books agree."""
        return not self.differences


# What each credit owes: `payouts` as long as it is not undone, `payable` while it is not with
# the bank.
OF_CREDITS = Query(
    Difference,
    """
    with posted as (
      select credit_id,
        sum(case when debit_account = 'payouts' then amount
                 when credit_account = 'payouts' then -amount else 0 end) as payouts,
        sum(case when debit_account = 'payable' then amount
                 when credit_account = 'payable' then -amount else 0 end) as payable
      from transfer where company_id = %(company_id)s and credit_id is not null
      group by credit_id),
    wanted as (
      select credit_id, currency,
        case when state in ('initiated', 'processing', 'completed', 'action_required')
             then amount else 0 end as payouts,
        case when state in ('initiated', 'action_required') then -amount else 0 end as payable
      from credit where company_id = %(company_id)s),
    both_sides as (
      select coalesce(w.credit_id, p.credit_id) as credit_id, w.currency,
             coalesce(w.payouts, 0) as payouts_wanted, coalesce(p.payouts, 0) as payouts_found,
             coalesce(w.payable, 0) as payable_wanted, coalesce(p.payable, 0) as payable_found
      from wanted w full join posted p on p.credit_id = w.credit_id)
    select %(company_id)s::uuid as company_id, 'credit' as what, credit_id as subject_id, account,
           coalesce(currency, '') as currency, expected::bigint as expected,
           found::bigint as found
    from (
      select credit_id, currency, 'payouts' as account, payouts_wanted as expected,
             payouts_found as found
      from both_sides
      union all
      select credit_id, currency, 'payable', payable_wanted, payable_found from both_sides) r
    where expected <> found
    order by credit_id, account limit %(limit)s
    """,
    never_null=("company_id", "what", "account", "expected", "found"),
)

# What each attempt left with the bank: in a file until it is rejected or withdrawn, and on its
# way back once it was returned (unless the bank took that return back: row 20).
OF_ATTEMPTS = Query(
    Difference,
    """
    with posted as (
      select credit_id, attempt,
        sum(case when debit_account like 'in_transit:%%' then amount
                 when credit_account like 'in_transit:%%' then -amount else 0 end) as in_transit,
        sum(case when debit_account like 'returning:%%' then amount
                 when credit_account like 'returning:%%' then -amount else 0 end) as returning
      from transfer where company_id = %(company_id)s and credit_id is not null
      group by credit_id, attempt),
    wanted as (
      select a.credit_id, a.attempt, a.currency,
        case when a.bank_file_id is not null and (a.outcome is null or a.outcome = 'returned')
             then -a.amount else 0 end as in_transit,
        case when a.outcome = 'returned' and not (c.state = 'completed' and c.attempt = a.attempt)
             then a.amount else 0 end as returning
      from payment_attempt a
      join credit c on c.company_id = %(company_id)s and c.credit_id = a.credit_id
      where a.company_id = %(company_id)s),
    both_sides as (
      select coalesce(w.credit_id, p.credit_id) as credit_id, w.currency,
             coalesce(w.in_transit, 0) as in_transit_wanted,
             coalesce(p.in_transit, 0) as in_transit_found,
             coalesce(w.returning, 0) as returning_wanted,
             coalesce(p.returning, 0) as returning_found
      from wanted w full join posted p on p.credit_id = w.credit_id and p.attempt = w.attempt)
    select %(company_id)s::uuid as company_id, 'payment attempt' as what,
           credit_id as subject_id, account, coalesce(currency, '') as currency,
           expected::bigint as expected, found::bigint as found
    from (
      select credit_id, currency, 'in_transit' as account, in_transit_wanted as expected,
             in_transit_found as found
      from both_sides
      union all
      select credit_id, currency, 'returning', returning_wanted, returning_found
      from both_sides) r
    where expected <> found
    order by credit_id, account limit %(limit)s
    """,
    never_null=("company_id", "what", "account", "expected", "found"),
)

OF_ACCOUNTS = Query(
    Difference,
    """
    with posted as (
      select account, currency, sum(amount) as amount from (
        select debit_account as account, currency, amount
        from transfer where company_id = %(company_id)s
        union all
        select credit_account, currency, -amount
        from transfer where company_id = %(company_id)s) t
      group by account, currency),
    parts as (
      select 'payouts' as account, currency, amount from credit
      where company_id = %(company_id)s
        and state in ('initiated', 'processing', 'completed', 'action_required')
      union all
      select 'payable', currency, -amount from credit
      where company_id = %(company_id)s and state in ('initiated', 'action_required')
      union all
      select 'in_transit:' || from_bank_account_id, currency, -amount from payment_attempt
      where company_id = %(company_id)s and bank_file_id is not null
        and (outcome is null or outcome = 'returned')
      union all
      select 'in_transit:' || bank_account_id, currency, debited_amount from bank_file
      where company_id = %(company_id)s and debited_at is not null
      union all
      select 'bank:' || bank_account_id, currency, -debited_amount from bank_file
      where company_id = %(company_id)s and debited_at is not null
      union all
      select case outcome when 'returned' then 'returning:' else 'in_transit:' end
               || from_bank_account_id, currency, -amount
      from payment_attempt where company_id = %(company_id)s and refunded_at is not null
      union all
      select 'bank:' || from_bank_account_id, currency, amount
      from payment_attempt where company_id = %(company_id)s and refunded_at is not null
      union all
      select 'returning:' || a.from_bank_account_id, a.currency, a.amount
      from payment_attempt a
      join credit c on c.company_id = %(company_id)s and c.credit_id = a.credit_id
      where a.company_id = %(company_id)s and a.outcome = 'returned'
        and not (c.state = 'completed' and c.attempt = a.attempt)),
    wanted as (
      select account, currency, sum(amount) as amount from parts group by account, currency)
    select %(company_id)s::uuid as company_id, 'account' as what, null::uuid as subject_id,
           coalesce(w.account, p.account) as account,
           coalesce(w.currency, p.currency) as currency,
           coalesce(w.amount, 0)::bigint as expected, coalesce(p.amount, 0)::bigint as found
    from wanted w
    full join posted p on p.account = w.account and p.currency = w.currency
    where coalesce(w.amount, 0) <> coalesce(p.amount, 0)
    order by account, currency limit %(limit)s
    """,
    never_null=("company_id", "what", "account", "currency", "expected", "found"),
)

# Per file: what was rendered is what was claimed into it, and what the claims posted.
OF_FILES = Query(
    Difference,
    """
    with claimed as (
      select a.bank_file_id, sum(a.amount) as amount, sum(t.amount) as posted
      from payment_attempt a
      left join transfer t on t.company_id = %(company_id)s and t.credit_id = a.credit_id
        and t.attempt = a.attempt and t.debit_account = 'payable'
        and t.credit_account = 'in_transit:' || a.from_bank_account_id
      where a.company_id = %(company_id)s and a.bank_file_id is not null
      group by a.bank_file_id)
    select %(company_id)s::uuid as company_id, 'bank file' as what, f.bank_file_id as subject_id,
           r.account, f.currency, coalesce(f.total, 0) as expected,
           coalesce(r.amount, 0)::bigint as found
    from bank_file f
    left join claimed c on c.bank_file_id = f.bank_file_id
    cross join lateral (
      values ('payment attempts', c.amount), ('transfers', c.posted)) as r(account, amount)
    where f.company_id = %(company_id)s and coalesce(f.total, 0) <> coalesce(r.amount, 0)
    order by f.bank_file_id, r.account limit %(limit)s
    """,
    never_null=("company_id", "what", "account", "currency", "expected", "found"),
)
CREDITS = Query(int, "select count(*) as credits from credit where company_id = %(company_id)s")
_QUESTIONS: Final = (OF_CREDITS, OF_ATTEMPTS, OF_ACCOUNTS, OF_FILES)


async def prove(db: Database, company_id: CompanyId | None = None) -> Proof:
    """Compare the books of one company, or of all, each in a snapshot of its own."""
    companies = [company_id] if company_id is not None else await _everybody(db)
    differences: list[Difference] = []
    credits_ = 0
    for each in companies:
        async with db.transaction() as tx:
            await tx.connection.execute(ONE_SNAPSHOT)
            credits_ += await CREDITS.one(tx, company_id=each)
            differences += await _differences(tx, each)
    return Proof(len(companies), credits_, tuple(differences))


async def _everybody(db: Database) -> list[CompanyId]:
    return [company.company_id for company in await ALL_COMPANIES.all(db)]


async def _differences(tx: Transaction, company_id: CompanyId) -> list[Difference]:
    found: list[Difference] = []
    for question in _QUESTIONS:
        found += await question.all(tx, company_id=company_id, limit=NAMED_AT_MOST)
    return found
