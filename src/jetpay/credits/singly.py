"""Births of credits that need more than the shared batch: each in a transaction of its own."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from jetpay.bank_accounts.model import REACHED
from jetpay.banking.schemes import account_from, numbers_of
from jetpay.base.ids import BankAccountId, CompanyId, ContactId, TokenId
from jetpay.base.refusals import Unauthorized
from jetpay.companies.questions import PreparedQuestion, add_question
from jetpay.companies.refusals import LacksScope
from jetpay.credits.attempts import Acceptance, AcceptedDetails, open_attempt
from jetpay.credits.cutoffs import arm_cutoff
from jetpay.credits.holds import hold_duplicates
from jetpay.credits.intake import Made, NewCredit, intake, metadata_text
from jetpay.credits.model import State
from jetpay.credits.refusals import (
    AmountTooLarge,
    BankAccountReturned,
    CurrencyMismatch,
    TokenLimit,
    not_found,
)
from jetpay.credits.states import birth_transfer, lock
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import Actor, ActorKind, Draft, EventType
from jetpay.events.record import record
from jetpay.ledger.posting import post
from jetpay.security.vault import Vault

GATE_NONE = "to_bank_account"
"""Nobody was asked: the company named an account it had on file."""


class NothingMade(Exception):
    """Rolls the transaction back; `made` says why nothing was made."""

    def __init__(self, made: Made | None) -> None:
        self.made = made
        super().__init__("nothing was made")


@dataclass(frozen=True, slots=True)
class _Account:
    bank_account_id: BankAccountId
    contact_id: ContactId | None
    currency: str
    scheme: str
    holder_name: str
    holder_type: str
    account_type: str
    details: bytes | None
    account_index: bytes
    last3: str
    credit_limit: int | None
    rail: str | None
    returned_at: datetime | None


@dataclass(frozen=True, slots=True)
class _Token:
    max_amount: int | None
    max_per_day: int | None
    may_pay_accounts: bool


@dataclass(frozen=True, slots=True)
class _Surroundings:
    clock_offset: timedelta
    language: str


@dataclass(frozen=True, slots=True)
class _Names:
    company: str
    contact: str | None


NAMES = Query(
    _Names,
    """
    select co.name as company, c.name as contact
    from contact c join company co on co.company_id = c.company_id
    where c.company_id = %(company_id)s and c.contact_id = %(contact_id)s
      and c.erased_at is null
    """,
)
COUNT_OF_DAY = Query(
    int,
    """
    insert into token_day (company_id, token_id, day, amount)
    select company_id, token_id, (%(now)s::timestamptz at time zone 'UTC')::date, %(amount)s
    from api_token
    where company_id = %(company_id)s and token_id = %(token_id)s
      and (max_per_day is null or %(amount)s <= max_per_day)
    on conflict (company_id, token_id, day) do update
      set amount = token_day.amount + excluded.amount
      where token_day.amount + excluded.amount
        <= (select max_per_day from api_token
            where company_id = %(company_id)s and token_id = %(token_id)s)
    returning 1
    """,
)
ACCOUNTS = Query(
    _Account,
    """
    select bank_account_id, contact_id, currency, scheme, holder_name, holder_type,
           account_type, details, account_index, last3, credit_limit, rail, returned_at
    from bank_account
    where company_id = %(company_id)s and bank_account_id = any(%(identifiers)s::uuid[])
      and deleted_at is null
    for key share
    """,
)
TOKEN = Query(
    _Token,
    """
    select max_amount, max_per_day, scopes @> '{credits,bank_accounts}' as may_pay_accounts
    from api_token
    where company_id = %(company_id)s and token_id = %(token_id)s
      and revoked_at is null and (expires_at is null or expires_at > %(now)s)
      and (allowed_networks is null
           or coalesce(%(client)s::inet <<= any(allowed_networks), false))
    """,
    never_null=("may_pay_accounts",),
)
# Held until the commit, so that the contact cannot be erased meanwhile.
SURROUNDINGS = Query(
    _Surroundings,
    """
    select co.clock_offset, c.language
    from contact c join company co on co.company_id = c.company_id
    where c.company_id = %(company_id)s and c.contact_id = %(contact_id)s
      and c.erased_at is null
    for key share of c
    """,
)
INSERT_INITIATED = Command(
    """
    insert into credit (company_id, credit_id, state, amount, currency, statement, note,
      from_bank_account_id, contact_id, to_bank_account_id, language, link_key_id, by_link,
      notify, repairs_left, metadata, external_id, idempotency_key, fingerprint, made_by,
      created_at, attempt, accepted_at, ready_at)
    values (%(company_id)s, %(credit_id)s, 'initiated', %(amount)s, %(currency)s,
      %(statement)s, %(note)s, %(from_account)s, %(contact_id)s, %(to_account)s, %(language)s,
      %(link_key_id)s, false, false, 0, %(metadata)s::jsonb, %(external_id)s, %(key)s,
      %(fingerprint)s, %(made_by)s, %(at)s, 1, %(at)s, %(at)s)
    on conflict do nothing
    """
)


@action
async def create_singly(
    tx: Transaction,
    company_id: CompanyId,
    token_id: TokenId,
    item: NewCredit,
    *,
    question: PreparedQuestion | None,
    counted: bool,
    link_key_id: int,
    now: datetime,
) -> Made:
    """A credit by link with its own question, or by a token that may make so much a day.

    Raises `NothingMade` (and keeps nothing) and `TokenLimit`. `now`: real time.
    """
    if counted:
        await _count(tx, company_id, token_id, item.request.amount, now=now)
    if question is not None:
        await add_question(tx, company_id, question, at=now)
    made = await intake(tx, [item], link_key_id=link_key_id, at=now, counted=counted)
    row = made[item.credit_id]
    if not row.made:
        raise NothingMade(row)
    return row


@action
async def create_to_account(
    tx: Transaction,
    company_id: CompanyId,
    token_id: TokenId,
    item: NewCredit,
    to_bank_account_id: BankAccountId,
    *,
    vault: Vault,
    link_key_id: int,
    now: datetime,
) -> None:
    """A credit to an account that the contact has on file: born `initiated`, with attempt 1.

    Raises `NothingMade` when it collides with another credit, `Unauthorized` and `Forbidden` as
    the token is now, `Invalid` for what is not the company's, `AmountTooLarge`, `TokenLimit`,
    `CurrencyMismatch` and `BankAccountReturned`.
    """
    await _check_token(tx, company_id, token_id, item, now=now)
    around = await SURROUNDINGS.first(tx, company_id=company_id, contact_id=item.request.contact_id)
    if around is None:
        raise not_found("contact_id")
    source, target = await _accounts(tx, company_id, item, to_bank_account_id)
    at = now + around.clock_offset
    inserted = await INSERT_INITIATED.run(
        tx,
        company_id=company_id,
        credit_id=item.credit_id,
        amount=item.request.amount,
        currency=source.currency,
        statement=item.request.statement,
        note=item.request.note,
        from_account=source.bank_account_id,
        contact_id=item.request.contact_id,
        to_account=target.bank_account_id,
        language=around.language,
        link_key_id=link_key_id,
        metadata=metadata_text(item.request),
        external_id=item.request.external_id,
        key=item.idempotency_key,
        fingerprint=item.fingerprint,
        made_by=token_id,
        at=at,
    )
    if not inserted:
        raise NothingMade(None)
    await _first_attempt(tx, company_id, item, target, vault=vault, at=at)
    await hold_duplicates(tx, company_id, [item.credit_id])
    await arm_cutoff(tx, company_id, source.bank_account_id, at=at)
    _tell(tx, company_id, token_id, item, at=at)


def _tell(
    tx: Transaction, company_id: CompanyId, token_id: TokenId, item: NewCredit, *, at: datetime
) -> None:
    created = Draft(
        company_id=company_id,
        type=EventType.CREDIT_CREATED,
        subject_id=item.credit_id,
        at=at,
        actor=Actor(ActorKind.TOKEN, token_id),
        to_state=State.INITIATED.value,
        because="created",
    )
    record(tx, created)


async def _check_token(
    tx: Transaction,
    company_id: CompanyId,
    token_id: TokenId,
    item: NewCredit,
    *,
    now: datetime,
) -> None:
    token = await TOKEN.first(
        tx, company_id=company_id, token_id=token_id, client=item.client, now=now
    )
    if token is None:
        raise Unauthorized
    if not token.may_pay_accounts:
        raise LacksScope(scope="credits and bank_accounts")
    if token.max_amount is not None and item.request.amount > token.max_amount:
        raise TokenLimit(limit="max_amount")
    if token.max_per_day is not None:
        await _count(tx, company_id, token_id, item.request.amount, now=now)


async def _count(
    tx: Transaction, company_id: CompanyId, token_id: TokenId, amount: int, *, now: datetime
) -> None:
    counted = await COUNT_OF_DAY.first(
        tx, company_id=company_id, token_id=token_id, amount=amount, now=now
    )
    if counted is None:
        raise TokenLimit(limit="max_per_day")


async def _accounts(
    tx: Transaction, company_id: CompanyId, item: NewCredit, to_bank_account_id: BankAccountId
) -> tuple[_Account, _Account]:
    identifiers = [item.request.from_bank_account, to_bank_account_id]
    found = {
        account.bank_account_id: account
        for account in await ACCOUNTS.all(tx, company_id=company_id, identifiers=identifiers)
    }
    source = found.get(item.request.from_bank_account)
    target = found.get(to_bank_account_id)
    if source is None or source.contact_id is not None:
        raise not_found("from_bank_account")
    if target is None or target.contact_id != item.request.contact_id:
        raise not_found("to_bank_account")
    if source.credit_limit is not None and item.request.amount > source.credit_limit:
        raise AmountTooLarge(field="amount")
    if REACHED.get((source.rail or "", source.currency)) != target.scheme:
        raise CurrencyMismatch(field="to_bank_account")
    if target.returned_at is not None:
        raise BankAccountReturned(field="to_bank_account")
    return source, target


async def _first_attempt(
    tx: Transaction,
    company_id: CompanyId,
    item: NewCredit,
    target: _Account,
    *,
    vault: Vault,
    at: datetime,
) -> None:
    credit = (await lock(tx, company_id, [item.credit_id]))[item.credit_id]
    assert target.details is not None
    opened = await vault.open(
        tx,
        company_id,
        table="bank_account",
        column="details",
        row_key=target.bank_account_id.bytes,
        blob=target.details,
    )
    numbers = numbers_of(account_from(target.scheme, opened))
    details = AcceptedDetails(
        scheme=target.scheme,
        holder_name=target.holder_name,
        holder_type=target.holder_type,
        account_type=target.account_type,
        numbers=numbers,
        account_index=target.account_index,
        last3=target.last3,
    )
    await open_attempt(
        tx,
        vault,
        credit,
        credit.attempt,
        details=details,
        evidence=Acceptance(gate=GATE_NONE),
        to_bank_account_id=target.bank_account_id,
        accepted_at=at,
    )
    await post(tx, company_id, [birth_transfer(credit, at)])
