"""Births of credits by link: many in one statement, with their events, each with an answer.

The token is checked by the same statement, so a revoked one makes nothing from the next
statement on. Inserting and numbering are one statement; finding what was already there is a
second one, because only a new snapshot sees what another process committed meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple

import orjson

from jetpay.base.ids import BankAccountId, CompanyId, ContactId, CreditId, QuestionId
from jetpay.base.refusals import FieldError, Invalid, Refusal, Unauthorized
from jetpay.companies.refusals import LacksScope
from jetpay.credits.refusals import AmountTooLarge, TokenLimit, not_found
from jetpay.db.arrays import bytes_array, number_array, text_array, uuid_array
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.events.wake import announce, may_tell
from jetpay.security.secrets import Secret

NO_MAIL_SERVER = "This installation has no mail server, so no link can be mailed: send it yourself."


class CreditRequest(NamedTuple):
    """A credit as it was asked for, every text cleaned; `amount` in minor units.

    Named tuples here, because a frozen dataclass of so many fields takes five times as long to
    make, and these are made for every line of every call.
    """

    amount: int
    statement: str
    note: str | None
    from_bank_account: BankAccountId
    contact_id: ContactId
    to_bank_account: BankAccountId | None = None
    expires_at: datetime | None = None
    security_question: str | None = None
    security_answer: Secret[str] | None = None
    external_id: str | None = None
    metadata: dict[str, str] | None = None
    repairs: int | None = None
    notify: bool | None = None


class NewCredit(NamedTuple):
    """A request with what was added to it here. `digest`: of the token; `client`: who asks.

    `unmailable`: it wants a mail, and there is no mail server; a sandbox shows it all the same.
    """

    credit_id: CreditId
    request: CreditRequest
    digest: bytes
    client: str | None = None
    idempotency_key: str | None = None
    fingerprint: bytes | None = None
    question_id: QuestionId | None = None
    unmailable: bool = False


class Problem(StrEnum):
    """Why the statement made nothing of an item; the first that applies, in this order.

    `COUNTED`: the token has a daily limit, so its credits are made one by one.
    """

    UNAUTHORIZED = "unauthorized"
    FORBIDDEN = "forbidden"
    EXPIRY = "expires_at"
    NO_ACCOUNT = "from_bank_account"
    NO_CONTACT = "contact_id"
    NO_MAIL = "notify"
    TOO_LARGE = "amount_too_large"
    MAX_AMOUNT = "max_amount"
    COUNTED = "counted"


@dataclass(frozen=True, slots=True)
class Made:
    """The statement's answer to one item; `company_id` is none for an unknown token only.

    Neither made nor with a problem: the same credit is there already (see `existing`).
    """

    id: CreditId
    company_id: CompanyId | None
    problem: str | None
    made: bool
    link_key_id: int


@dataclass(frozen=True, slots=True)
class Existing:
    """What an item collided with, by its key, its external id or its own identifier."""

    item_id: CreditId
    credit_id: CreditId
    amount: int
    by_link: bool
    link_version: int
    link_key_id: int
    fingerprint: bytes | None
    same_key: bool


# Each look-up is its own lateral with every key column and a limit, because without
# statistics the key's leading company_id looks as selective as the whole key. The insert is
# sorted so that two processes lock equal keys in the same order; of equal keys in one statement
# the one that came first wins. Now and then it carries the notice for other processes, too: rarely,
# because that takes a lock which all commits with a notice share until they are durable.
INTAKE = Query(
    Made,
    """
    with i as (
      select * from unnest(%(digests)s::bytea[], %(ids)s::uuid[], %(contacts)s::uuid[],
        %(accounts)s::uuid[], %(amounts)s::bigint[], %(statements)s::text[], %(notes)s::text[],
        %(expirations)s::timestamptz[], %(external_ids)s::text[], %(metadatas)s::text[],
        %(repairs)s::smallint[], %(notifies)s::boolean[], %(questions)s::uuid[],
        %(keys)s::text[], %(fingerprints)s::bytea[], %(clients)s::inet[],
        %(unmailables)s::boolean[]) with ordinality
        as u(digest, id, contact_id, account_id, amount, statement, note, expires_at, external_id,
             metadata, repairs, notify, question_id, idem, fingerprint, client, unmailable,
             place)),
    r as materialized (
      select i.*, t.company_id, t.token_id, c.email, c.language, b.currency,
        %(at)s::timestamptz + co.clock_offset as born_at,
        coalesce(i.expires_at, %(at)s::timestamptz + co.clock_offset
          + co.link_days * interval '1 day') as ends_at,
        coalesce(i.repairs, co.repairs) as repairs_left,
        coalesce(i.question_id, c.question_id, co.question_id) as question,
        case
          when t.alive is not true then 'unauthorized'
          when not t.allowed then 'forbidden'
          when i.expires_at not between %(at)s::timestamptz + co.clock_offset
              + interval '15 minutes'
            and %(at)s::timestamptz + co.clock_offset + interval '365 days' then 'expires_at'
          when b.bank_account_id is null then 'from_bank_account'
          when c.contact_id is null then 'contact_id'
          when i.unmailable and not co.sandbox then 'notify'
          when i.amount > b.credit_limit then 'amount_too_large'
          when i.amount > t.max_amount then 'max_amount'
          when t.max_per_day is not null and not %(counted)s then 'counted'
        end as problem
      from i
      left join lateral (
        select company_id, token_id, max_amount, max_per_day,
          revoked_at is null and (expires_at is null or expires_at > %(at)s)
            and (allowed_networks is null
                 or coalesce(i.client <<= any(allowed_networks), false)) as alive,
          scopes @> '{credits}' as allowed
        from api_token where digest = i.digest limit 1) t on true
      left join lateral (
        select clock_offset, link_days, repairs, question_id, sandbox
        from company where company_id = t.company_id limit 1) co on true
      left join lateral (
        select bank_account_id, currency, credit_limit from bank_account
        where company_id = t.company_id and bank_account_id = i.account_id
          and contact_id is null and deleted_at is null limit 1) b on true
      left join lateral (
        select contact_id, email, language, question_id from contact
        where company_id = t.company_id and contact_id = i.contact_id
          and erased_at is null limit 1) c on true),
    m as (
      insert into credit (company_id, credit_id, state, amount, currency, statement, note,
        from_bank_account_id, contact_id, question_id, gate_email, language, link_key_id,
        by_link, notify, repairs_left, metadata, external_id, idempotency_key, fingerprint,
        made_by, created_at, expires_at)
      select r.company_id, r.id, 'requested', r.amount, r.currency, r.statement, r.note,
        r.account_id, r.contact_id, r.question, r.email, r.language, %(link_key_id)s, true,
        r.notify, r.repairs_left, r.metadata::jsonb, r.external_id, r.idem, r.fingerprint,
        r.token_id, r.born_at, r.ends_at
      from r where r.problem is null
      order by r.company_id, r.idem, r.external_id, r.place
      on conflict do nothing
      returning company_id, credit_id, made_by, created_at),
    n as (select company_id, count(*) as k from m group by company_id),
    l as materialized (
      select company_id from event_counter where company_id in (select company_id from n)
      order by company_id for no key update),
    s as (
      update event_counter c set last_event_id = c.last_event_id + n.k
      from n join l using (company_id) where c.company_id = n.company_id
      returning c.company_id, c.last_event_id, n.k),
    e as (
      insert into event (company_id, event_id, created_at, type, subject_id, to_state, because,
        actor_kind, actor_id)
      select m.company_id, s.last_event_id - s.k
          + row_number() over (partition by m.company_id order by m.credit_id),
        m.created_at, 'transactions.credits.created', m.credit_id, 'requested', 'created',
        'token', m.made_by
      from m join s on s.company_id = m.company_id),
    w as materialized (
      select count(pg_notify('jetpay_event', replace(company_id::text, '-', ''))::text) as told
      from n where %(tells)s)
    select r.id, r.company_id, r.problem, m.credit_id is not null as made,
           %(link_key_id)s as link_key_id
    from r cross join w left join m on m.credit_id = r.id
    """,
    never_null=("id", "link_key_id"),
)

EXISTING = Query(
    Existing,
    """
    select w.id as item_id, c.credit_id, c.amount, c.by_link, c.link_version, c.link_key_id,
           c.fingerprint, k.credit_id is not null as same_key
    from unnest(%(ids)s::uuid[], %(keys)s::text[], %(external_ids)s::text[])
      as w(id, idem, external_id)
    left join lateral (
      select credit_id from credit
      where company_id = %(company_id)s and idempotency_key = w.idem limit 1) k on true
    left join lateral (
      select credit_id from credit
      where company_id = %(company_id)s and external_id = w.external_id limit 1) x on true
    join lateral (
      select credit_id, amount, by_link, link_version, link_key_id, fingerprint from credit
      where company_id = %(company_id)s
        and credit_id = coalesce(k.credit_id, x.credit_id, w.id) limit 1) c on true
    """,
    never_null=(
        *("item_id", "credit_id", "amount", "by_link", "link_version", "link_key_id"),
        "same_key",
    ),
)


async def intake(
    tx: Transaction | Database,
    items: Sequence[NewCredit],
    *,
    link_key_id: int,
    at: datetime,
    counted: bool = False,
) -> dict[CreditId, Made]:
    """Make the credits that may be made; an answer per item. `at`: real time.

    The last statement of its transaction: it locks the counters of the companies it touches.
    """
    asked = [i.request for i in items]
    tells = not isinstance(tx, Transaction) and may_tell()
    rows = await INTAKE.all(
        tx,
        at=at,
        link_key_id=link_key_id,
        counted=counted,
        tells=tells,
        digests=bytes_array([i.digest for i in items]),
        ids=uuid_array([i.credit_id for i in items]),
        contacts=uuid_array([r.contact_id for r in asked]),
        accounts=uuid_array([r.from_bank_account for r in asked]),
        amounts=number_array([r.amount for r in asked]),
        statements=text_array([r.statement for r in asked]),
        notes=text_array([r.note for r in asked]),
        expirations=text_array([r.expires_at.isoformat() if r.expires_at else None for r in asked]),
        external_ids=text_array([r.external_id for r in asked]),
        metadatas=text_array([metadata_text(r) for r in asked]),
        repairs=number_array([r.repairs for r in asked]),
        notifies=number_array([bool(r.notify) for r in asked]),
        questions=uuid_array([i.question_id for i in items]),
        keys=text_array([i.idempotency_key for i in items]),
        fingerprints=bytes_array([i.fingerprint for i in items]),
        clients=text_array([i.client for i in items]),
        unmailables=number_array([i.unmailable for i in items]),
    )
    companies = {row.company_id for row in rows if row.company_id is not None and row.made}
    if isinstance(tx, Transaction):
        tx.after_commit(lambda: announce(companies))
    else:
        announce(companies, is_told=tells)
    return {row.id: row for row in rows}


def metadata_text(request: CreditRequest) -> str | None:
    """As JSON; none at all is null."""
    return orjson.dumps(request.metadata).decode() if request.metadata else None


async def existing(
    tx: Transaction | Database, company_id: CompanyId, items: Sequence[NewCredit]
) -> dict[CreditId, Existing]:
    """What the items of one company collided with. A statement of its own: a new snapshot."""
    rows = await EXISTING.all(
        tx,
        company_id=company_id,
        ids=[i.credit_id for i in items],
        keys=[i.idempotency_key for i in items],
        external_ids=[i.request.external_id for i in items],
    )
    return {row.item_id: row for row in rows}


def refusal_of(problem: str | None) -> Refusal:
    """The statement's word for what was wrong, as a refusal."""
    match problem:
        case Problem.UNAUTHORIZED:
            return Unauthorized()
        case Problem.FORBIDDEN:
            return LacksScope(scope="credits")
        case Problem.EXPIRY:
            message = "Choose a time between 15 minutes and 365 days from now."
            return Invalid([FieldError("expires_at", "out_of_range", message)])
        case Problem.NO_ACCOUNT | Problem.NO_CONTACT:
            return not_found(problem)
        case Problem.NO_MAIL:
            return Invalid([FieldError("notify", "no_mail_server", NO_MAIL_SERVER)])
        case Problem.TOO_LARGE:
            return AmountTooLarge(field="amount")
        case Problem.MAX_AMOUNT:
            return TokenLimit(limit=problem)
    message = f"the intake statement answered {problem!r} and made nothing"
    raise RuntimeError(message)
