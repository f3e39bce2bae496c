"""The shared batch: it survives everything, and no company holds up another."""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import NamedTuple
from uuid import uuid4

import psycopg
import pytest

from jetpay.base.ids import ContactId
from jetpay.base.refusals import Invalid, RateLimited, Unavailable
from jetpay.credits import dispatch
from jetpay.credits.births import Births, Born
from jetpay.credits.dispatch import Dispatcher
from jetpay.credits.queries import view
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.security.secrets import Secret
from jetpay.services import Services, open_services
from tests.conftest import TestServer
from tests.patience import PATIENCE_SECONDS
from tests.world import Company, make_company

CREDITS = Query(
    int, "select count(*) from credit where company_id = %(company_id)s", never_null=("count",)
)
EVENTS = Query(
    int, "select event_id from event where company_id = %(company_id)s order by event_id"
)


def dispatcher_of(services: Services) -> Dispatcher:
    return services.births._dispatcher


@pytest.fixture
def room_for_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """More may wait of one company than are let in otherwise."""
    monkeypatch.setattr(dispatch, "WAITING_ITEMS_PER_COMPANY", 1_000)


async def no_gap(services: Services, company: Company) -> bool:
    numbers = await EVENTS.all(services.db, company_id=company.company_id)
    return numbers == list(range(1, len(numbers) + 1))


async def one(company: Company, key: str | None = None, **changes: object) -> Born:
    return await company.services.births.one(company.asker, company.request(**changes), key=key)


class Wrong(NamedTuple):
    """An item that is refused: by the statement, or because it fails all of it."""

    changes: dict[str, object]
    refused: type[Exception]


UNKNOWN = Wrong({"contact_id": ContactId(uuid4())}, Invalid)
UNCLEAN = Wrong({"note": "\x00"}, psycopg.DataError)


async def test_fifty_companies_with_bad_items_each_get_their_own_answers(
    services: Services,
) -> None:
    companies = [await make_company(services, f"Company {n}") for n in range(50)]
    asked = []
    for number in range(1_000):
        company = companies[number % 50]
        wrong = random.choice((UNKNOWN, UNCLEAN)) if random.random() < 0.05 else None
        changes = wrong.changes if wrong else {"amount": number + 1}
        asked.append((company, wrong, number + 1, one(company, **changes)))
    random.shuffle(asked)
    answers = await asyncio.gather(*(call for *_, call in asked), return_exceptions=True)
    for (company, wrong, amount, _), answer in zip(asked, answers, strict=True):
        if wrong is not None:
            assert isinstance(answer, wrong.refused)
        else:
            assert isinstance(answer, Born)
            found = await view(services.db, company.company_id, answer.credit_id)
            assert found.amount == amount
    for company in companies:
        assert await no_gap(services, company)
    dispatcher_of(services)._own_lane_until.clear()


@pytest.mark.usefixtures("room_for_all")
async def test_cancelled_callers_and_killed_connections_leave_nobody_waiting(
    services: Services, company: Company, server: TestServer, database_name: str
) -> None:
    tasks = [asyncio.create_task(one(company, key=f"k{n}")) for n in range(400)]
    ended = 0
    dsn = server.dsn("super", database_name)
    with psycopg.connect(dsn.reveal(), autocommit=True) as connection:
        for turn in range(10):
            await asyncio.sleep(0.005)
            random.choice(tasks).cancel()
            if turn % 2:
                found = connection.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and usename = 'jetpay_app'"
                ).fetchall()
                ended += len(found)
    assert ended
    answers = await asyncio.wait_for(
        asyncio.gather(*tasks, return_exceptions=True), PATIENCE_SECONDS
    )
    made = [answer for answer in answers if isinstance(answer, Born)]
    assert len({born.credit_id for born in made}) == len(made)
    odd = [a for a in answers if not isinstance(a, Born | asyncio.CancelledError)]
    assert odd == []
    assert await no_gap(services, company)
    again = [await one(company, key=f"k{n}") for n in range(0, 400, 40)]
    known = {born.credit_id for born in made}
    cancelled = sum(isinstance(a, asyncio.CancelledError) for a in answers)
    assert sum(born.credit_id not in known for born in again) <= cancelled
    assert await CREDITS.one(services.db, company_id=company.company_id) == 400


