"""What concerns the whole installation: these statements alone look across companies."""

import asyncio
from functools import cache

import psycopg
from psycopg_pool import PoolTimeout

from jetpay.companies.model import Company
from jetpay.db.migrate import available
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import OpensTransactions

READY_SECONDS = 2

HAS_LIVE_COMPANY = Query(
    bool,
    "select exists (select from company where not sandbox) as has_live_company",
    never_null=("has_live_company",),
)
ALL_COMPANIES = Query(
    Company,
    """
    select company_id, short_id, name, sandbox, clock_offset, question_id, created_at
    from company order by company_id
    """,
)
QUESTION_IN_USE = Query(
    bool,
    """
    select exists (
      select from company c join security_question q using (company_id, question_id)
      where q.question = %(question)s) as in_use
    """,
    never_null=("in_use",),
)
BE_INSTALLED = Command(
    """
    insert into installation (epoch, created_at) values (%(epoch)s, %(now)s)
    on conflict do nothing
    """
)
APPLIED = Query(str, "select name from schema_migration")


async def is_ready(db: OpensTransactions) -> bool:
    """Whether the database answers within 2 seconds and has this release's schema."""
    try:
        async with asyncio.timeout(READY_SECONDS):
            applied = await APPLIED.all(db)
    except (TimeoutError, psycopg.Error, PoolTimeout):
        return False
    return _migrations() <= set(applied)


@cache
def _migrations() -> frozenset[str]:
    return frozenset(available())
