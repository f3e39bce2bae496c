"""What a company does with a payment link: show, reissue, unlock, extend."""

from datetime import datetime, timedelta

import pytest

from jetpay.base.refusals import Invalid, NotFound
from jetpay.credits.actions import Link, LinkAction, act_on_link, cancel
from jetpay.credits.births import Born
from jetpay.credits.refusals import Final, MoveRefused, UnlocksUsedUp
from jetpay.db.rows import Command, Query
from jetpay.events.model import Actor, ActorKind
from jetpay.security.links import make_link
from jetpay.services import Services
from tests.world import NOON, Company

ACTS = Query(
    str,
    "select entry->>'act' as act from audit where company_id = %(company_id)s order by audit_id",
    never_null=("act",),
)
LOCK_GATE = Command(
    """
    insert into link_gate (company_id, credit_id, link_version, wrong, locked_at)
    values (%(company_id)s, %(credit_id)s, 1, 5, %(at)s)
    on conflict (company_id, credit_id, link_version) do update
      set wrong = 5, locked_at = excluded.locked_at
    """
)
WRONG = Query(
    int,
    """
    select wrong from link_gate
    where company_id = %(company_id)s and credit_id = %(credit_id)s and link_version = 1
    """,
)


async def act(
    company: Company, born: Born, what: LinkAction, expires_at: datetime | None = None
) -> Link:
    services = company.services
    return await act_on_link(
        services.db,
        company.company_id,
        born.credit_id,
        what,
        expires_at=expires_at,
        link_key_id=services.keyring.active("link").number,
        by=Actor(ActorKind.TOKEN, company.token_id),
        at=NOON,
        now=NOON,
    )


def spelled(company: Company, link: Link) -> str:
    key = company.services.keyring.get("link", link.link_key_id)
    return make_link(key, company.company_id, link.short_id, link.credit_id, link.link_version)


@pytest.fixture
async def born(services: Services, company: Company) -> Born:
    return await services.births.one(company.asker, company.request(), key="k")


async def test_the_link_that_is_shown_is_the_one_that_was_given_and_showing_is_audited(
    services: Services, company: Company, born: Born
) -> None:
    assert spelled(company, await act(company, born, LinkAction.SHOW)) == born.link
    assert await ACTS.all(services.db, company_id=company.company_id) == ["link.show"]


async def test_after_a_reissue_a_repetition_answers_the_live_link(
    services: Services, company: Company, born: Born
) -> None:
    fresh = spelled(company, await act(company, born, LinkAction.REISSUE))
    assert fresh != born.link
    again = await services.births.one(company.asker, company.request(), key="k")
    assert (again.credit_id, again.link) == (born.credit_id, fresh)


async def test_a_locked_link_is_unlocked_three_times_and_no_more(
    services: Services, company: Company, born: Born
) -> None:
    gate = {"company_id": company.company_id, "credit_id": born.credit_id}
    for _ in range(3):
        await LOCK_GATE.run(services.db, at=NOON, **gate)
        await act(company, born, LinkAction.UNLOCK)
        assert await WRONG.one(services.db, **gate) == 0
        await act(company, born, LinkAction.UNLOCK)  # unlocking an open one costs nothing
    await LOCK_GATE.run(services.db, at=NOON, **gate)
    with pytest.raises(UnlocksUsedUp):
        await act(company, born, LinkAction.UNLOCK)
    assert await WRONG.one(services.db, **gate) == 5


async def test_a_link_is_extended_within_bounds_and_keeps_its_address(
    company: Company, born: Born
) -> None:
    link = await act(company, born, LinkAction.EXTEND, NOON + timedelta(days=90))
    assert link.expires_at == NOON + timedelta(days=90)
    assert spelled(company, link) == born.link
    for wrong in (timedelta(minutes=14), timedelta(days=366)):
        with pytest.raises(Invalid):
            await act(company, born, LinkAction.EXTEND, NOON + wrong)


@pytest.mark.parametrize("what", list(LinkAction))
async def test_the_link_of_an_ended_credit_is_final(
    services: Services, company: Company, born: Born, what: LinkAction
) -> None:
    by = Actor(ActorKind.TOKEN, company.token_id)
    await cancel(services.db, company.company_id, born.credit_id, by=by, at=NOON)
    with pytest.raises(Final):
        await act(company, born, what, NOON + timedelta(days=1))


async def test_a_credit_to_a_saved_account_has_no_link(
    services: Services, company: Company
) -> None:
    account = await company.contact_account()
    born = await services.births.one(
        company.asker, company.request(to_bank_account=account), key=None
    )
    with pytest.raises(NotFound):
        await act(company, born, LinkAction.SHOW)


async def test_only_a_link_that_waits_for_the_payee_is_extended(
    services: Services, company: Company, born: Born
) -> None:
    initiate = Command(
        """
        update credit set state = 'initiated', attempt = 1
        where company_id = %(company_id)s and credit_id = %(credit_id)s
        """
    )
    await initiate.run(services.db, company_id=company.company_id, credit_id=born.credit_id)
    with pytest.raises(MoveRefused):
        await act(company, born, LinkAction.EXTEND, NOON + timedelta(days=1))
    await act(company, born, LinkAction.SHOW)
