"""Sessions of payees: who passed the gate of a credit, in which browser, and for how long."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from jetpay.base.ids import CompanyId, CreditId
from jetpay.credits.model import LockedCredit, State
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import OpensTransactions, Transaction, action
from jetpay.security.secrets import Secret
from jetpay.security.visits import make_session, session_digest

IDLE: Final = timedelta(minutes=20)
ABSOLUTE: Final = timedelta(minutes=60)
REPAIR: Final = timedelta(minutes=20)
"""New bank details for a returned payment need a gate that was passed this lately."""
DRAFT_LASTS: Final = timedelta(minutes=60)
KEPT: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True)
class PayeeSession:
    """A browser that passed the gate. `read_only`: it may follow the payment, nothing else."""

    digest: bytes
    company_id: CompanyId
    credit_id: CreditId
    link_version: int
    gate: str
    read_only: bool
    created_at: datetime
    seen_at: datetime
    ended_at: datetime | None

    def is_alive(self, *, state: State, link_version: int, now: datetime) -> bool:
        """Whether it still opens this credit; `now` is real time, never a company's."""
        if self.ended_at is not None or self.link_version != link_version:
            return False
        if now - self.seen_at >= IDLE or now - self.created_at >= ABSOLUTE:
            return False
        if state is State.ACTION_REQUIRED:
            return not self.read_only and now - self.created_at < REPAIR
        # The one accepting session was made read-only with the acceptance.
        return self.read_only or state is State.REQUESTED


# Found by the cookie's digest, before the company is known.
FIND: Final = Query(
    PayeeSession,
    """
    select digest, company_id, credit_id, link_version, gate, read_only, created_at, seen_at,
           ended_at
    from payee_session where digest = %(digest)s
    """,
)
# A row lock, so that two forms of one session follow each other.
FIND_LOCKED: Final = Query(
    PayeeSession,
    """
    select digest, company_id, credit_id, link_version, gate, read_only, created_at, seen_at,
           ended_at
    from payee_session where company_id = %(company_id)s and digest = %(digest)s
    for no key update
    """,
)
START: Final = Command(
    """
    insert into payee_session (digest, company_id, credit_id, link_version, gate, read_only,
                               created_at, seen_at)
    values (%(digest)s, %(company_id)s, %(credit_id)s, %(link_version)s, %(gate)s,
            %(read_only)s, %(now)s, %(now)s)
    """
)
SEEN: Final = Command(
    """
    update payee_session set seen_at = %(now)s
    where digest = %(digest)s and company_id = %(company_id)s and ended_at is null
      and seen_at < %(now)s
    """
)
END: Final = Command(
    """
    update payee_session set ended_at = %(now)s
    where digest = %(digest)s and company_id = %(company_id)s and ended_at is null
    """
)
END_OTHERS: Final = Command(
    """
    update payee_session
    set ended_at = case when digest = %(kept)s then ended_at else %(now)s end, read_only = true
    where company_id = %(company_id)s and credit_id = %(credit_id)s and ended_at is null
    """
)
END_DRAFT: Final = Command(
    "delete from payee_draft where company_id = %(company_id)s and session_digest = %(digest)s"
)
END_DRAFTS: Final = Command(
    """
    delete from payee_draft d using payee_session s
    where d.company_id = %(company_id)s and s.company_id = %(company_id)s
      and s.credit_id = %(credit_id)s and d.session_digest = s.digest
    """
)
# Housekeeping of the worker, over all companies.
FORGET_DRAFTS: Final = Command(
    """
    delete from payee_draft d using payee_session s
    where d.company_id = s.company_id and d.session_digest = s.digest
      and d.created_at < %(before)s
    """
)
FORGET_SESSIONS: Final = Command("delete from payee_session where created_at < %(before)s")


async def find_session(
    tx: OpensTransactions | Transaction, cookie_value: str
) -> PayeeSession | None:
    """The session of a cookie, dead or alive; None for a stranger's or a misspelled one."""
    digest = session_digest(cookie_value)
    return None if digest is None else await FIND.first(tx, digest=digest)


async def may_still_act(tx: Transaction, session: PayeeSession, credit: LockedCredit) -> bool:
    """Whether nobody ended it since the request was read; `credit` is locked.

    A link that was issued again, or a yes elsewhere, holds from its commit on.
    """
    found = await FIND_LOCKED.first(tx, company_id=session.company_id, digest=session.digest)
    return (
        found is not None
        and found.ended_at is None
        and not found.read_only
        and found.link_version == credit.link_version
    )


async def start_session(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    link_version: int,
    read_only: bool,
    now: datetime,
) -> Secret[str]:
    """A new session after a right answer; the cookie's value, of which only a digest is kept."""
    cookie_value = make_session()
    await START.run(
        tx,
        digest=session_digest(cookie_value.reveal()),
        company_id=company_id,
        credit_id=credit_id,
        link_version=link_version,
        gate="question",
        read_only=read_only,
        now=now,
    )
    return cookie_value


async def touch(
    tx: OpensTransactions | Transaction, session: PayeeSession, *, now: datetime
) -> None:
    """Something was posted, so the idle time starts again."""
    await SEEN.run(tx, digest=session.digest, company_id=session.company_id, now=now)


@action
async def end_session(tx: Transaction, session: PayeeSession, *, now: datetime) -> None:
    """The payee leaves; what they typed goes with it."""
    await END.run(tx, digest=session.digest, company_id=session.company_id, now=now)
    await END_DRAFT.run(tx, digest=session.digest, company_id=session.company_id)


async def end_sessions(
    tx: Transaction,
    company_id: CompanyId,
    credit_id: CreditId,
    *,
    kept: bytes | None = None,
    now: datetime,
) -> None:
    """End every session of the credit but `kept`, which may only read from now on."""
    await END_DRAFTS.run(tx, company_id=company_id, credit_id=credit_id)
    await END_OTHERS.run(tx, company_id=company_id, credit_id=credit_id, kept=kept or b"", now=now)


@action
async def forget_old(tx: Transaction, *, now: datetime) -> int:
    """For the worker: drop typed bank details after an hour, and sessions after 30 days."""
    drafts = await FORGET_DRAFTS.run(tx, before=now - DRAFT_LASTS)
    return drafts + await FORGET_SESSIONS.run(tx, before=now - KEPT)
