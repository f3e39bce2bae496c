"""Typed bank details belong to one session, sealed, and are accepted only as reviewed."""

from dataclasses import replace
from datetime import timedelta

import pytest

from jetpay.credits.actions import reissue_link
from jetpay.credits.attempts import AcceptedDetails
from jetpay.credits.drafts import (
    Draft,
    ReviewChanged,
    Reviewing,
    accept_reviewed,
    decline_by_payee,
    find_draft,
    reviewed_of,
    save_draft,
)
from jetpay.credits.model import State
from jetpay.credits.page_queries import PageCredit, page_credit
from jetpay.credits.payee_sessions import PayeeSession, find_session, forget_old, start_session
from jetpay.db.rows import Command, Query
from jetpay.events.model import OPERATOR
from jetpay.security.forms import reviewed_token
from jetpay.security.sealed_files import CannotOpen
from jetpay.services import Services
from tests.world import NOON, Company

SWAP = Command(
    """
    update payee_draft set details = (
      select details from payee_draft
      where company_id = %(company_id)s and session_digest = %(other)s)
    where company_id = %(company_id)s and session_digest = %(mine)s
    """
)
STORED = Query(
    bytes,
    """
    select details from payee_draft
    where company_id = %(company_id)s and session_digest = %(digest)s
    """,
)
NUMBERS = {
    "institution_number": "003",
    "transit_number": "00002",
    "account_number": "7418529",
}
DETAILS = AcceptedDetails(
    scheme="ca", holder_name="Robin Example", numbers=NUMBERS, account_index=bytes(18), last3="529"
)


@pytest.fixture
async def credit(company: Company) -> PageCredit:
    born = await company.services.births.one(company.asker, company.request(), key=None)
    found = await page_credit(company.services.db, company.company_id, born.credit_id)
    assert found is not None
    return found


async def passed(services: Services, credit: PageCredit) -> PayeeSession:
    async with services.db.transaction() as tx:
        cookie = await start_session(
            tx, credit.company_id, credit.credit_id, link_version=1, read_only=False, now=NOON
        )
    found = await find_session(services.db, cookie.reveal())
    assert found is not None
    return found


async def save(
    services: Services, session: PayeeSession, details: AcceptedDetails = DETAILS
) -> Draft:
    vault = services.vault
    await save_draft(services.db, session, attempt=1, details=details, vault=vault, now=NOON)
    found = await find_draft(services.db, session, attempt=1, vault=vault, now=NOON)
    assert found is not None
    return found


def reviewing(services: Services, credit: PageCredit, draft: Draft) -> Reviewing:
    seen = reviewed_of(credit, draft, consent_text="text-1", language="en")
    key = services.keyring.active("csrf")
    return Reviewing(
        token=reviewed_token(key, credit.company_id, seen),
        keys=services.keyring.accepted("csrf"),
        consent_text="text-1",
        language="en",
        client_network=None,
    )


async def accept(services: Services, session: PayeeSession, seen: Reviewing) -> int:
    return await accept_reviewed(
        services.db, session, reviewing=seen, vault=services.vault, at=NOON, now=NOON
    )


async def test_a_draft_is_sealed_and_opens_for_its_session_alone(
    services: Services, credit: PageCredit
) -> None:
    mine, other = await passed(services, credit), await passed(services, credit)
    await save(services, mine)
    await save(services, other, replace(DETAILS, holder_name="Somebody Else"))
    stored = await STORED.one(services.db, company_id=credit.company_id, digest=mine.digest)
    assert b"7418529" not in stored
    assert b"Robin" not in stored
    await SWAP.run(services.db, company_id=credit.company_id, mine=mine.digest, other=other.digest)
    with pytest.raises(CannotOpen):
        await find_draft(services.db, mine, attempt=1, vault=services.vault, now=NOON)


async def test_typing_again_keeps_the_draft_and_raises_its_revision(
    services: Services, credit: PageCredit
) -> None:
    session = await passed(services, credit)
    first, second = await save(services, session), await save(services, session)
    assert (first.draft_id, first.revision, second.revision) == (second.draft_id, 1, 2)
    with pytest.raises(ReviewChanged):
        await accept(services, session, reviewing(services, credit, first))
    assert await accept(services, session, reviewing(services, credit, second)) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"amount": 10_001},
        {"currency": "USD"},
        {"attempt": 1},
        {"from_bank_account_id": "contact"},
    ],
)
async def test_a_review_of_anything_else_is_a_review_of_nothing(
    services: Services, company: Company, credit: PageCredit, change: dict[str, object]
) -> None:
    session = await passed(services, credit)
    draft = await save(services, session)
    if "attempt" in change:
        seen = reviewing(services, credit, replace(draft, attempt=2))
    elif "from_bank_account_id" in change:
        other = await company.contact_account()
        seen = reviewing(services, replace(credit, from_bank_account_id=other), draft)
    else:
        seen = reviewing(services, replace(credit, **change), draft)  # type: ignore[arg-type]
    with pytest.raises(ReviewChanged):
        await accept(services, session, seen)
    for wrong in ({"consent_text": "text-2"}, {"language": "fr"}, {"token": ""}):
        with pytest.raises(ReviewChanged):
            await accept(
                services,
                session,
                replace(reviewing(services, credit, draft), **wrong),  # type: ignore[arg-type]
            )
    assert await accept(services, session, reviewing(services, credit, draft)) == 1


async def test_a_draft_lasts_an_hour_and_is_then_forgotten(
    services: Services, credit: PageCredit
) -> None:
    session = await passed(services, credit)
    draft = await save(services, session)
    later = NOON + timedelta(minutes=60)
    assert (
        await find_draft(services.db, session, attempt=1, vault=services.vault, now=later) is None
    )
    with pytest.raises(ReviewChanged):
        await accept_reviewed(
            services.db,
            session,
            reviewing=reviewing(services, credit, draft),
            vault=services.vault,
            at=NOON,
            now=later,
        )
    place = {"company_id": credit.company_id, "digest": session.digest}
    assert await STORED.first(services.db, **place) is not None
    await forget_old(services.db, now=later + timedelta(seconds=1))
    assert await STORED.first(services.db, **place) is None


async def test_a_session_that_ended_meanwhile_accepts_and_declines_nothing(
    services: Services, company: Company, credit: PageCredit
) -> None:
    session = await passed(services, credit)
    draft = await save(services, session)
    await reissue_link(
        services.db,
        credit.company_id,
        credit.credit_id,
        link_key_id=credit.link_key_id,
        by=OPERATOR,
        at=NOON,
        now=NOON,
    )
    with pytest.raises(ReviewChanged):
        await accept(services, session, reviewing(services, credit, draft))
    with pytest.raises(ReviewChanged):
        await decline_by_payee(services.db, session, reason=None, at=NOON, now=NOON)
    found = await page_credit(services.db, company.company_id, credit.credit_id)
    assert found is not None
    assert found.state is State.REQUESTED
