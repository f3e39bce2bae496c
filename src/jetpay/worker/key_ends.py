"""The end of a working key: what still names it, and what dies with it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from jetpay.base.ids import CompanyId, CreditId
from jetpay.credits.model import FINAL, State
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import OPERATOR, Draft, EventType
from jetpay.events.record import record
from jetpay.security.encoding import INSTALLATION
from jetpay.security.keys import Purpose
from jetpay.security.rootkeys import KeyProblem
from jetpay.security.rotation import destroy, refuse_to_destroy
from jetpay.services import Services

KILLED_AT_ONCE: Final = 500


class KeyInUse(KeyProblem):
    """Rows still name the key: without it their links, answers or details are dead."""


@dataclass(frozen=True, slots=True)
class Use:
    """So many rows of a kind name the key."""

    what: str
    count: int


@dataclass(frozen=True, slots=True)
class Killed:
    """A credit whose link died; `clock_offset`: of its company."""

    company_id: CompanyId
    credit_id: CreditId
    state: State
    clock_offset: timedelta


USES_OF_LINK = Query(
    Use,
    """
    select case when state in ('failed', 'cancelled', 'declined', 'expired') then 'ended credits'
                else 'open credits' end as what, count(*) as count
    from credit where by_link and link_key_id = %(number)s group by 1 order by 1
    """,
    never_null=("what", "count"),
)
USES_OF_PEPPER = Query(
    Use,
    """
    select 'security questions' as what, count(*) as count from security_question
    where pepper_key_id = %(number)s and answer_hash <> ''
    union all
    select 'passwords', count(*) from member where password_hash like %(number)s::int || ':%%'
    """,
    never_null=("what", "count"),
)
# A removed account has lost its numbers: with the key it will merely not be recognised any more.
USES_OF_INDEX = Query(
    Use,
    """
    select 'bank accounts' as what, count(*) as count from bank_account
    where details is not null
      and substring(account_index from 2 for 1) = set_byte('\\x00'::bytea, 0, %(number)s::int)
    union all
    select 'payment attempts', count(*) from payment_attempt
    where substring(account_index from 2 for 1) = set_byte('\\x00'::bytea, 0, %(number)s::int)
    """,
    never_null=("what", "count"),
)
USES_OF_FINGERPRINT = Query(
    Use,
    """
    select 'idempotency keys of credits' as what, count(*) as count from credit
    where substring(fingerprint from 1 for 1) = set_byte('\\x00'::bytea, 0, %(number)s::int)
    union all
    select 'other idempotency keys', count(*) from idempotency
    where substring(fingerprint from 1 for 1) = set_byte('\\x00'::bytea, 0, %(number)s::int)
    """,
    never_null=("what", "count"),
)
USES_OF_SEAL = Query(
    Use,
    """
    select 'bank accounts' as what, count(*) as count from bank_account
    where company_id = %(company_id)s and substring(details from 3 for 4) = %(sealed_with)s
    union all
    select 'payment attempts', count(*) from payment_attempt
    where company_id = %(company_id)s and substring(details from 3 for 4) = %(sealed_with)s
    union all
    select 'webhooks', count(*) from webhook
    where company_id = %(company_id)s
      and (substring(api_key from 3 for 4) = %(sealed_with)s
           or substring(signing_secret from 3 for 4) = %(sealed_with)s
           or substring(previous_secret from 3 for 4) = %(sealed_with)s)
    union all
    select 'answers of webhooks, which go within 30 days', count(*) from webhook_attempt
    where company_id = %(company_id)s and substring(answer from 3 for 4) = %(sealed_with)s
    union all
    select 'mails, which go within 90 days', count(*) from mail
    where company_id = %(company_id)s
      and (substring(recipient from 3 for 4) = %(sealed_with)s
           or substring(body from 3 for 4) = %(sealed_with)s)
    union all
    select 'drafts of payees, which go within an hour', count(*) from payee_draft
    where company_id = %(company_id)s and substring(details from 3 for 4) = %(sealed_with)s
    union all
    select 'bank files, which are kept as they were sent', count(*) from bank_file_bytes
    where company_id = %(company_id)s and chunk = 0
      and substring(bytes from 3 for 4) = %(sealed_with)s
    """,
    never_null=("what", "count"),
)
# Receipts are not kept: these are the payments of which there may be one.
USES_OF_RECEIPT = Query(
    Use,
    """
    select 'payments whose receipts it may have signed' as what, count(*) as count from credit
    where by_link and state in ('processing', 'completed') and %(number)s::int > 0
    """,
    never_null=("what", "count"),
)
USES: Final[Mapping[str, Query[Use]]] = {
    Purpose.LINK: USES_OF_LINK,
    Purpose.PEPPER: USES_OF_PEPPER,
    Purpose.INDEX: USES_OF_INDEX,
    Purpose.FINGERPRINT: USES_OF_FINGERPRINT,
    Purpose.SEAL: USES_OF_SEAL,
    Purpose.RECEIPT_RS256: USES_OF_RECEIPT,
}
"""Purposes whose keys are ended by hand; the others end by themselves."""

KILLABLE: Final = frozenset({Purpose.LINK, Purpose.PEPPER, Purpose.RECEIPT_RS256})
"""What dies with these can be made anew; with the others, money's history or details would go."""

