"""The proof: what the ledger says is what the credits, attempts and bank files say.

Written in SQL against the tables, it shares no code with what posts; see docs/ledger.md. A
company is proved some thousand credits at a time, all in one snapshot, so that no statement is
long. Signs here: the debit side is positive, the credit side negative.
"""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from jetpay.base.ids import BankFileId, CompanyId, CreditId
from jetpay.companies.installation import ALL_COMPANIES
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction

NAMED_AT_MOST: Final = 1_000
"""Of each kind and company; a proof that fails more often fails for one reason."""
CREDITS_AT_ONCE: Final = 20_000
TRANSFERS_AT_ONCE: Final = 50_000
ONE_SNAPSHOT: Final = "set transaction isolation level repeatable read, read only"
# Each statement keeps its own limit; only the whole may take longer.
NO_TIME_LIMIT: Final = """
    select set_config(name, '0', true) from pg_settings where name = 'transaction_timeout'
"""
_FIRST_ID: Final = UUID(int=0)
_LAST_ID: Final = UUID(int=2**128 - 1)

Key = tuple[str, str]
"""An account and its currency."""


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


@dataclass(frozen=True, slots=True)
class _Sum:
    account: str
    currency: str
    amount: int


@dataclass(frozen=True, slots=True)
class _Claimed:
    bank_file_id: BankFileId
    amount: int
    posted: int


@dataclass(frozen=True, slots=True)
class _File:
    bank_file_id: BankFileId
    currency: str
    total: int


@dataclass(frozen=True, slots=True)
class _Posted:
    account: str
    currency: str
    amount: int
    last_cause: str
    count: int


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
      from transfer where company_id = %(company_id)s
        and credit_id > %(after)s and credit_id <= %(through)s
      group by credit_id),
    wanted as (
      select credit_id, currency,
        case when state in ('initiated', 'processing', 'completed', 'action_required')
             then amount else 0 end as payouts,
        case when state in ('initiated', 'action_required') then -amount else 0 end as payable
      from credit where company_id = %(company_id)s
        and credit_id > %(after)s and credit_id <= %(through)s),
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
      from transfer where company_id = %(company_id)s
        and credit_id > %(after)s and credit_id <= %(through)s
      group by credit_id, attempt),
    wanted as (
      select a.credit_id, a.attempt, a.currency,
        case when a.bank_file_id is not null and (a.outcome is null or a.outcome = 'returned')
             then -a.amount else 0 end as in_transit,
        case when a.outcome = 'returned' and not (c.state = 'completed' and c.attempt = a.attempt)
             then a.amount else 0 end as returning
      from payment_attempt a
      join credit c on c.company_id = %(company_id)s and c.credit_id = a.credit_id
      where a.company_id = %(company_id)s
        and a.credit_id > %(after)s and a.credit_id <= %(through)s),
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

# What the credits and their attempts want in each account.
WANTED = Query(
    _Sum,
    """
    select account, currency, sum(amount)::bigint as amount from (
      select 'payouts' as account, currency, amount from credit
      where company_id = %(company_id)s
        and credit_id > %(after)s and credit_id <= %(through)s
        and state in ('initiated', 'processing', 'completed', 'action_required')
      union all
      select 'payable', currency, -amount from credit
      where company_id = %(company_id)s
        and credit_id > %(after)s and credit_id <= %(through)s
        and state in ('initiated', 'action_required')
      union all
      select p.account, a.currency, p.amount
      from payment_attempt a
      join credit c on c.company_id = %(company_id)s and c.credit_id = a.credit_id
      cross join lateral (
        select 'in_transit:' || a.from_bank_account_id as account, -a.amount as amount
        where a.bank_file_id is not null and (a.outcome is null or a.outcome = 'returned')
        union all
        select 'returning:' || a.from_bank_account_id, a.amount
        where a.outcome = 'returned' and not (c.state = 'completed' and c.attempt = a.attempt)
        union all
        select case a.outcome when 'returned' then 'returning:' else 'in_transit:' end
                 || a.from_bank_account_id, -a.amount
        where a.refunded_at is not null
        union all
        select 'bank:' || a.from_bank_account_id, a.amount
        where a.refunded_at is not null) p
      where a.company_id = %(company_id)s
        and a.credit_id > %(after)s and a.credit_id <= %(through)s) parts
    group by account, currency
    """,
    never_null=("account", "currency", "amount"),
)
WANTED_OF_FILES = Query(
    _Sum,
    """
    select r.prefix || f.bank_account_id as account, f.currency,
           sum(r.sign * f.debited_amount)::bigint as amount
    from bank_file f
    cross join (values ('in_transit:', 1), ('bank:', -1)) as r(prefix, sign)
    where f.company_id = %(company_id)s and f.debited_at is not null
    group by r.prefix, f.bank_account_id, f.currency
    """,
    never_null=("account", "amount"),
)
# Both sides of the next transfers in the order of their causes; lines of one cause stay together.
POSTED = Query(
    _Posted,
    """
    with batch as materialized (
      select cause, debit_account, credit_account, currency, amount from transfer
      where company_id = %(company_id)s and cause > %(after)s
      order by cause, line fetch first %(limit)s rows with ties)
    select s.account, s.currency, sum(s.amount)::bigint as amount,
           (select max(cause) from batch) as last_cause,
           (select count(*) from batch) as count
    from (
      select debit_account as account, currency, amount from batch
      union all
      select credit_account, currency, -amount from batch) s
    group by s.account, s.currency
    """,
    never_null=("account", "currency", "amount", "last_cause", "count"),
)

