"""Companies to which things happen."""

import secrets
from datetime import UTC, datetime
from uuid import UUID

from jetpay.base.ids import CompanyId, uuid7
from jetpay.db.pool import Database
from jetpay.events.model import SYSTEM, Draft, EventType
from jetpay.events.record import record


async def make_company(db: Database) -> CompanyId:
    company_id = CompanyId(uuid7())
    async with db.connection() as connection:
        await connection.execute(
            "insert into company (company_id, short_id, name, sandbox, created_at)"
            " values (%s, %s, 'A', true, %s)",
            [company_id, secrets.randbits(32), datetime.now(UTC)],
        )
        await connection.execute("insert into event_counter values (%s, 0)", [company_id])
    return company_id


async def happen(db: Database, company_id: CompanyId, *, count: int = 1) -> list[UUID]:
    """Events in one transaction; what they are about."""
    subjects = [uuid7() for _ in range(count)]
    async with db.transaction() as tx:
        for subject in subjects:
            record(
                tx,
                Draft(
                    company_id=company_id,
                    type=EventType.CREDIT_CREATED,
                    subject_id=subject,
                    at=datetime.now(UTC),
                    actor=SYSTEM,
                    to_state="requested",
                ),
            )
    return subjects
