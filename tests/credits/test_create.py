"""Making credits: by link, to a saved account, with an own question, many at once."""

import asyncio
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from uuid import uuid4

import psycopg
import pytest

from jetpay.base.ids import BankAccountId, ContactId
from jetpay.base.refusals import Forbidden, Invalid, Unauthorized
from jetpay.companies.model import Scope
from jetpay.companies.tokens import TokenLimits, revoke_token
from jetpay.contacts.erasure import erase_contact
from jetpay.credits.births import Born
from jetpay.credits.model import State
from jetpay.credits.queries import TIMELINE, view
from jetpay.credits.refusals import (
    AmountTooLarge,
    ExternalIdTaken,
    TokenLimit,
    TooManyAnswers,
)
from jetpay.db.rows import Query
from jetpay.events.model import OPERATOR
from jetpay.idempotency import IdempotencyConflict
from jetpay.ledger.prove import prove
from jetpay.security.secrets import Secret
from jetpay.services import Services
from tests.patience import wait_until_locked
from tests.world import NOON, Company, make_company

EVENTS = Query(
    int, "select event_id from event where company_id = %(company_id)s order by event_id"
)
CREDITS = Query(
    int, "select count(*) from credit where company_id = %(company_id)s", never_null=("count",)
)
QUESTIONS = Query(
    int,
    "select count(*) from security_question where company_id = %(company_id)s",
    never_null=("count",),
)


async def events_of(services: Services, company: Company) -> list[int]:
    return await EVENTS.all(services.db, company_id=company.company_id)


async def test_a_credit_by_link_is_requested_and_tells_so(
    services: Services, company: Company
) -> None:
    born = await services.births.one(company.asker, company.request(), key="first")
    assert born.link is not None
    assert len(born.link) == 60
    found = await view(services.db, company.company_id, born.credit_id)
    assert (found.state, found.amount, found.currency) == (State.REQUESTED, 10_000, "CAD")
    assert found.expires_at == NOON + timedelta(days=30)
    assert found.waiting_for == "payee"
    timeline = await TIMELINE.all(
        services.db, company_id=company.company_id, credit_id=born.credit_id
    )
    assert [(entry.type, entry.to_state, entry.by) for entry in timeline] == [
        ("transactions.credits.created", "requested", "token")
    ]


async def test_the_same_key_fifty_times_at_once_makes_one_credit(
    services: Services, company: Company
) -> None:
    answers = await asyncio.gather(
        *(services.births.one(company.asker, company.request(), key="k") for _ in range(50))
    )
    assert len(set(answers)) == 1
    assert await CREDITS.one(services.db, company_id=company.company_id) == 1


@pytest.mark.parametrize(
    "changes, named",
    [
        ({"amount": 10_001}, "amount"),
        ({"statement": "Another"}, "statement"),
        ({"note": "Now with a note"}, "note"),
        ({"metadata": {"a": "b"}}, "metadata"),
        ({"repairs": 1}, "repairs"),
        ({"external_id": "x-1"}, "external_id"),
    ],
)
async def test_the_same_key_with_another_request_is_refused_by_field(
    services: Services, company: Company, changes: dict[str, object], named: str
) -> None:
    await services.births.one(company.asker, company.request(), key="k")
    with pytest.raises(IdempotencyConflict) as refused:
        await services.births.one(company.asker, company.request(**changes), key="k")
    assert refused.value.field == named
    assert await CREDITS.one(services.db, company_id=company.company_id) == 1


async def test_a_repetition_is_answered_even_when_it_could_not_be_made_today(
    services: Services, company: Company
) -> None:
    soon = NOON + timedelta(minutes=20)
    asked = company.request(expires_at=soon)
    first = await services.births.one(company.asker, asked, key="k")
    services.clock.at = NOON + timedelta(minutes=10)  # type: ignore[attr-defined]
    try:
        assert await services.births.one(company.asker, asked, key="k") == first
        with pytest.raises(Invalid):
            await services.births.one(company.asker, asked, key="other")
    finally:
        services.clock.at = NOON  # type: ignore[attr-defined]


async def test_an_external_id_is_unique_in_a_company(services: Services, company: Company) -> None:
    born = await services.births.one(company.asker, company.request(external_id="e"), key="a")
    with pytest.raises(ExternalIdTaken) as refused:
        await services.births.one(company.asker, company.request(external_id="e"), key="b")
    assert refused.value.values["identifier"] == born.credit_id
    other = await make_company(services, "Other Example")
    await services.births.one(other.asker, other.request(external_id="e"), key="a")


@pytest.mark.parametrize(
    "changes",
    [
        {"contact_id": ContactId(uuid4())},
        {"from_bank_account": BankAccountId(uuid4())},
        {"expires_at": NOON + timedelta(minutes=14)},
        {"expires_at": NOON + timedelta(days=366)},
    ],
)
async def test_what_is_wrong_changes_nothing(
    services: Services, company: Company, changes: dict[str, object]
) -> None:
    before = await events_of(services, company)
    with pytest.raises(Invalid) as refused:
        await services.births.one(company.asker, company.request(**changes), key="k")
    assert [error.field for error in refused.value.errors] == list(changes)
    assert await CREDITS.one(services.db, company_id=company.company_id) == 0
    assert await events_of(services, company) == before


