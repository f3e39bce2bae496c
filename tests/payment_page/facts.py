"""What the database says of a credit, and what a bank would do to it."""

from datetime import timedelta
from typing import Any

from psycopg.rows import tuple_row

from jetpay.credits.attempts import Ended, end_attempts
from jetpay.credits.model import Outcome, State
from jetpay.credits.states import Cause, Move, move
from jetpay.db.pool import Database
from jetpay.events.model import FILE_BUILDER, REPORT_READER, Actor
from jetpay.services import Services
from tests.payment_page.conftest import Link

TABLES = (
    "api_token", "audit", "bank_account", "company", "contact", "credit", "due", "event",
    "event_counter", "former_address", "link_gate", "mail", "network_limit", "payee_code",
    "payee_draft", "payee_session",
    "payment_attempt", "secret_key", "transfer",
)  # fmt: skip


async def ask(db: Database, sql: str, *values: object) -> list[tuple[Any, ...]]:
    async with db.connection() as connection:
        cursor = connection.cursor(row_factory=tuple_row)
        await cursor.execute(sql.encode(), values)
        return await cursor.fetchall()


async def fingerprint(db: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table that a request could change."""
    return {
        table: await ask(db, f"select md5(t::text) from {table} t order by 1")  # noqa: S608
        for table in TABLES
    }


async def events_of(db: Database, link: Link) -> list[str]:
    """Types, or for moves the new states, in order."""
    rows = await ask(
        db,
        "select coalesce(to_state, type) from event"
        " where company_id = %s and subject_id = %s order by event_id",
        link.company_id,
        link.credit_id,
    )
    return [row[0] for row in rows]


async def attempts_of(db: Database, link: Link) -> list[tuple[Any, ...]]:
    """Number, holder and last three digits of each payment attempt."""
    return await ask(
        db,
        "select attempt, holder_name, last3 from payment_attempt"
        " where company_id = %s and credit_id = %s order by attempt",
        link.company_id,
        link.credit_id,
    )


async def gate_of(db: Database, link: Link) -> tuple[Any, ...] | None:
    """Wrong, pending, late wrong answers, and whether the link is locked."""
    rows = await ask(
        db,
        "select wrong, pending, late_wrong, locked_at is not null from link_gate"
        " where company_id = %s and credit_id = %s",
        link.company_id,
        link.credit_id,
    )
    return rows[0] if rows else None


async def go(services: Services, link: Link, to: State, cause: Cause, by: Actor) -> None:
    """One move of the credit, by whoever may cause it."""
    async with services.db.transaction() as tx:
        step = Move(credit_id=link.credit_id, to=to, cause=cause)
        await move(tx, link.company_id, [step], by=by, at=services.clock.now())


async def to_the_bank(services: Services, link: Link) -> None:
    """The accepted credit goes into a file."""
    await go(services, link, State.PROCESSING, Cause.CLAIMED, FILE_BUILDER)


async def settle(services: Services, link: Link) -> None:
    """The days of returns pass."""
    await go(services, link, State.COMPLETED, Cause.SETTLED, REPORT_READER)


async def complete(services: Services, link: Link) -> None:
    """It goes into a file, and the days of returns pass."""
    await to_the_bank(services, link)
    await settle(services, link)


async def send_back(services: Services, link: Link, reason: str = "account_closed") -> None:
    """The credit, which goes into a file unless it was, is returned by the payee's bank."""
    now = services.clock.now()
    credit_id, company_id = link.credit_id, link.company_id
    if (await events_of(services.db, link))[-1] == "initiated":
        await to_the_bank(services, link)
    async with services.db.transaction() as tx:
        [attempt] = await ask_attempt(services.db, link)
        returned = Move(
            credit_id=credit_id,
            to=State.ACTION_REQUIRED,
            cause=Cause.RETURNED,
            fail_reason=reason,
            expires_at=now + timedelta(days=14),
        )
        await move(tx, company_id, [returned], by=REPORT_READER, at=now)
        ended = Ended(credit_id, attempt[0], Outcome.RETURNED, reason)
        await end_attempts(tx, company_id, [ended], at=now)


async def ask_attempt(db: Database, link: Link) -> list[tuple[Any, ...]]:
    return await ask(
        db,
        "select max(attempt) from payment_attempt where company_id = %s and credit_id = %s",
        link.company_id,
        link.credit_id,
    )
