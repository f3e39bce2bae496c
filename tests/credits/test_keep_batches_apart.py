"""No company fills the shared batch, and an answer that is somebody else's leaves nobody."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from uuid import uuid4

import psycopg
import pytest
from prometheus_client import REGISTRY

from jetpay.base.ids import CompanyId, CreditId, uuid7
from jetpay.base.refusals import Unavailable
from jetpay.credits import dispatch
from jetpay.credits.dispatch import Dispatcher
from jetpay.credits.intake import NewCredit
from jetpay.services import Services
from tests.patience import PATIENCE_SECONDS
from tests.world import Company, make_company

WRONG_OWNER = """
import asyncio, sys
from types import SimpleNamespace
from uuid import UUID
from jetpay.base.clock import SystemClock
from jetpay.credits import dispatch
from jetpay.credits.intake import Made, NewCredit

OURS, THEIRS, CREDIT = UUID(int=1), UUID(int=int(sys.argv[1])), UUID(int=3)

async def intake(db, items, **_):
    return {item.credit_id: Made(item.credit_id, THEIRS, None, True, 1) for item in items}

async def main():
    dispatch.intake = intake
    keyring = SimpleNamespace(active=lambda purpose: SimpleNamespace(number=1))
    one = dispatch.Dispatcher(quick=None, patient=None, keyring=keyring, clock=SystemClock())
    one.start()
    await one.submit(OURS, NewCredit(CREDIT, None, b""))
    print("somebody was answered", flush=True)
    await one.stop()

asyncio.run(main())
"""


async def one(company: Company, **changes: object) -> object:
    return await company.services.births.one(company.asker, company.request(**changes), key=None)


@pytest.fixture
async def asleep(services: Services) -> AsyncIterator[Dispatcher]:
    """A dispatcher that has not begun: whoever comes, waits."""
    one = Dispatcher(
        quick=services.db, patient=services.db, keyring=services.keyring, clock=services.clock
    )
    yield one
    await one.stop()


async def test_of_a_batch_one_company_has_half_at_most_while_others_wait(
    services: Services, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "BATCH_ITEMS", 40)
    other = await make_company(services, "Other Example")
    greedy = [asyncio.create_task(one(company)) for _ in range(100)]
    modest = [asyncio.create_task(one(other)) for _ in range(10)]
    await asyncio.gather(*modest)
    assert sum(task.done() for task in greedy) == 20
    await asyncio.gather(*greedy)


async def test_alone_a_company_has_all_of_the_batch(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dispatch, "BATCH_ITEMS", 40)
    tasks = [asyncio.create_task(one(company)) for _ in range(100)]
    await tasks[0]
    assert sum(task.done() for task in tasks) == 40
    await asyncio.gather(*tasks)


async def test_two_thousand_wait_and_who_comes_then_is_refused_at_once(
    asleep: Dispatcher, company: Company
) -> None:
    def submit(company_id: CompanyId) -> asyncio.Task[object]:
        item = NewCredit(CreditId(uuid7()), company.request(), b"")
        return asyncio.create_task(asleep.submit(company_id, item))

    companies = [CompanyId(uuid4()) for _ in range(11)]
    waiting = [submit(each) for each in companies[:10] for _ in range(200)]
    await asyncio.sleep(0)
    assert len(waiting) == dispatch.WAITING_ITEMS == 2_000
    with pytest.raises(Unavailable) as refused:
        await asyncio.wait_for(submit(companies[10]), PATIENCE_SECONDS)
    assert refused.value.retry_after
    assert not any(task.done() for task in waiting)
    await asleep.stop()
    answers = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(answer, Unavailable) for answer in answers)


@pytest.mark.parametrize("owner, code", [(1, 0), (2, 70)])
def test_an_answer_of_another_company_ends_the_process_before_anything_is_answered(
    owner: int, code: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRONG_OWNER, str(owner)],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == code, done.stderr
    assert ("somebody was answered" in done.stdout) is not bool(code)
    assert ("intake_answer_belongs_to_another_company" in done.stdout) is bool(code)


async def test_what_the_database_refuses_is_counted_as_a_defect(company: Company) -> None:
    def counted() -> float:
        return REGISTRY.get_sample_value("jetpay_intake_defects_total") or 0.0

    before = counted()
    bad = [one(company, note="\x00") for _ in range(2)]
    answers = await asyncio.gather(*bad, *(one(company) for _ in range(5)), return_exceptions=True)
    assert sum(isinstance(answer, psycopg.DataError) for answer in answers) == 2
    assert counted() - before == 2
    company.services.births._dispatcher._own_lane_until.clear()
