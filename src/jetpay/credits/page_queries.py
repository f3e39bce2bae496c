"""What the payment page reads of a credit; bank details never, but their last three digits."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from jetpay.bank_accounts.model import REACHED
from jetpay.base.ids import BankAccountId, CompanyId, CreditId, QuestionId
from jetpay.companies.brands import Brand
from jetpay.credits.model import State
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions, Transaction
from jetpay.rails.profiles import PROFILES, debited_on, next_cut_off, value_date

FOLLOWING: Final = frozenset({State.INITIATED, State.PROCESSING, State.COMPLETED, State.FAILED})
"""Accepted once: the page tells where the money is."""
WAITING: Final = frozenset({State.REQUESTED, State.ACTION_REQUIRED})
"""The payee may give bank details."""
TIMELINE_LENGTH: Final = 100


@dataclass(frozen=True, slots=True)
class PageCredit:
    """A credit by link with its company, its question and its gate.

    `locked_at`: of the present link version. `clock_offset`: how far a sandbox is ahead.
    """

    company_id: CompanyId
    company_name: str
    short_id: int
    sandbox: bool
    clock_offset: timedelta
    support_contact: str | None
    credit_id: CreditId
    state: State
    amount: int
    currency: str
    statement: str
    from_bank_account_id: BankAccountId
    rail: str
    language: str
    question_id: QuestionId
    question: str
    answer_hash: str
    pepper_key_id: int
    link_version: int
    link_key_id: int
    expires_at: datetime | None
    attempt: int
    repairs_left: int
    held: str | None
    fail_reason: str | None
    locked_at: datetime | None
    colour: str | None
    logo: str | None
    logo_width: int | None
    logo_height: int | None
    code_wrong: int
    reprieves: int
    gate_email: str | None
    code_from_amount: int | None
    codes_until: datetime | None

    @property
    def brand(self) -> Brand:
        """How its company looks."""
        return Brand(self.colour, self.logo, self.logo_width, self.logo_height)

    @property
    def is_erased(self) -> bool:
        """Whether nothing is left to ask: the question went with the contact it belonged to."""
        return not self.answer_hash

    @property
    def scheme(self) -> str:
        """How the accounts are numbered that its money can reach."""
        return REACHED[self.rail, self.currency]

    def business_time(self, now: datetime) -> datetime:
        """`now`, and in a sandbox what its clock was turned ahead."""
        return now + self.clock_offset

    def shown_state(self, at: datetime) -> State:
        """The state, with what the clock has not written down yet; `at`: business time."""
        if self.state not in WAITING:
            return self.state
        late = self.expires_at is not None and self.expires_at <= at
        used_up = self.state is State.ACTION_REQUIRED and self.repairs_left == 0
        return State.EXPIRED if late or used_up else self.state


@dataclass(frozen=True, slots=True)
class PageAttempt:
    """The last payment attempt. `value_on`: when the bank debits its file, once it has one."""

    reference: str
    last3: str
    accepted_at: datetime
    completed_at: datetime | None
    value_on: date | None
    sent_at: datetime | None
    ready_at: datetime | None
    rail: str | None
    profile: str | None


@dataclass(frozen=True, slots=True)
class Moved:
    """One move of the credit, for the timeline."""

    at: datetime
    to_state: State
    from_state: State | None


# Every look-up is a lateral with its whole key: without statistics the planner would take any
# index that begins with the company.
PAGE_CREDIT: Final = Query(
    PageCredit,
    """
    select c.company_id, co.name as company_name, co.short_id, co.sandbox, co.clock_offset,
           co.support_contact, c.credit_id, c.state, c.amount, c.currency, c.statement,
           c.from_bank_account_id, b.rail, c.language, q.question_id, q.question, q.answer_hash,
           q.pepper_key_id, c.link_version, c.link_key_id, c.expires_at, c.attempt,
           c.repairs_left, c.held, c.fail_reason, g.locked_at,
           br.colour, br.logo, br.logo_width, br.logo_height,
           coalesce(g.code_wrong, 0)::int as code_wrong, coalesce(g.reprieves, 0)::int as reprieves,
           c.gate_email, co.code_from_amount, co.codes_until
    from credit c
    join lateral (
      select name, short_id, sandbox, clock_offset, support_contact, code_from_amount, codes_until
      from company
      where company_id = c.company_id limit 1) co on true
    join lateral (
      select rail from bank_account
      where company_id = c.company_id and bank_account_id = c.from_bank_account_id limit 1) b
      on true
    join lateral (
      select question_id, question, answer_hash, pepper_key_id from security_question
      where company_id = c.company_id and question_id = c.question_id limit 1) q on true
    left join lateral (
      select colour, logo_sha256 as logo, logo_width, logo_height from brand
      where company_id = c.company_id limit 1) br on true
    left join lateral (
      select locked_at, code_wrong, reprieves from link_gate
      where company_id = c.company_id and credit_id = c.credit_id
        and link_version = c.link_version limit 1) g on true
    where c.company_id = %(company_id)s and c.credit_id = %(credit_id)s and c.by_link
    """,
    never_null=(
        "company_name", "short_id", "sandbox", "clock_offset", "rail", "question_id",
        "question", "answer_hash", "pepper_key_id", "code_wrong", "reprieves",
    ),
)  # fmt: skip
PAGE_ATTEMPT: Final = Query(
    PageAttempt,
    """
    select a.reference, a.last3, a.accepted_at, c.completed_at, f.value_date as value_on,
           f.sent_at, c.ready_at, b.rail, b.profile
    from payment_attempt a
    join lateral (
      select ready_at, completed_at, from_bank_account_id from credit
      where company_id = a.company_id and credit_id = a.credit_id limit 1) c on true
    left join lateral (
      select value_date, sent_at from bank_file
      where company_id = a.company_id and bank_file_id = a.bank_file_id limit 1) f on true
    left join lateral (
      select rail, profile from bank_account
      where company_id = a.company_id and bank_account_id = c.from_bank_account_id limit 1) b
      on true
    where a.company_id = %(company_id)s and a.credit_id = %(credit_id)s
    order by a.attempt desc limit 1
    """,
)
STEPS: Final = Query(
    Moved,
    """
    select created_at as at, to_state, from_state from event
    where company_id = %(company_id)s and subject_id = %(credit_id)s and to_state is not null
    order by event_id desc limit %(maximum)s
    """,
    never_null=("to_state",),
)


async def page_credit(
    tx: OpensTransactions | Transaction, company_id: CompanyId, credit_id: CreditId
) -> PageCredit | None:
    """The credit, if it is paid by link."""
    return await PAGE_CREDIT.first(tx, company_id=company_id, credit_id=credit_id)


async def last_attempt(
    tx: OpensTransactions | Transaction, company_id: CompanyId, credit_id: CreditId
) -> PageAttempt | None:
    """What was accepted last, if anything was."""
    return await PAGE_ATTEMPT.first(tx, company_id=company_id, credit_id=credit_id)


async def steps_of(
    tx: OpensTransactions | Transaction, company_id: CompanyId, credit_id: CreditId
) -> list[Moved]:
    """The credit's moves, the newest first."""
    return await STEPS.all(tx, company_id=company_id, credit_id=credit_id, maximum=TIMELINE_LENGTH)


def expected_on(attempt: PageAttempt, at: datetime) -> date | None:
    """The day on which the money arrives, by the bank's calendar; None where no bank is known.

    Of the attempt's file, or of the next one if it has none yet. `at`: business time.
    """
    profile = PROFILES.get(attempt.profile or attempt.rail or "")
    if profile is None:
        return None
    if attempt.value_on is not None:
        return debited_on(profile, attempt.value_on, attempt.sent_at or at)
    if attempt.ready_at is None:
        return None
    return value_date(profile, next_cut_off(profile, max(at, attempt.ready_at)))
