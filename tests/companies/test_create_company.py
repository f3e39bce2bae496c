"""Making companies, tokens, members and questions."""

from datetime import timedelta

import pytest

from jetpay.base.ids import CompanyId, QuestionId, uuid7
from jetpay.base.refusals import Invalid, NotFound
from jetpay.base.text import TextProblem
from jetpay.companies.actions import company_name, create_company, create_member
from jetpay.companies.model import Company, Role, Scope
from jetpay.companies.queries import COMPANY, QUESTION, business_now
from jetpay.companies.questions import (
    PreparedQuestion,
    add_question,
    change_question,
    prepare_question,
)
from jetpay.companies.refusals import MemberExists
from jetpay.companies.tokens import LIVE_TOKEN_LIFE, create_token, revoke_token
from jetpay.db.rows import Command, Query
from jetpay.events.model import OPERATOR
from jetpay.security.passwords import AnswerHash
from jetpay.security.secrets import Secret
from jetpay.services import Services
from tests import world
from tests.contacts.test_create_contact import events
from tests.world import NOON

EXPIRES = Query(
    object,
    "select expires_at from api_token where company_id = %(company_id)s",
)
AHEAD = Command(
    "update company set clock_offset = interval '3 days' where company_id = %(company_id)s"
)
STORED = Query(
    str,
    "select concat(t) as stored from api_token t where company_id = %(company_id)s",
    never_null=("stored",),
)


def unasked() -> PreparedQuestion:
    return PreparedQuestion(QuestionId(uuid7()), "Which ship?", AnswerHash("hash", 1))


async def make(services: Services, *, sandbox: bool) -> Company:
    company_id = CompanyId(uuid7())
    await create_company(
        services.db, company_id, name="Acme", question=unasked(), sandbox=sandbox, now=NOON
    )
    return await COMPANY.one(services.db, company_id=company_id)


async def test_a_company_is_complete_when_it_is_made(services: Services) -> None:
    company = await make(services, sandbox=True)
    assert company.question_id is not None
    assert 0 <= company.short_id < 2**32
    await services.short_ids.refresh(services.db)
    assert services.short_ids.company_of(company.short_id) == company.company_id


async def test_a_short_id_that_is_taken_is_drawn_again(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = (await make(services, sandbox=True)).short_id
    draws = iter([taken, taken, taken ^ 1])
    monkeypatch.setattr("secrets.randbits", lambda _: next(draws))
    assert (await make(services, sandbox=True)).short_id == taken ^ 1


@pytest.mark.parametrize("name", ["", "  ", "x" * 101, "a\nb"])
def test_a_company_has_a_name(name: str) -> None:
    with pytest.raises(TextProblem):
        company_name(name)


@pytest.mark.parametrize("sandbox", [True, False])
async def test_a_token_is_of_its_companys_kind(apart: Services, *, sandbox: bool) -> None:
    services = apart
    company = await make(services, sandbox=sandbox)
    made = await create_token(
        services.db, company.company_id, name="shop", scopes=[Scope.CREDITS], now=NOON
    )
    token = made.token.reveal()
    assert token.startswith("jetpay_test_" if sandbox else "jetpay_live_")
    assert await EXPIRES.all(services.db, company_id=company.company_id) == [
        None if sandbox else NOON + LIVE_TOKEN_LIFE
    ]
    stored = await STORED.one(services.db, company_id=company.company_id)
    assert token not in stored
    assert token[-4:] in stored


async def test_a_token_of_nobody_is_refused(services: Services) -> None:
    nobody = CompanyId(uuid7())
    with pytest.raises(NotFound):
        await create_token(services.db, nobody, name="x", scopes=[Scope.CREDITS], now=NOON)


async def test_a_token_is_revoked_by_its_own_company_alone(
    services: Services, company: world.Company
) -> None:
    other = await make(services, sandbox=True)
    with pytest.raises(NotFound):
        await revoke_token(services.db, other.company_id, company.token_id, now=NOON)
    await revoke_token(services.db, company.company_id, company.token_id, now=NOON)
    await revoke_token(services.db, company.company_id, company.token_id, now=NOON)


async def test_an_address_is_one_member_of_a_company(services: Services) -> None:
    company = await make(services, sandbox=True)
    member = await create_member(
        services.db, company.company_id, email="Ann@example.com", role=Role.OWNER, password=None,
        now=NOON,
    )  # fmt: skip
    with pytest.raises(MemberExists) as refused:
        await create_member(
            services.db, company.company_id, email="ann@example.com", role=Role.VIEWER,
            password=None, now=NOON,
        )  # fmt: skip
    assert str(member) in refused.value.detail
    with pytest.raises(TextProblem):
        await create_member(
            services.db, company.company_id, email="ann", role=Role.VIEWER, password=None, now=NOON
        )


async def test_a_changed_question_is_a_new_version_and_an_event(company: world.Company) -> None:
    services = company.services
    before = await COMPANY.one(services.db, company_id=company.company_id)
    prepared = await prepare_question(
        services.hasher, company.company_id, question="Which ship was it?",
        answer=Secret("  KARLA Maria! "), company_name="Acme",
    )  # fmt: skip
    await change_question(services.db, company.company_id, prepared, by=OPERATOR, at=NOON)
    now = await COMPANY.one(services.db, company_id=company.company_id)
    assert now.question_id == prepared.question_id != before.question_id
    for question_id in (before.question_id, now.question_id):
        kept = await QUESTION.one(
            services.db, company_id=company.company_id, question_id=question_id
        )
        assert kept.answer_hash.startswith("$argon2id$")
    [*_, event] = await events(company)
    assert (event.type, event.data) == ("company.security_question_changed", None)
    right = AnswerHash(prepared.answer.encoded, prepared.answer.pepper_number)
    for answer, is_right in (("karla maria", True), ("karla", False)):
        assert is_right is await services.hasher.verify(
            company.company_id, prepared.question_id, Secret(answer), right
        )


async def test_a_question_of_a_contact_leaves_the_companys_alone(company: world.Company) -> None:
    db = company.services.db
    before = await COMPANY.one(db, company_id=company.company_id)
    await add_question(db, company.company_id, unasked(), at=NOON)
    assert await COMPANY.one(db, company_id=company.company_id) == before


@pytest.mark.parametrize(
    "question, answer, field, code",
    [
        ("", "Karla Maria", "security_question", "required"),
        ("x" * 201, "Karla Maria", "security_question", "too_long"),
        ("Is it Karla Maria?", "karla maria", "security_answer", "answer_in_question"),
        ("Which ship?", "Acme", "security_answer", "answer_in_company_name"),
        ("Which ship?", "password", "security_answer", "answer_too_common"),
        ("Which ship?", "x" * 300, "security_answer", "answer_too_long"),
    ],
)
async def test_a_bad_question_is_refused_by_field(
    question: str, answer: str, field: str, code: str, services: Services
) -> None:
    with pytest.raises(Invalid) as refused:
        await prepare_question(
            services.hasher, CompanyId(uuid7()), question=question, answer=Secret(answer),
            company_name="Acme",
        )  # fmt: skip
    assert [(e.field, e.code) for e in refused.value.errors] == [(field, code)]


async def test_a_sandboxs_time_is_ahead_by_what_its_clock_was_turned(
    company: world.Company,
) -> None:
    services = company.services
    assert await business_now(services.db, company.company_id, services.clock) == NOON
    await AHEAD.run(services.db, company_id=company.company_id)
    assert await business_now(services.db, company.company_id, services.clock) == (
        NOON + timedelta(days=3)
    )
