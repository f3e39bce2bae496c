"""What the company and the payee do with a credit once it exists."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from jetpay.base.ids import BankFileId, CompanyId, CreditId
from jetpay.base.refusals import FieldError, Invalid, NotFound, Refusal
from jetpay.credits.attempts import (
    Acceptance,
    AcceptedDetails,
    Ended,
    end_attempts,
    open_attempt,
    refused_before,
)
from jetpay.credits.cutoffs import arm_cutoff
from jetpay.credits.holds import hold_duplicates
from jetpay.credits.model import FINAL, Held, LockedCredit, Outcome, State
from jetpay.credits.refusals import (
    Final,
    InBankFile,
    MoveRefused,
    SameDetails,
    TooLate,
    UnlocksUsedUp,
)
from jetpay.credits.states import Cause, Move, lock, move
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.audit import audit
from jetpay.events.model import PAYEE, Actor, Draft, EventType
from jetpay.events.record import record
from jetpay.security.vault import Vault

LINK_LIFE_MINIMUM = timedelta(minutes=15)
LINK_LIFE_MAXIMUM = timedelta(days=365)
UNLOCKS_PER_VERSION = 3
CODE_TRIES = 15
"""Wrong codes of one link version, over all its codes; then it is locked for good."""
LINK_STATES = frozenset({State.REQUESTED, State.ACTION_REQUIRED})


@dataclass(frozen=True, slots=True)
class Link:
    """What the link of a credit is computed from; nothing of it is stored."""

    credit_id: CreditId
    short_id: int
    link_version: int
    link_key_id: int
    expires_at: datetime | None


LAST_FILE = Query(
    BankFileId,
    """
    select bank_file_id from payment_attempt
    where company_id = %(company_id)s and credit_id = %(credit_id)s and bank_file_id is not null
    order by attempt desc limit 1
    """,
    never_null=("bank_file_id",),
)
FUNDS_ARE_OUT = Query(
    bool,
    """
    select not co.sandbox as funds_are_out
    from payment_attempt a join company co on co.company_id = a.company_id
    where a.company_id = %(company_id)s and a.credit_id = %(credit_id)s
      and a.attempt = %(attempt)s and a.outcome = 'returned'
    """,
    never_null=("funds_are_out",),
)
READDRESSED = Query(
    bool,
    """
    select readdressed_at is not null as is_readdressed from credit
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """,
    never_null=("is_readdressed",),
)
LINK = Query(
    Link,
    """
    select c.credit_id, co.short_id, c.link_version, c.link_key_id, c.expires_at
    from credit c join company co using (company_id)
    where c.company_id = %(company_id)s and c.credit_id = %(credit_id)s
    """,
)
REISSUE = Command(
    """
    update credit set link_version = link_version + 1, link_key_id = %(link_key_id)s
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """
)
END_SESSIONS = Command(
    """
    update payee_session set ended_at = %(now)s
    where company_id = %(company_id)s and credit_id = %(credit_id)s and ended_at is null
    """
)
EXTEND = Command(
    """
    update credit set expires_at = %(expires_at)s
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """
)
UNLOCK = Command(
    """
    update link_gate set wrong = 0, pending = 0, locked_at = null, unlocks = unlocks + 1
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s and locked_at is not null and unlocks < %(maximum)s
      and code_wrong < %(codes)s
    """
)
LOCKED_FOR_GOOD = Query(
    int,
    """
    select unlocks from link_gate
    where company_id = %(company_id)s and credit_id = %(credit_id)s
      and link_version = %(link_version)s and locked_at is not null
    """,
)


async def _one(tx: Transaction, company_id: CompanyId, credit_id: CreditId) -> LockedCredit:
    found = await lock(tx, company_id, [credit_id])
    if credit_id not in found:
        raise NotFound
    return found[credit_id]


async def _move_one(
    tx: Transaction, company_id: CompanyId, wanted: Move, *, by: Actor, at: datetime
) -> LockedCredit:
    [answer] = await move(tx, company_id, [wanted], by=by, at=at)
    if isinstance(answer, Refusal):
        raise answer
    return answer


@action
async def accept(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    vault: Vault,
    details: AcceptedDetails,
    evidence: Acceptance,
    at: datetime,
) -> int:
    """The payee says yes: freeze the details as the next attempt; its number is the answer.

    Refuses `MoveRefused` when the credit no longer waits for the payee, `SameDetails` when
    these could not be paid before. A live company's money that came back goes out again when
    it was seen: until then the credit is held.
    """
    credit = await _one(tx, company_id, credit_id)
    expired = credit.expires_at is not None and credit.expires_at <= at
    if expired or (credit.state == State.ACTION_REQUIRED and credit.repairs_left == 0):
        raise MoveRefused(state=State.EXPIRED.value, to=State.INITIATED.value)
    indexes = [details.account_index]
    wrong = await refused_before(tx, company_id, credit_id, details, indexes)
    if wrong is not None:
        raise SameDetails(field=wrong)
    funds_are_out = await FUNDS_ARE_OUT.first(
        tx, company_id=company_id, credit_id=credit_id, attempt=credit.attempt
    )
    readdressed = await READDRESSED.first(tx, company_id=company_id, credit_id=credit_id)
    held = Held.READDRESSED.value if readdressed else None
    if funds_are_out:
        held = Held.AWAITING_RETURNED_FUNDS.value
    accepted = Move(credit_id=credit_id, to=State.INITIATED, cause=Cause.ACCEPTED, held=held)
    await _move_one(tx, company_id, accepted, by=PAYEE, at=at)
    attempt = credit.attempt + 1
    await open_attempt(
        tx, vault, credit, attempt, details=details, evidence=evidence, accepted_at=at
    )
    await hold_duplicates(tx, company_id, [credit_id])
    await arm_cutoff(tx, company_id, credit.from_bank_account_id, at=at)
    return attempt


@action
async def decline(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    reason: str | None,
    at: datetime,
) -> None:
    """The payee does not want the money. Refuses `MoveRefused` once it was accepted."""
    declined = Move(
        credit_id=credit_id, to=State.DECLINED, cause=Cause.DECLINED, decline_reason=reason
    )
    await _move_one(tx, company_id, declined, by=PAYEE, at=at)


@action
async def cancel(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    by: Actor,
    reason: str = "cancelled",
    at: datetime,
) -> None:
    """Take a credit back while it is in no bank file.

    Refuses `InBankFile` after the claim and `TooLate` once it ended.
    """
    credit = await _one(tx, company_id, credit_id)
    if credit.state in (State.PROCESSING, State.COMPLETED):
        file = await LAST_FILE.first(tx, company_id=company_id, credit_id=credit_id)
        raise InBankFile(bank_file=file)
    if credit.state in FINAL:
        raise TooLate(state=credit.state)
    cancelled = Move(
        credit_id=credit_id, to=State.CANCELLED, cause=Cause.CANCELLED, cancel_reason=reason
    )
    await _move_one(tx, company_id, cancelled, by=by, at=at)
    if credit.state == State.INITIATED:
        ended = Ended(credit_id, credit.attempt, Outcome.WITHDRAWN, reason)
        await end_attempts(tx, company_id, [ended], at=at)


async def _with_link(tx: Transaction, company_id: CompanyId, credit_id: CreditId) -> LockedCredit:
    credit = await _one(tx, company_id, credit_id)
    if not credit.by_link:
        raise NotFound
    if credit.state in FINAL:
        raise Final(state=credit.state)
    return credit


class LinkAction(StrEnum):
    """What a company does with a payment link."""

    SHOW = "show"
    REISSUE = "reissue"
    UNLOCK = "unlock"
    EXTEND = "extend"


@action
async def act_on_link(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    what: LinkAction,
    *,
    expires_at: datetime | None,
    link_key_id: int,
    by: Actor,
    at: datetime,
    now: datetime,
) -> Link:
    """One of the actions below, with its audit row; `expires_at` with `extend` alone."""
    match what:
        case LinkAction.SHOW:
            link = await show_link(tx, company_id, credit_id)
        case LinkAction.REISSUE:
            link = await reissue_link(
                tx, company_id, credit_id, link_key_id=link_key_id, by=by, at=at, now=now
            )
        case LinkAction.UNLOCK:
            link = await unlock_link(tx, company_id, credit_id)
        case LinkAction.EXTEND:
            assert expires_at is not None
            link = await extend_link(tx, company_id, credit_id, expires_at=expires_at, at=at)
    await audit(
        tx, company_id, act=f"link.{what}", by=by, object_type="credit", object_id=credit_id, at=now
    )
    return link


@action
async def show_link(tx: Transaction, company_id: CompanyId, credit_id: CreditId) -> Link:
    """What the live link is made of. Refuses `Final` once the credit has ended."""
    await _with_link(tx, company_id, credit_id)
    return await LINK.one(tx, company_id=company_id, credit_id=credit_id)


@action
async def reissue_link(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    link_key_id: int,
    by: Actor,
    at: datetime,
    now: datetime,
    readdressed: bool = False,
) -> Link:
    """Make every older link dead and end every session that came through one.

    `now`: real time, for the sessions. `readdressed`: it goes to another address.
    """
    credit = await _with_link(tx, company_id, credit_id)
    await REISSUE.run(tx, company_id=company_id, credit_id=credit_id, link_key_id=link_key_id)
    await END_SESSIONS.run(tx, company_id=company_id, credit_id=credit_id, now=now)
    record(
        tx,
        Draft(
            company_id=company_id,
            type=EventType.CREDIT_LINK_REISSUED,
            subject_id=credit_id,
            at=at,
            actor=by,
            data={"state": credit.state} | ({"readdressed": True} if readdressed else {}),
        ),
    )
    return await LINK.one(tx, company_id=company_id, credit_id=credit_id)


@action
async def unlock_link(tx: Transaction, company_id: CompanyId, credit_id: CreditId) -> Link:
    """Give a locked link its tries back, three times per version.

    Refuses `UnlocksUsedUp` afterwards, or once all tries of codes were wrong: only a new link helps
    then. Unlocking an open one
    changes nothing.
    """
    credit = await _with_link(tx, company_id, credit_id)
    gate = {
        "company_id": company_id,
        "credit_id": credit_id,
        "link_version": credit.link_version,
    }
    unlocked = await UNLOCK.run(tx, maximum=UNLOCKS_PER_VERSION, codes=CODE_TRIES, **gate)
    if not unlocked and await LOCKED_FOR_GOOD.first(tx, **gate) is not None:
        raise UnlocksUsedUp
    return await LINK.one(tx, company_id=company_id, credit_id=credit_id)


@action
async def extend_link(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    expires_at: datetime,
    at: datetime,
) -> Link:
    """Let the payee have until `expires_at`. Refuses `MoveRefused` when nobody waits for them."""
    credit = await _with_link(tx, company_id, credit_id)
    if credit.state not in LINK_STATES:
        raise MoveRefused(state=credit.state, to="extended")
    check_expiry(expires_at, at)
    await EXTEND.run(tx, company_id=company_id, credit_id=credit_id, expires_at=expires_at)
    return await LINK.one(tx, company_id=company_id, credit_id=credit_id)


def check_expiry(expires_at: datetime, at: datetime) -> None:
    """Refuses `Invalid` unless the time is 15 minutes to 365 days ahead of business time."""
    if not at + LINK_LIFE_MINIMUM <= expires_at <= at + LINK_LIFE_MAXIMUM:
        message = "Choose a time between 15 minutes and 365 days from now."
        raise Invalid([FieldError("expires_at", "out_of_range", message)])