KILL = Query(
    Killed,
    """
    with chosen as (
      select c.company_id, c.credit_id, co.clock_offset
      from credit c join company co on co.company_id = c.company_id
      where c.by_link and c.link_key_id = %(number)s
      order by c.company_id, c.credit_id limit %(maximum)s
      for no key update of c)
    update credit c set link_version = c.link_version + 1, link_key_id = %(next)s
    from chosen n
    where c.company_id = n.company_id and c.credit_id = n.credit_id
    returning c.company_id, c.credit_id, c.state, n.clock_offset
    """,
)
END_SESSIONS = Command(
    """
    update payee_session s set ended_at = %(now)s
    from unnest(%(companies)s::uuid[], %(credits)s::uuid[]) as k(company_id, credit_id)
    where s.company_id = k.company_id and s.credit_id = k.credit_id and s.ended_at is null
    """
)


async def end_key(
    services: Services,
    purpose: str,
    number: int,
    *,
    company_id: CompanyId | None = None,
    kills_links: bool = False,
) -> int:
    """Destroys a key that has gone out of use; how many links died with it.

    With `kills_links` also a `link` key that credits name, which get a new link that is told by an
    event, a `pepper` that questions name, whose answers nobody can give any more, and a key of
    receipts, which nobody can check any more. Raises
    `KeyProblem`: `KeyInUse` names what the key is needed for.
    """
    if purpose not in USES:
        raise KeyProblem(f"Keys for '{purpose}' are not ended by hand, or there are none.")
    if (purpose == Purpose.SEAL) != (company_id is not None):
        raise KeyProblem("A seal key is one company's, which --company names; others are nobody's.")
    owner, now = company_id or INSTALLATION, services.clock.now()
    await refuse_to_destroy(services.db, purpose, number, company_id=owner, at=now)
    uses = await uses_of(services, purpose, number, owner)
    if uses and not (kills_links and purpose in KILLABLE):
        raise KeyInUse(_sentence(purpose, number, uses))
    killed = 0
    while purpose == Purpose.LINK and (some := await _kill(services.db, services, number, now=now)):
        killed += some
    await destroy(services.db, purpose, number, company_id=owner, at=now)
    await services.keyring.refresh(services.db)
    return killed


async def uses_of(services: Services, purpose: str, number: int, owner: UUID) -> list[Use]:
    """What names the key, as far as it does."""
    query = USES[purpose]
    known = {"number": number, "company_id": owner, "sealed_with": number.to_bytes(4, "big")}
    found = await query.all(services.db, **{name: known[name] for name in query.names})
    return [use for use in found if use.count]


@action
async def _kill(tx: Transaction, services: Services, number: int, *, now: datetime) -> int:
    """Some links, by the version and key that a re-issue would give them."""
    next_key = services.keyring.active(Purpose.LINK).number
    killed = await KILL.all(tx, number=number, next=next_key, maximum=KILLED_AT_ONCE)
    await END_SESSIONS.run(
        tx,
        companies=[each.company_id for each in killed],
        credits=[each.credit_id for each in killed],
        now=now,
    )
    drafts = [
        Draft(
            company_id=each.company_id,
            type=EventType.CREDIT_LINK_REISSUED,
            subject_id=each.credit_id,
            at=now + each.clock_offset,
            actor=OPERATOR,
            data={"state": each.state},
        )
        for each in killed
        if each.state not in FINAL
    ]
    if drafts:
        record(tx, *drafts)
    return len(killed)


def _sentence(purpose: str, number: int, uses: list[Use]) -> str:
    named = ", ".join(f"{use.what} ({use.count})" for use in uses)
    kill = {
        Purpose.LINK: " --kill-links ends their links: each open credit gets a new one.",
        Purpose.PEPPER: " --kill-links makes their answers impossible to give.",
        Purpose.RECEIPT_RS256: " --kill-links makes its receipts impossible to check.",
    }.get(Purpose(purpose), "")
    return f"The {purpose} key number {number} is still needed for {named}.{kill}"
