"""Payment attempts: everything a bank file needs, frozen at acceptance, one outcome each."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import BankAccountId, CompanyId, CreditId
from jetpay.credits.model import LockedCredit, Outcome
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import OpensTransactions, Transaction
from jetpay.rails.fail_reasons import FAIL_REASONS, Direction
from jetpay.rails.references import make_reference
from jetpay.security.vault import Vault

TABLE, COLUMN = "payment_attempt", "details"
PAYEES_REASONS = [name for name, each in FAIL_REASONS.items() if each.direction is Direction.PUSH]
FIELD_AT_FAULT = {"details_invalid": "holder_name", "account_type_refused": "account_type"}
"""By reason, where it is not the account; another one of these may be paid into the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedDetails:
    """Where the money shall go. `numbers` are the scheme's own fields; `account_index` blind."""

    scheme: str
    holder_name: str
    holder_type: str = "person"
    account_type: str = "chequing"
    numbers: dict[str, str]
    account_index: bytes
    last3: str

    def __repr__(self) -> str:
        return f"AcceptedDetails({self.scheme}, •••{self.last3})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Acceptance:
    """The evidence that somebody said yes: what they read, and through which gate they came."""

    gate: str
    consent_text: str | None = None
    consent_language: str | None = None
    session_id: bytes | None = None
    client_network: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt and how it ended. `code`: the bank's own word."""

    credit_id: CreditId
    attempt: int
    outcome: Outcome
    reason: str | None = None
    code: str | None = None


@dataclass(frozen=True, slots=True)
class _LastAttempt:
    credit_id: CreditId
    attempt: int
    reference: str
    from_bank_account_id: BankAccountId
    amount: int
    currency: str
    to_bank_account_id: BankAccountId | None
    holder_name: str
    holder_type: str
    scheme: str
    account_type: str
    details: bytes
    account_index: bytes
    last3: str
    accepted_at: datetime
    consent_text: str | None
    consent_language: str | None
    gate: str
    session_id: bytes | None
    client_network: str | None


INSERT = Command(
    """
    insert into payment_attempt (company_id, credit_id, attempt, reference, from_bank_account_id,
      amount, currency, to_bank_account_id, holder_name, holder_type, scheme, account_type,
      details, account_index, last3, accepted_at, consent_text, consent_language, gate,
      session_id, client_network)
    values (%(company_id)s, %(credit_id)s, %(attempt)s, %(reference)s, %(from_bank_account_id)s,
      %(amount)s, %(currency)s, %(to_bank_account_id)s, %(holder_name)s, %(holder_type)s,
      %(scheme)s, %(account_type)s, %(details)s, %(account_index)s, %(last3)s, %(accepted_at)s,
      %(consent_text)s, %(consent_language)s, %(gate)s, %(session_id)s, %(client_network)s)
    """
)

LAST = Query(
    _LastAttempt,
    """
    select a.credit_id, a.attempt, a.reference, a.from_bank_account_id, a.amount, a.currency,
           a.to_bank_account_id, a.holder_name, a.holder_type, a.scheme, a.account_type,
           a.details, a.account_index, a.last3, a.accepted_at, a.consent_text,
           a.consent_language, a.gate, a.session_id, a.client_network
    from unnest(%(credit_ids)s::uuid[]) as wanted(credit_id)
    join lateral (
      select credit_id, attempt, reference, from_bank_account_id, amount, currency,
             to_bank_account_id, holder_name, holder_type, scheme, account_type, details,
             account_index, last3, accepted_at, consent_text, consent_language, gate,
             session_id, client_network
      from payment_attempt
      where company_id = %(company_id)s and credit_id = wanted.credit_id
      order by attempt desc limit 1) a on true
    """,
)

# Only reasons on the payee's side; a file that was refused says nothing about the account.
REFUSED = Query(
    str,
    """
    select outcome_reason from payment_attempt
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and outcome in ('returned', 'rejected') and outcome_reason = any(%(reasons)s::text[])
      and account_index = any(%(account_indexes)s::bytea[])
      and case outcome_reason when 'details_invalid' then holder_name = %(holder_name)s
                              when 'account_type_refused' then account_type = %(account_type)s
                              else true end
    order by attempt desc limit 1
    """,
    never_null=("outcome_reason",),
)

