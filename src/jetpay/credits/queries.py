"""Credits as the company reads them; never the link, never a bank detail."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from jetpay.base.ids import BankAccountId, BankFileId, CompanyId, ContactId, CreditId
from jetpay.base.refusals import NotFound
from jetpay.credits.model import Held, State
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.rails.fail_reasons import FAIL_REASONS
from jetpay.rails.profiles import PROFILES, RAILS, debited_on, next_cut_off, value_date
from jetpay.rails.rail import fold_to_ascii


@dataclass(frozen=True, slots=True)
class CreditView:
    """One credit with its last payment attempt and the file that attempt is in.

    `expected_on`: the day by which the money is expected to stay, once it is in a file.
    """

    identifier: CreditId
    state: State
    amount: int
    currency: str
    statement: str
    note: str | None
    external_id: str | None
    metadata: dict[str, str] | None
    contact_id: ContactId
    from_bank_account: BankAccountId
    to_bank_account: BankAccountId | None
    by_link: bool
    expires_at: datetime | None
    attempt: int
    repairs_left: int
    held: str | None
    fail_reason: str | None
    cancel_reason: str | None
    decline_reason: str | None
    possible_duplicate_of: CreditId | None
    created_at: datetime
    accepted_at: datetime | None
    ready_at: datetime | None
    filed_at: datetime | None
    completed_at: datetime | None
    returned_at: datetime | None
    reference: str | None
    gate: str | None
    bank_file: BankFileId | None
    value_date: date | None
    sent_at: datetime | None
    rail: str
    profile: str | None
    account_state: str
    filled_until: datetime | None

    @property
    def waiting_for(self) -> str | None:
        """Who or what the credit waits for; None when it is at rest."""
        if self.state in (State.REQUESTED, State.ACTION_REQUIRED):
            return "payee"
        if self.state is State.INITIATED:
            if self.held == Held.POSSIBLE_DUPLICATE:
                return "approval"
            if self.held is not None or self.account_state != "live":
                return "held"
            filled, ready = self.filled_until, self.ready_at
            # A file of a later cut-off was filled without it: a limit stood in the way.
            was_left = filled is not None and ready is not None and ready <= filled
            return "limit" if was_left else "bank_file"
        return "bank" if self.state is State.PROCESSING else None

    @property
    def statement_as_sent(self) -> str:
        """The statement in the characters of the rail."""
        rail = RAILS.get(self.rail)
        return rail.fold(self.statement) if rail else fold_to_ascii(self.statement)

    def expected_on(self, at: datetime) -> date | None:
        """The day on which the payee's bank has the money, as far as it can be said."""
        profile = PROFILES.get(self.profile or self.rail)
        if profile is None:
            return None
        if self.value_date is not None and self.state in (State.PROCESSING, State.COMPLETED):
            return debited_on(profile, self.value_date, self.sent_at or at)
        if self.waiting_for != "bank_file":
            return None
        return value_date(profile, next_cut_off(profile, max(at, self.ready_at or at)))

    @property
    def fail_direction(self) -> str | None:
        """`push`: the payee's side refused; `pull`: the company's."""
        return FAIL_REASONS[self.fail_reason].direction.value if self.fail_reason else None


@dataclass(frozen=True, slots=True)
class TimelineEntry:
    """One event of a credit's history."""

    at: datetime
    event_id: int
    type: str
    from_state: str | None
    to_state: str | None
    by: str
    because: str | None
    actor_id: UUID | None


@dataclass(frozen=True, slots=True)
class CreditStatus:
    """What the status call answers."""

    state: State
    fail_reason: str | None

    @property
    def fail_direction(self) -> str | None:
        """`push`: the payee's side; `pull`: the company's."""
        return FAIL_REASONS[self.fail_reason].direction.value if self.fail_reason else None


