"""When a payee's session lives, and what is dropped when it is old."""

from datetime import timedelta

import pytest

from jetpay.base.ids import CreditId
from jetpay.credits.model import State
from jetpay.credits.payee_sessions import (
    PayeeSession,
    end_sessions,
    find_session,
    forget_old,
    start_session,
)
from jetpay.services import Services
from tests.world import NOON, Company

MINUTE = timedelta(minutes=1)


def session(company: Company, *, read_only: bool = False, seen: int = 0) -> PayeeSession:
    return PayeeSession(
        digest=bytes(32),
        company_id=company.company_id,
        credit_id=CreditId(company.contact),
        link_version=1,
        gate="question",
        read_only=read_only,
        created_at=NOON,
        seen_at=NOON + seen * MINUTE,
        ended_at=None,
    )


@pytest.mark.parametrize(
    "state,read_only,seen,minute,alive",
    [
        (State.REQUESTED, False, 0, 19, True),
        (State.REQUESTED, False, 0, 20, False),
        (State.REQUESTED, False, 45, 59, True),
        (State.REQUESTED, False, 59, 60, False),
        (State.ACTION_REQUIRED, False, 10, 19, True),
        (State.ACTION_REQUIRED, False, 10, 20, False),
        (State.ACTION_REQUIRED, True, 0, 1, False),
        (State.INITIATED, True, 0, 19, True),
        (State.INITIATED, False, 0, 1, False),
        (State.COMPLETED, True, 0, 1, True),
        (State.FAILED, True, 0, 1, True),
    ],
)
def test_how_long_a_session_lives(
    company: Company, *, state: State, read_only: bool, seen: int, minute: int, alive: bool
) -> None:
    one = session(company, read_only=read_only, seen=seen)
    assert one.is_alive(state=state, link_version=1, now=NOON + minute * MINUTE) is alive


def test_a_session_is_of_one_link_version(company: Company) -> None:
    one = session(company)
    assert one.is_alive(state=State.REQUESTED, link_version=1, now=NOON)
    assert not one.is_alive(state=State.REQUESTED, link_version=2, now=NOON)


async def start(company: Company, credit_id: CreditId) -> str:
    async with company.services.db.transaction() as tx:
        cookie = await start_session(
            tx, company.company_id, credit_id, link_version=1, read_only=False, now=NOON
        )
    return cookie.reveal()


async def test_of_a_session_only_a_digest_is_stored(company: Company) -> None:
    services = company.services
    born = await services.births.one(company.asker, company.request(), key=None)
    cookie = await start(company, born.credit_id)
    assert cookie.startswith("s1.")
    found = await find_session(services.db, cookie)
    assert found is not None
    assert found.digest.hex() not in cookie
    for wrong in ("", "s1.", cookie[:-1], cookie + "A", "s2." + cookie[3:], "s1." + "A" * 43):
        assert await find_session(services.db, wrong) is None


async def test_ending_spares_one_session_which_may_only_read(company: Company) -> None:
    services = company.services
    born = await services.births.one(company.asker, company.request(), key=None)
    cookies = [await start(company, born.credit_id) for _ in range(3)]
    kept = await find_session(services.db, cookies[1])
    assert kept is not None
    async with services.db.transaction() as tx:
        await end_sessions(
            tx, company.company_id, born.credit_id, kept=kept.digest, now=NOON + MINUTE
        )
    found = [await find_session(services.db, each) for each in cookies]
    assert [(each.read_only, each.ended_at is None) for each in found if each] == [
        (True, False),
        (True, True),
        (True, False),
    ]


async def test_old_sessions_are_forgotten(services: Services, company: Company) -> None:
    born = await services.births.one(company.asker, company.request(), key=None)
    cookie = await start(company, born.credit_id)
    await forget_old(services.db, now=NOON + timedelta(days=29))
    assert await find_session(services.db, cookie) is not None
    await forget_old(services.db, now=NOON + timedelta(days=31))
    assert await find_session(services.db, cookie) is None
