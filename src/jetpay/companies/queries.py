"""Reading one company, and its business time."""

from datetime import datetime, timedelta

from jetpay.base.clock import Clock
from jetpay.base.ids import CompanyId
from jetpay.companies.model import Company, Question
from jetpay.db.rows import Query
from jetpay.db.transactions import OpensTransactions, Transaction

COMPANY = Query(
    Company,
    """
    select company_id, short_id, name, sandbox, clock_offset, question_id, created_at
    from company where company_id = %(company_id)s
    """,
)
CLOCK_OFFSET = Query(
    timedelta, "select clock_offset from company where company_id = %(company_id)s"
)
QUESTION = Query(
    Question,
    """
    select question_id, question, answer_hash, pepper_key_id from security_question
    where company_id = %(company_id)s and question_id = %(question_id)s
    """,
)


async def business_now(
    tx: OpensTransactions | Transaction, company_id: CompanyId, clock: Clock
) -> datetime:
    """The company's time: the real one, and in a sandbox what its clock was turned ahead."""
    return clock.now() + await CLOCK_OFFSET.one(tx, company_id=company_id)