# Per file: what was rendered is what was claimed into it, and what the claims posted.
CLAIMED = Query(
    _Claimed,
    """
    select a.bank_file_id, sum(a.amount)::bigint as amount,
           coalesce(sum(t.amount), 0)::bigint as posted
    from payment_attempt a
    left join transfer t on t.company_id = %(company_id)s and t.credit_id = a.credit_id
      and t.attempt = a.attempt and t.debit_account = 'payable'
      and t.credit_account = 'in_transit:' || a.from_bank_account_id
    where a.company_id = %(company_id)s and a.bank_file_id is not null
      and a.credit_id > %(after)s and a.credit_id <= %(through)s
    group by a.bank_file_id
    """,
    never_null=("bank_file_id", "amount"),
)
FILES = Query(
    _File,
    """
    select bank_file_id, currency, coalesce(total, 0) as total from bank_file
    where company_id = %(company_id)s order by bank_file_id
    """,
)
END_OF_PAGE = Query(
    CreditId,
    """
    select credit_id from credit where company_id = %(company_id)s and credit_id > %(after)s
    order by credit_id offset %(count)s - 1 limit 1
    """,
)
CREDITS = Query(
    int,
    """
    select count(*)::int as credits from credit
    where company_id = %(company_id)s and credit_id > %(after)s and credit_id <= %(through)s
    """,
    never_null=("credits",),
)


async def prove(db: Database, company_id: CompanyId | None = None) -> Proof:
    """Compare the books of one company, or of all, each in a snapshot of its own."""
    companies = [company_id] if company_id is not None else await _everybody(db)
    differences: list[Difference] = []
    credits_ = 0
    for each in companies:
        async with db.transaction() as tx:
            await tx.connection.execute(ONE_SNAPSHOT)
            await tx.connection.execute(NO_TIME_LIMIT)
            count, found = await _differences(tx, each)
            credits_ += count
            differences += found
    return Proof(len(companies), credits_, tuple(differences))


async def _everybody(db: Database) -> list[CompanyId]:
    return [company.company_id for company in await ALL_COMPANIES.all(db)]


async def _differences(tx: Transaction, company_id: CompanyId) -> tuple[int, list[Difference]]:
    """How many credits were looked at, and what is wrong."""
    count = 0
    of_credits: list[Difference] = []
    of_attempts: list[Difference] = []
    wanted: Counter[Key] = Counter()
    amounts: Counter[BankFileId] = Counter()
    posted: Counter[BankFileId] = Counter()
    async for after, through in _pages(tx, company_id):
        page = {"company_id": company_id, "after": after, "through": through}
        count += await CREDITS.one(tx, **page)
        of_credits += await OF_CREDITS.all(tx, limit=NAMED_AT_MOST - len(of_credits), **page)
        of_attempts += await OF_ATTEMPTS.all(tx, limit=NAMED_AT_MOST - len(of_attempts), **page)
        for each in await WANTED.all(tx, **page):
            wanted[each.account, each.currency] += each.amount
        for claimed in await CLAIMED.all(tx, **page):
            amounts[claimed.bank_file_id] += claimed.amount
            posted[claimed.bank_file_id] += claimed.posted
    for each in await WANTED_OF_FILES.all(tx, company_id=company_id):
        wanted[each.account, each.currency] += each.amount
    found = await _posted(tx, company_id)
    files = await FILES.all(tx, company_id=company_id)
    of_accounts = list(_of_accounts(company_id, wanted, found))[:NAMED_AT_MOST]
    of_files = list(_of_files(company_id, files, amounts, posted))[:NAMED_AT_MOST]
    return count, of_credits + of_attempts + of_accounts + of_files


async def _pages(tx: Transaction, company_id: CompanyId) -> AsyncIterator[tuple[UUID, UUID]]:
    """Ranges of credit identifiers, which together hold everything, also what is no credit's."""
    after = _FIRST_ID
    while after != _LAST_ID:
        end = await END_OF_PAGE.first(tx, company_id=company_id, after=after, count=CREDITS_AT_ONCE)
        through = _LAST_ID if end is None else end
        yield after, through
        after = through


async def _posted(tx: Transaction, company_id: CompanyId) -> Counter[Key]:
    """What all transfers left in each account."""
    found: Counter[Key] = Counter()
    cause, more = "", True
    while more:
        some = await POSTED.all(tx, company_id=company_id, after=cause, limit=TRANSFERS_AT_ONCE)
        for each in some:
            found[each.account, each.currency] += each.amount
        more = bool(some) and some[0].count >= TRANSFERS_AT_ONCE
        cause = some[0].last_cause if some else ""
    return found


def _of_accounts(
    company_id: CompanyId, wanted: Counter[Key], found: Counter[Key]
) -> Iterator[Difference]:
    for account, currency in sorted(wanted.keys() | found.keys()):
        key = account, currency
        if wanted[key] != found[key]:
            yield Difference(
                company_id, "account", None, account, currency, wanted[key], found[key]
            )


def _of_files(
    company_id: CompanyId,
    files: list[_File],
    amounts: Counter[BankFileId],
    posted: Counter[BankFileId],
) -> Iterator[Difference]:
    for file in files:
        sums = {"payment attempts": amounts, "transfers": posted}
        for what, each in sums.items():
            if each[file.bank_file_id] != file.total:
                yield Difference(
                    company_id,
                    "bank file",
                    file.bank_file_id,
                    what,
                    file.currency,
                    file.total,
                    each[file.bank_file_id],
                )
