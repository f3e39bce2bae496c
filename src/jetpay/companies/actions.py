"""Making companies and their members."""

import secrets
from datetime import datetime
from uuid import uuid4

from jetpay.base.ids import CompanyId, MemberId, uuid7
from jetpay.base.text import EMAIL_LENGTH, NAME_LENGTH, clean, email_address
from jetpay.companies.installation import BE_INSTALLED
from jetpay.companies.model import Role
from jetpay.companies.questions import PreparedQuestion, use_question
from jetpay.companies.refusals import MemberExists
from jetpay.db.rows import Command, Query
from jetpay.db.transactions import Transaction, action
from jetpay.security.passwords import AnswerHash

SHORT_ID_BITS = 32
SHORT_ID_TRIES = 10

ADD = Command(
    """
    insert into company (company_id, short_id, name, sandbox, support_contact, created_at)
    values (%(company_id)s, %(short_id)s, %(name)s, %(sandbox)s, %(support_contact)s, %(now)s)
    on conflict (short_id) do nothing
    """
)
COUNT_EVENTS = Command("insert into event_counter (company_id) values (%(company_id)s)")
SWEEP_LINKS = Command(
    """
    insert into due (company_id, kind, subject_id, due_at)
    values (%(company_id)s, 'expire_links', %(company_id)s, %(now)s)
    """
)
ADD_MEMBER = Command(
    """
    insert into member (company_id, member_id, email, role, password_hash, created_at)
    values (%(company_id)s, %(member_id)s, %(email)s, %(role)s, %(password_hash)s, %(now)s)
    on conflict do nothing
    """
)
MEMBER_BY_EMAIL = Query(
    MemberId,
    """
    select member_id from member
    where company_id = %(company_id)s and lower(email) = lower(%(email)s)
    """,
)


def company_name(name: str) -> str:
    """The name as it is kept. Raises `TextProblem`."""
    return clean(name, minimum=1, maximum=NAME_LENGTH)


@action
async def create_company(
    tx: Transaction,
    company_id: CompanyId,
    *,
    name: str,
    question: PreparedQuestion,
    sandbox: bool,
    now: datetime,
    support_contact: str | None = None,
) -> None:
    """`company_id` is a fresh one, under which the question's answer was hashed.

    `support_contact`: how payees reach the company, as it was cleaned.

    Who calls has asked `production_problems` before it makes a live one.
    """
    await BE_INSTALLED.run(tx, epoch=uuid4(), now=now)
    for _ in range(SHORT_ID_TRIES):
        short_id = secrets.randbits(SHORT_ID_BITS)
        if await ADD.run(
            tx, company_id=company_id, short_id=short_id, name=name, sandbox=sandbox,
            support_contact=support_contact, now=now,
        ):  # fmt: skip
            break
    else:
        message = "no free short id was found"
        raise RuntimeError(message)
    await COUNT_EVENTS.run(tx, company_id=company_id)
    await use_question(tx, company_id, question, at=now)
    await SWEEP_LINKS.run(tx, company_id=company_id, now=now)


@action
async def create_member(
    tx: Transaction,
    company_id: CompanyId,
    *,
    email: str,
    role: Role,
    password: AnswerHash | None,
    member_id: MemberId | None = None,
    now: datetime,
) -> MemberId:
    """A person who signs in. `member_id`: the one under which the password was hashed.

    Raises `TextProblem` for the address and `MemberExists`.
    """
    address = email_address(clean(email, minimum=1, maximum=EMAIL_LENGTH))
    member = member_id or MemberId(uuid7())
    hashed = None if password is None else f"{password.pepper_number}:{password.encoded}"
    if not await ADD_MEMBER.run(
        tx, company_id=company_id, member_id=member, email=address, role=role.value,
        password_hash=hashed, now=now,
    ):  # fmt: skip
        there = await MEMBER_BY_EMAIL.one(tx, company_id=company_id, email=address)
        raise MemberExists(identifier=there)
    return member
