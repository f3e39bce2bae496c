"""The gate on its own: reservations, what becomes of abandoned ones, and who counts."""

import asyncio
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from jetpay.base.clock import FixedClock
from jetpay.base.refusals import Busy, RateLimited
from jetpay.credits.gate import (
    RESERVE,
    LinkLocked,
    Right,
    Wrong,
    answer_question,
)
from jetpay.credits.page_queries import PageCredit, page_credit
from jetpay.db.rows import Query
from jetpay.security import limits
from jetpay.security.limits import LimitKind
from jetpay.security.secrets import Secret
from jetpay.services import Services
from tests.world import ANSWER, Company

Answer = Callable[..., object]

GATE = Query(
    int,
    """
    select (wrong * 100 + pending * 10 + (locked_at is not null)::int)::int as gate
    from link_gate where company_id = %(company_id)s and credit_id = %(credit_id)s
    """,
    never_null=("gate",),
)
"""Wrong answers, reservations and the lock, as three digits."""
LOCKS = Query(
    int,
    """
    select count(*)::int as locks from event
    where company_id = %(company_id)s and type = 'transactions.credits.link_locked'
    """,
    never_null=("locks",),
)


@pytest.fixture
def turned(clock: FixedClock) -> Iterator[FixedClock]:
    before = clock.at
    yield clock
    clock.at = before


@pytest.fixture
async def credit(company: Company) -> PageCredit:
    born = await company.services.births.one(company.asker, company.request(), key=None)
    found = await page_credit(company.services.db, company.company_id, born.credit_id)
    assert found is not None
    return found


async def guess(services: Services, credit: PageCredit, answer: str) -> Right | Wrong:
    return await answer_question(
        services.db,
        services.hasher,
        credit,
        Secret(answer),
        network=None,
        now=services.clock.now(),
    )


async def gate(services: Services, credit: PageCredit) -> int | None:
    return await GATE.first(services.db, company_id=credit.company_id, credit_id=credit.credit_id)


async def abandon(services: Services, credit: PageCredit, count: int) -> None:
    """As a process that dies between reserving and settling."""
    for _ in range(count):
        await RESERVE.one(
            services.db,
            company_id=credit.company_id,
            credit_id=credit.credit_id,
            link_version=credit.link_version,
            late=False,
            late_after=services.clock.now(),
            now=services.clock.now(),
            tries=5,
        )


async def test_creating_a_credit_makes_no_gate(services: Services, credit: PageCredit) -> None:
    assert await gate(services, credit) is None


async def test_a_right_answer_opens_and_a_wrong_one_counts(
    services: Services, credit: PageCredit
) -> None:
    assert await guess(services, credit, "wrong") == Wrong(4)
    assert isinstance(await guess(services, credit, f"«{ANSWER.lower()}»"), Right)
    assert await gate(services, credit) == 100


async def test_an_abandoned_reservation_has_used_its_try(
    services: Services, credit: PageCredit, turned: FixedClock
) -> None:
    await abandon(services, credit, 3)
    await guess(services, credit, "wrong")
    await guess(services, credit, "wrong")
    with pytest.raises(Busy):
        await guess(services, credit, ANSWER)
    assert await gate(services, credit) == 230
    turned.at += timedelta(seconds=31)
    with pytest.raises(LinkLocked):
        await guess(services, credit, ANSWER)
    assert await gate(services, credit) == 501
    assert await LOCKS.one(services.db, company_id=credit.company_id) == 1


async def test_a_cancelled_request_gives_its_try_back(
    services: Services, credit: PageCredit, monkeypatch: pytest.MonkeyPatch
) -> None:
    reached = asyncio.Event()

    async def never(*_: object) -> bool:
        reached.set()
        await asyncio.Event().wait()
        return True

    monkeypatch.setattr(services.hasher, "verify", never)
    asking = asyncio.create_task(guess(services, credit, ANSWER))
    await reached.wait()
    assert await gate(services, credit) == 10
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    assert await gate(services, credit) == 0


async def test_a_network_s_limits_are_of_an_hour_and_of_a_day(
    services: Services, turned: FixedClock
) -> None:
    network, kind = "198.51.100.200/32", LimitKind.WRONG_ANSWER

    async def take() -> None:
        async with services.db.transaction() as tx:
            await limits.take(tx, network, kind, now=turned.at)

    waits = []
    for _ in range(3):
        for _ in range(20):
            await take()
        with pytest.raises(RateLimited) as refused:
            await take()
        waits.append(refused.value.retry_after)
        turned.at += timedelta(hours=1, minutes=6)
    assert waits == [3600, 3600, 24 * 3600]
    with pytest.raises(RateLimited):
        await take()
    turned.at += timedelta(days=1)
    await take()
    async with services.db.transaction() as tx:
        assert await limits.forget_old(tx, now=turned.at + timedelta(days=3)) > 0
