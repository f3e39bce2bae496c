"""Cancelling: until a credit is in a bank file, and never twice."""

import asyncio

import pytest

from jetpay.base.ids import CreditId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.credits.actions import cancel
from jetpay.credits.model import State
from jetpay.credits.queries import view
from jetpay.credits.refusals import TooLate
from jetpay.events.model import Actor, ActorKind
from jetpay.ledger.prove import prove
from jetpay.services import Services
from tests.world import NOON, Company, make_company


def token_of(company: Company) -> Actor:
    return Actor(ActorKind.TOKEN, company.token_id)


async def test_a_requested_credit_is_cancelled_and_leaves_no_posting(
    services: Services, company: Company
) -> None:
    born = await services.births.one(company.asker, company.request(), key=None)
    await cancel(services.db, company.company_id, born.credit_id, by=token_of(company), at=NOON)
    found = await view(services.db, company.company_id, born.credit_id)
    assert (found.state, found.cancel_reason) == (State.CANCELLED, "cancelled")
    assert (await prove(services.db, company.company_id)).clean


async def test_an_initiated_credit_gives_its_promise_back(
    services: Services, company: Company
) -> None:
    account = await company.contact_account()
    born = await services.births.one(
        company.asker, company.request(to_bank_account=account), key=None
    )
    await cancel(services.db, company.company_id, born.credit_id, by=token_of(company), at=NOON)
    proof = await prove(services.db, company.company_id)
    assert proof.clean, proof.differences


async def test_of_many_who_cancel_at_once_one_wins_and_the_rest_are_told(
    services: Services, company: Company
) -> None:
    born = await services.births.one(company.asker, company.request(), key=None)
    answers = await asyncio.gather(
        *(
            cancel(services.db, company.company_id, born.credit_id, by=token_of(company), at=NOON)
            for _ in range(10)
        ),
        return_exceptions=True,
    )
    assert sorted(type(answer).__name__ for answer in answers) == ["NoneType"] + ["TooLate"] * 9


async def test_what_has_ended_cannot_be_cancelled(services: Services, company: Company) -> None:
    born = await services.births.one(company.asker, company.request(), key=None)
    await cancel(services.db, company.company_id, born.credit_id, by=token_of(company), at=NOON)
    with pytest.raises(TooLate):
        await cancel(services.db, company.company_id, born.credit_id, by=token_of(company), at=NOON)


async def test_a_foreign_credit_is_not_found_like_an_unknown_one(
    services: Services, company: Company
) -> None:
    born = await services.births.one(company.asker, company.request(), key=None)
    other = await make_company(services, "Other Example")
    for identifier in (born.credit_id, CreditId(uuid7())):
        with pytest.raises(NotFound):
            await cancel(services.db, other.company_id, identifier, by=token_of(other), at=NOON)