async def test_a_foreign_contact_and_an_unknown_one_look_alike(
    services: Services, company: Company
) -> None:
    other = await make_company(services, "Other Example")
    said = []
    for contact in (other.contact, ContactId(uuid4())):
        with pytest.raises(Invalid) as refused:
            await services.births.one(company.asker, company.request(contact_id=contact), key=None)
        said.append(refused.value.errors)
    assert said[0] == said[1]


async def test_a_contacts_account_is_no_account_to_pay_from(
    services: Services, company: Company
) -> None:
    account = await company.contact_account()
    with pytest.raises(Invalid) as refused:
        await services.births.one(
            company.asker, company.request(from_bank_account=account), key=None
        )
    assert refused.value.errors[0].field == "from_bank_account"


async def test_a_revoked_token_makes_nothing_from_the_next_statement_on(
    services: Services, company: Company
) -> None:
    other = await company.new_token()
    await services.births.one(other.asker, company.request(), key=None)
    await revoke_token(services.db, company.company_id, other.token_id, now=NOON)
    with pytest.raises(Unauthorized):
        await services.births.one(other.asker, company.request(), key=None)


async def test_a_dead_token_learns_nothing_of_what_it_made_before(
    services: Services, company: Company
) -> None:
    other = await company.new_token()
    await services.births.one(other.asker, company.request(), key="k")
    await revoke_token(services.db, company.company_id, other.token_id, now=NOON)
    for asked in (company.request(), company.request(amount=1)):
        with pytest.raises(Unauthorized):
            await services.births.one(other.asker, asked, key="k")
        [answer] = await services.births.many(other.asker, [(asked, "k")])
        assert isinstance(answer, Unauthorized)


async def test_a_token_without_the_scope_is_forbidden(services: Services, company: Company) -> None:
    reader = await company.new_token(Scope.CREDITS_READ)
    with pytest.raises(Forbidden):
        await services.births.one(reader.asker, company.request(), key=None)


async def test_a_token_may_be_held_to_an_amount_and_to_networks(
    services: Services, company: Company
) -> None:
    small = await company.new_token(limits=TokenLimits(max_amount=9_999))
    with pytest.raises(TokenLimit):
        await services.births.one(small.asker, company.request(), key=None)
    bound = await company.new_token(limits=TokenLimits(networks=[ip_network("192.0.2.0/24")]))
    with pytest.raises(Unauthorized):
        await services.births.one(bound.asker, company.request(), key=None)
    inside = replace(bound.asker, client="192.0.2.7")
    await services.births.one(inside, company.request(), key=None)


async def test_a_daily_limit_holds_when_many_ask_at_once_and_repetitions_are_free(
    services: Services, company: Company
) -> None:
    daily = await company.new_token(limits=TokenLimits(max_per_day=30_000))
    answers = await asyncio.gather(
        *(
            services.births.one(daily.asker, company.request(), key=f"k{index}")
            for index in range(8)
        ),
        return_exceptions=True,
    )
    made = [answer for answer in answers if isinstance(answer, Born)]
    assert len(made) == 3
    assert all(isinstance(answer, Born | TokenLimit) for answer in answers)
    index = answers.index(made[0])
    assert await services.births.one(daily.asker, company.request(), key=f"k{index}") == made[0]
    assert await CREDITS.one(services.db, company_id=company.company_id) == 3


async def test_a_credit_to_a_saved_account_is_born_initiated_with_its_attempt_and_posting(
    services: Services, company: Company
) -> None:
    account = await company.contact_account()
    asked = company.request(to_bank_account=account)
    born = await services.births.one(company.asker, asked, key="k")
    assert born.link is None
    assert await services.births.one(company.asker, asked, key="k") == born
    found = await view(services.db, company.company_id, born.credit_id)
    assert (found.state, found.attempt, found.waiting_for) == (State.INITIATED, 1, "bank_file")
    assert found.reference is not None
    proof = await prove(services.db, company.company_id)
    assert proof.clean, proof.differences


async def test_a_token_that_lost_its_right_pays_no_saved_account(
    services: Services, company: Company
) -> None:
    asked = company.request(to_bank_account=await company.contact_account())
    revoked = await company.new_token()
    await revoke_token(services.db, company.company_id, revoked.token_id, now=NOON)
    elsewhere = await company.new_token(limits=TokenLimits(networks=[ip_network("192.0.2.0/24")]))
    for token in (revoked, elsewhere):
        with pytest.raises(Unauthorized):
            await services.births.one(token.asker, asked, key=None)
    narrow = await company.new_token(Scope.CREDITS)
    with pytest.raises(Forbidden):
        await services.births.one(narrow.asker, asked, key=None)
    await services.births.one(replace(elsewhere.asker, client="192.0.2.7"), asked, key=None)
    assert await CREDITS.one(services.db, company_id=company.company_id) == 1