async def test_the_loop_survives_any_exception(
    services: Services, company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(dispatch, "intake", broken)
        with pytest.raises(ZeroDivisionError):
            await asyncio.wait_for(one(company), PATIENCE_SECONDS)
    await asyncio.wait_for(one(company), PATIENCE_SECONDS)


async def test_an_item_that_fails_in_the_database_fails_alone_and_its_company_goes_alone(
    services: Services, company: Company, caplog: pytest.LogCaptureFixture
) -> None:
    """What validation let through by mistake: U+0000 makes the whole statement fail."""
    other = await make_company(services, "Other Example")
    calls = [one(company, note="\x00")] + [one(other) for _ in range(20)]
    answers = await asyncio.wait_for(
        asyncio.gather(*calls, return_exceptions=True), PATIENCE_SECONDS
    )
    assert isinstance(answers[0], psycopg.DataError)
    assert all(isinstance(answer, Born) for answer in answers[1:])
    lanes, time = dispatcher_of(services)._own_lane_until, asyncio.get_running_loop().time
    assert 0 < lanes[company.company_id] - time() <= dispatch.OWN_LANE_SECONDS == 60
    await asyncio.wait_for(one(company), PATIENCE_SECONDS)
    assert company.company_id in lanes
    lanes[company.company_id] = time()  # a minute later
    await asyncio.wait_for(one(company), PATIENCE_SECONDS)
    assert company.company_id not in lanes


async def test_a_locked_company_delays_no_other(
    services: Services, company: Company, owner_dsn: Secret[str]
) -> None:
    other = await make_company(services, "Other Example")
    async with await psycopg.AsyncConnection.connect(owner_dsn.reveal()) as connection:
        await connection.execute(
            "select from event_counter where company_id = %s for update", [company.company_id]
        )
        locked = [asyncio.create_task(one(company, key=f"k{n}")) for n in range(3)]
        answers = await asyncio.wait_for(
            asyncio.gather(*(one(other) for _ in range(30))), PATIENCE_SECONDS
        )
        assert len(answers) == 30
        assert not any(task.done() for task in locked)
        await connection.rollback()
    assert len({born.credit_id for born in await asyncio.gather(*locked)}) == 3
    assert await no_gap(services, company)


async def test_too_many_waiting_of_one_company_are_refused_at_once(
    services: Services, company: Company
) -> None:
    count = dispatch.WAITING_ITEMS_PER_COMPANY + 50
    answers = await asyncio.gather(*(one(company) for _ in range(count)), return_exceptions=True)
    refused = [answer for answer in answers if isinstance(answer, Unavailable)]
    assert len(refused) == 50
    assert all(answer.retry_after for answer in refused)


@pytest.mark.usefixtures("room_for_all")
async def test_two_processes_with_the_same_keys_make_each_credit_once(
    services: Services, company: Company, root_key: Secret[str], app_dsn: Secret[str]
) -> None:
    second = await open_services(services.settings, clock=services.clock, check_production=False)
    try:
        keys = [f"k{n}" for n in range(300)]
        answers = await asyncio.gather(
            *(
                births.one(company.asker, company.request(), key=key)
                for births in (services.births, second.births)
                for key in random.sample(keys, len(keys))
            )
        )
    finally:
        await second.close()
    assert len({born.credit_id for born in answers}) == 300
    assert await CREDITS.one(services.db, company_id=company.company_id) == 300
    assert await no_gap(services, company)


async def test_when_it_stops_whoever_waits_is_told(services: Services, company: Company) -> None:
    lonely = Dispatcher(
        quick=services.db, patient=services.db, keyring=services.keyring, clock=services.clock
    )
    births = Births(
        services.db,
        lonely,
        keyring=services.keyring,
        vault=services.vault,
        hasher=services.hasher,
        clock=services.clock,
    )
    waiting = asyncio.create_task(births.one(company.asker, company.request(), key=None))
    await asyncio.sleep(0)
    await lonely.stop()
    with pytest.raises(Unavailable):
        await waiting


async def test_a_locked_contact_delays_no_other_company(
    services: Services, company: Company, owner_dsn: Secret[str]
) -> None:
    """Its counter is free; the insert itself waits, as for a key that another call has in hand."""
    other = await make_company(services, "Other Example")
    async with await psycopg.AsyncConnection.connect(owner_dsn.reveal()) as connection:
        await connection.execute(
            "select from contact where company_id = %s for update", [company.company_id]
        )
        calls = [one(each) for _ in range(15) for each in (company, other)]
        tasks = [asyncio.create_task(call) for call in calls]
        answers = await asyncio.wait_for(asyncio.gather(*tasks[1::2]), PATIENCE_SECONDS)
        assert all(isinstance(answer, Born) for answer in answers)
        assert not any(task.done() for task in tasks[::2])
        await connection.rollback()
    assert len({born.credit_id for born in await asyncio.gather(*tasks[::2])}) == 15
    dispatcher_of(services)._own_lane_until.clear()


class LosesAnswers:
    """A database whose connection breaks after the commit, before its answer, once."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self.lost = 0

    def connection(self) -> AbstractAsyncContextManager[psycopg.AsyncConnection]:
        return self._db.connection()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._db.transaction() as tx:
            yield tx
        if not self.lost:
            self.lost += 1
            message = "server closed the connection unexpectedly"
            raise psycopg.OperationalError(message)


@pytest.mark.parametrize("kind", ["saved account", "own question"])
async def test_a_commit_whose_answer_was_lost_is_found_and_not_made_again(
    services: Services, company: Company, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kinds: dict[str, dict[str, object]] = {
        "saved account": {"to_bank_account": await company.contact_account()},
        "own question": {
            "security_question": "Which street did we meet in?",
            "security_answer": Secret("Larch Alley"),
        },
    }
    breaks = LosesAnswers(services.db)
    monkeypatch.setattr(services.births, "_db", breaks)
    asked = company.request(**kinds[kind])
    born = await services.births.one(company.asker, asked, key=None)
    assert breaks.lost == 1
    assert await CREDITS.one(services.db, company_id=company.company_id) == 1
    assert (await view(services.db, company.company_id, born.credit_id)).amount == born.amount
    assert await no_gap(services, company)


async def test_a_third_call_with_many_lines_at_once_is_refused(
    services: Services, company: Company
) -> None:
    births = services.births
    with births.bulk_call(company.company_id), births.bulk_call(company.company_id):
        with pytest.raises(RateLimited), births.bulk_call(company.company_id):
            pass
        other = await make_company(services, "Other Example")
        with births.bulk_call(other.company_id):
            pass
    with births.bulk_call(company.company_id):
        pass