END = Command(
    """
    update payment_attempt a set outcome = e.outcome, outcome_at = %(at)s,
      outcome_reason = e.reason, outcome_code = e.code
    from unnest(%(credit_ids)s::uuid[], %(attempts)s::smallint[], %(outcomes)s::text[],
                %(reasons)s::text[], %(codes)s::text[])
         as e(credit_id, attempt, outcome, reason, code)
    where a.company_id = %(company_id)s and a.credit_id = e.credit_id
      and a.attempt = e.attempt and a.outcome is null
    """
)


def place_key(credit_id: CreditId, attempt: int) -> bytes:
    """The vault's row key of an attempt's details: they open at this attempt alone."""
    return credit_id.bytes + attempt.to_bytes(4, "big")


async def open_attempt(
    tx: Transaction,
    vault: Vault,
    credit: LockedCredit,
    attempt: int,
    *,
    details: AcceptedDetails,
    evidence: Acceptance,
    to_bank_account_id: BankAccountId | None = None,
    accepted_at: datetime,
) -> None:
    """Freeze what was accepted. The database refuses a second attempt without outcome."""
    sealed = await vault.seal(
        tx,
        credit.company_id,
        table=TABLE,
        column=COLUMN,
        row_key=place_key(credit.credit_id, attempt),
        value=details.numbers,
    )
    await INSERT.run(
        tx,
        company_id=credit.company_id,
        credit_id=credit.credit_id,
        attempt=attempt,
        reference=make_reference(),
        from_bank_account_id=credit.from_bank_account_id,
        amount=credit.amount,
        currency=credit.currency,
        to_bank_account_id=to_bank_account_id,
        holder_name=details.holder_name,
        holder_type=details.holder_type,
        scheme=details.scheme,
        account_type=details.account_type,
        details=sealed,
        account_index=details.account_index,
        last3=details.last3,
        accepted_at=accepted_at,
        consent_text=evidence.consent_text,
        consent_language=evidence.consent_language,
        gate=evidence.gate,
        session_id=evidence.session_id,
        client_network=evidence.client_network,
    )


async def refused_before(
    tx: OpensTransactions | Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    details: AcceptedDetails,
    account_indexes: Sequence[bytes],
) -> str | None:
    """The field to change before these details can be paid; None if nobody refused them yet.

    `account_indexes`: every blind index that an equal account may have been given.
    """
    reason = await REFUSED.first(
        tx,
        company_id=company_id,
        credit_id=credit_id,
        reasons=PAYEES_REASONS,
        account_indexes=list(account_indexes),
        holder_name=details.holder_name,
        account_type=details.account_type,
    )
    return reason and FIELD_AT_FAULT.get(reason, "account_number")


async def end_attempts(
    tx: Transaction, company_id: CompanyId, ended: Sequence[Ended], *, at: datetime
) -> None:
    """Give each attempt its one outcome; an attempt that has one already is a defect."""
    count = await END.run(
        tx,
        company_id=company_id,
        at=at,
        credit_ids=[e.credit_id for e in ended],
        attempts=[e.attempt for e in ended],
        outcomes=[e.outcome.value for e in ended],
        reasons=[e.reason for e in ended],
        codes=[e.code for e in ended],
    )
    if count != len(ended):
        message = "a payment attempt had its outcome already"
        raise RuntimeError(message)


async def renew_attempts(
    tx: Transaction,
    vault: Vault,
    credits_before: Sequence[LockedCredit],
) -> None:
    """Open attempt n+1 with what was accepted for attempt n, which must have ended.

    `credits_before`: the credits as they were before they moved back to `initiated`.
    """
    if not credits_before:
        return
    company_id = credits_before[0].company_id
    by_id = {credit.credit_id: credit for credit in credits_before}
    for last in await LAST.all(tx, company_id=company_id, credit_ids=list(by_id)):
        numbers = await vault.open(
            tx,
            company_id,
            table=TABLE,
            column=COLUMN,
            row_key=place_key(last.credit_id, last.attempt),
            blob=last.details,
        )
        await open_attempt(
            tx,
            vault,
            by_id[last.credit_id],
            last.attempt + 1,
            details=AcceptedDetails(
                scheme=last.scheme,
                holder_name=last.holder_name,
                holder_type=last.holder_type,
                account_type=last.account_type,
                numbers={name: str(value) for name, value in numbers.items()},
                account_index=last.account_index,
                last3=last.last3,
            ),
            evidence=Acceptance(
                gate=last.gate,
                consent_text=last.consent_text,
                consent_language=last.consent_language,
                session_id=last.session_id,
                client_network=last.client_network,
            ),
            to_bank_account_id=last.to_bank_account_id,
            accepted_at=last.accepted_at,
        )