async def test_nobody_is_paid_who_is_being_erased(services: Services, company: Company) -> None:
    asked = company.request(to_bank_account=await company.contact_account())
    async with services.db.transaction() as tx:
        await erase_contact(tx, company.company_id, company.contact, by=OPERATOR, at=NOON)
        paying = asyncio.create_task(services.births.one(company.asker, asked, key=None))
        async with services.db.connection() as connection:
            await wait_until_locked(connection)
    with pytest.raises(Invalid):
        await paying


async def test_a_saved_account_must_be_the_contacts_own(
    services: Services, company: Company
) -> None:
    other = await make_company(services, "Other Example")
    for account in (await other.contact_account(), company.bank_account):
        with pytest.raises(Invalid) as refused:
            await services.births.one(
                company.asker, company.request(to_bank_account=account), key=None
            )
        assert refused.value.errors[0].field == "to_bank_account"


async def test_a_bank_accounts_limit_for_one_credit_holds_for_both_kinds(
    services: Services, company: Company, owner_dsn: Secret[str]
) -> None:
    account = await company.contact_account()
    with psycopg.connect(owner_dsn.reveal()) as connection:
        connection.execute(
            "update bank_account set credit_limit = 9999 where bank_account_id = %s",
            [company.bank_account],
        )
    for asked in (company.request(), company.request(to_bank_account=account)):
        with pytest.raises(AmountTooLarge):
            await services.births.one(company.asker, asked, key=None)


async def test_an_own_question_is_kept_with_the_credit_or_not_at_all(
    services: Services, company: Company
) -> None:
    asked = company.request(
        security_question="Which street did we meet in?", security_answer=Secret("Larch Alley")
    )
    born = await services.births.one(company.asker, asked, key="k")
    assert await services.births.one(company.asker, asked, key="k") == born._replace(
        question_id=None
    )
    bad = asked._replace(contact_id=ContactId(uuid4()))
    with pytest.raises(Invalid):
        await services.births.one(company.asker, bad, key="other")
    assert await QUESTIONS.one(services.db, company_id=company.company_id) == 2


async def test_an_answer_that_stands_in_the_request_is_refused(
    services: Services, company: Company
) -> None:
    asked = company.request(
        statement="For Larch Alley",
        security_question="Which street did we meet in?",
        security_answer=Secret("Larch Alley"),
    )
    with pytest.raises(Invalid):
        await services.births.one(company.asker, asked, key=None)


async def test_a_bad_line_never_stops_a_good_one(services: Services, company: Company) -> None:
    account = await company.contact_account()
    question = {
        "security_question": "Which street did we meet in?",
        "security_answer": Secret("Larch Alley"),
    }
    lines = [
        (company.request(), "0"),
        (company.request(contact_id=ContactId(uuid4())), "1"),
        (company.request(to_bank_account=account), "2"),
        (company.request(**question), "3"),
        (company.request(**question), "4"),
        (company.request(amount=5), "0"),
        (company.request(), "0"),
    ]
    answers = await services.births.many(company.asker, lines)
    kinds = [type(answer) for answer in answers]
    assert kinds == [Born, Invalid, Born, Born, Born, IdempotencyConflict, Born]
    assert answers[6] == answers[0]
    assert await CREDITS.one(services.db, company_id=company.company_id) == 4
    assert await QUESTIONS.one(services.db, company_id=company.company_id) == 2
    again = await services.births.many(company.asker, lines)
    assert [getattr(a, "credit_id", None) for a in again] == [
        getattr(a, "credit_id", None) for a in answers
    ]


async def test_one_call_brings_at_most_fifty_different_answers(
    services: Services, company: Company
) -> None:
    lines = [
        (
            company.request(
                security_question="Which street?", security_answer=Secret(f"Larch Alley {n}")
            ),
            str(n),
        )
        for n in range(51)
    ]
    with pytest.raises(TooManyAnswers):
        await services.births.many(company.asker, lines)
    assert await CREDITS.one(services.db, company_id=company.company_id) == 0


async def test_event_numbers_have_no_gap_whatever_was_refused(
    services: Services, company: Company
) -> None:
    asked = [company.request(), company.request(contact_id=ContactId(uuid4()))] * 40
    await asyncio.gather(
        *(services.births.one(company.asker, each, key=None) for each in asked),
        return_exceptions=True,
    )
    numbers = await events_of(services, company)
    assert numbers == list(range(1, len(numbers) + 1))
    assert await CREDITS.one(services.db, company_id=company.company_id) == 40


async def test_an_account_whose_rail_has_no_bank_profile_yet_keeps_its_credits_held(
    services: Services, company: Company, owner_dsn: Secret[str]
) -> None:
    account = await company.contact_account()
    with psycopg.connect(owner_dsn.reveal()) as connection:
        connection.execute(
            "update bank_account set rail = 'cpa005', state = 'draft' where bank_account_id = %s",
            [company.bank_account],
        )
    born = await services.births.one(
        company.asker, company.request(to_bank_account=account), key=None
    )
    found = await view(services.db, company.company_id, born.credit_id)
    assert (found.state, found.waiting_for) == (State.INITIATED, "held")
    assert found.expected_on(NOON) is None