# Look-ups by key are laterals with every key column and a limit: without statistics the
# prefix company_id alone looks as selective.
VIEWS = Query(
    CreditView,
    """
    select c.credit_id as identifier, c.state, c.amount, c.currency, c.statement, c.note,
      c.external_id, c.metadata, c.contact_id, c.from_bank_account_id as from_bank_account,
      c.to_bank_account_id as to_bank_account, c.by_link, c.expires_at, c.attempt,
      c.repairs_left, c.held, c.fail_reason, c.cancel_reason,
      c.decline_reason, c.possible_duplicate_of, c.created_at, c.accepted_at, c.ready_at,
      c.filed_at, c.completed_at, c.returned_at, a.reference, a.gate, a.bank_file_id as bank_file,
      f.value_date, f.sent_at, b.rail, b.profile, b.state as account_state,
      b.filled_until
    from unnest(%(identifiers)s::uuid[]) with ordinality as wanted(credit_id, position)
    join lateral (
      select credit_id, state, amount, currency, statement, note, external_id, metadata,
        contact_id, from_bank_account_id, to_bank_account_id, by_link, expires_at, attempt,
        repairs_left, held, fail_reason, cancel_reason, decline_reason, possible_duplicate_of,
        created_at, accepted_at, ready_at, filed_at, completed_at, returned_at
      from credit
      where company_id = %(company_id)s and credit_id = wanted.credit_id limit 1) c on true
    left join lateral (
      select reference, gate, bank_file_id from payment_attempt
      where company_id = %(company_id)s and credit_id = c.credit_id
        and attempt = c.attempt limit 1) a on true
    left join lateral (
      select value_date, sent_at from bank_file
      where company_id = %(company_id)s and bank_file_id = a.bank_file_id limit 1) f on true
    join lateral (
      select rail, profile, state, filled_until from bank_account
      where company_id = %(company_id)s
        and bank_account_id = c.from_bank_account_id limit 1) b on true
    order by wanted.position
    """,
    never_null=("rail", "account_state"),
)

STATUS = Query(
    CreditStatus,
    """
    select state, fail_reason from credit
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """,
)

NEWEST = Query(
    CreditId,
    """
    select credit_id from credit
    where company_id = %(company_id)s
      and (%(state)s::text is null or state = %(state)s)
      and (%(created_after)s::timestamptz is null or created_at > %(created_after)s)
      and (%(after)s::uuid is null or credit_id < %(after)s)
    order by credit_id desc limit %(limit)s
    """,
)

NEWEST_OF_CONTACT = Query(
    CreditId,
    """
    select credit_id from credit
    where company_id = %(company_id)s and contact_id = %(contact_id)s
      and (%(state)s::text is null or state = %(state)s)
      and (%(created_after)s::timestamptz is null or created_at > %(created_after)s)
      and (%(after)s::uuid is null or credit_id < %(after)s)
    order by credit_id desc limit %(limit)s
    """,
)

BY_EXTERNAL_ID = Query(
    CreditId,
    """
    select credit_id from credit
    where company_id = %(company_id)s and external_id = %(external_id)s
      and (%(state)s::text is null or state = %(state)s)
      and (%(created_after)s::timestamptz is null or created_at > %(created_after)s)
      and (%(contact_id)s::uuid is null or contact_id = %(contact_id)s)
    """,
)

TIMELINE = Query(
    TimelineEntry,
    """
    select created_at as at, event_id, type, from_state, to_state, actor_kind as by, because,
           actor_id
    from event where company_id = %(company_id)s and subject_id = %(credit_id)s
    order by event_id limit 1000
    """,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """What a list of credits is narrowed by; None is any."""

    state: State | None = None
    contact_id: ContactId | None = None
    external_id: str | None = None
    created_after: datetime | None = None


async def newest(
    db: Database,
    company_id: CompanyId,
    filters: Filters,
    *,
    after: CreditId | None,
    limit: int,
) -> list[CreditView]:
    """Credits, newest first, from the one before `after` on."""
    common = {
        "company_id": company_id,
        "state": filters.state and filters.state.value,
        "created_after": filters.created_after,
    }
    contact = {"contact_id": filters.contact_id}
    page = {"after": after, "limit": limit}
    if filters.external_id is not None:
        identifiers = await BY_EXTERNAL_ID.all(
            db, external_id=filters.external_id, **common, **contact
        )
    elif filters.contact_id is not None:
        identifiers = await NEWEST_OF_CONTACT.all(db, **common, **contact, **page)
    else:
        identifiers = await NEWEST.all(db, **common, **page)
    return await VIEWS.all(db, company_id=company_id, identifiers=identifiers)


async def view(db: Database, company_id: CompanyId, credit_id: CreditId) -> CreditView:
    """Refuses `NotFound` for a foreign or unknown credit."""
    found = await VIEWS.first(db, company_id=company_id, identifiers=[credit_id])
    if found is None:
        raise NotFound
    return found


async def status(db: Database, company_id: CompanyId, credit_id: CreditId) -> CreditStatus:
    """Refuses `NotFound` for a foreign or unknown credit."""
    found = await STATUS.first(db, company_id=company_id, credit_id=credit_id)
    if found is None:
        raise NotFound
    return found
