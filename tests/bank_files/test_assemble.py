"""Claiming at the cut-off: who is in the file, who waits, and who is there first."""

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest

from jetpay.bank_files import assemble, model
from jetpay.bank_files.assemble import claim
from jetpay.bank_files.cut_off import cut_off
from jetpay.bank_files.model import FileState
from jetpay.bank_files.process import process
from jetpay.base.ids import CreditId
from jetpay.base.refusals import Refusal
from jetpay.companies import due
from jetpay.companies.due import NotYet
from jetpay.credits.actions import cancel
from jetpay.credits.model import State
from jetpay.db.rows import Command, Query
from jetpay.events.model import OPERATOR
from tests.stage import Stage
from tests.world import NOON

DUE = Query(
    str,
    """
    select kind || ' ' || to_char(due_at at time zone 'utc', 'HH24:MI') as due from due
    where company_id = %(company_id)s and kind <> 'expire_links' order by kind
    """,
    never_null=("due",),
)
CLOSE_ACCOUNT = Command(
    """
    update bank_account set state = %(state)s
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """
)


async def cut(stage: Stage, hours: int = 0) -> None:
    at = NOON + timedelta(hours=hours)
    services = stage.services
    await cut_off(services.db, services.vault, stage.company_id, stage.account, cutoff_at=at, at=at)


async def set_account(stage: Stage, state: str) -> None:
    await CLOSE_ACCOUNT.run(
        stage.services.db,
        company_id=stage.company_id,
        bank_account_id=stage.account,
        state=state,
    )


async def test_accepting_lets_the_worker_come_at_the_next_cut_off(stage: Stage) -> None:
    await stage.accepted()
    found = await DUE.all(stage.services.db, company_id=stage.company_id)
    assert found == ["bank_file_cutoff 12:00"]
    await stage.tick()
    assert len(await stage.files()) == 1


async def test_what_is_ready_after_the_cut_off_waits_for_the_next(stage: Stage) -> None:
    early, late = await stage.accepted(), await stage.accepted()
    services = stage.services
    before = NOON - timedelta(microseconds=1)
    await Command(
        """
        update credit set ready_at = %(at)s
        where company_id = %(company_id)s and credit_id = %(credit_id)s
        """
    ).run(services.db, company_id=stage.company_id, credit_id=early, at=before)
    again = await cut_off(
        services.db, services.vault, stage.company_id, stage.account, cutoff_at=before, at=before
    )
    assert again == NOON
    assert await stage.state(early) is State.PROCESSING
    assert await stage.state(late) is State.INITIATED
    assert (await stage.view(late)).waiting_for == "bank_file"


async def test_no_file_is_made_when_nothing_is_ready(stage: Stage) -> None:
    credit = await stage.accepted()
    await cancel(stage.services.db, stage.company_id, credit, by=OPERATOR, at=NOON)
    await stage.tick()
    assert await stage.files() == []
    assert await DUE.all(stage.services.db, company_id=stage.company_id) == []


async def test_an_account_that_is_not_live_sends_nothing_and_is_asked_again(stage: Stage) -> None:
    credit = await stage.accepted()
    await set_account(stage, "testing")
    await stage.tick()
    assert await stage.state(credit) is State.INITIATED
    assert (await stage.view(credit)).waiting_for == "held"
    await set_account(stage, "live")
    await stage.advance(1)
    assert await stage.state(credit) is State.PROCESSING


async def test_a_file_fills_in_order_up_to_its_limit_and_nobody_is_overtaken(
    stage: Stage,
) -> None:
    first = await stage.accepted(amount=600)
    large = await stage.accepted(amount=500)
    small = await stage.accepted(amount=100)
    await stage.limit(file=1_000)
    await cut(stage)
    states = [await stage.state(each) for each in (first, large, small)]
    assert states == [State.PROCESSING, State.INITIATED, State.INITIATED]
    await stage.tick()
    await stage.advance(1)
    assert [file.total for file in await stage.files()] == [600, 600]


async def test_a_payment_above_every_limit_waits_without_holding_up_the_others(
    stage: Stage,
) -> None:
    large, small = await stage.accepted(amount=5_000), await stage.accepted(amount=100)
    await stage.limit(file=1_000)
    await stage.tick()
    assert await stage.state(large) is State.INITIATED
    assert await stage.state(small) is State.PROCESSING
    await stage.limit()
    await stage.advance(1)
    assert await stage.state(large) is State.PROCESSING


async def test_the_daily_limit_counts_all_live_files_of_one_value_date(stage: Stage) -> None:
    credits_ = [await stage.accepted(amount=400) for _ in range(3)]
    await stage.limit(file=400, daily=900)
    await stage.tick()
    await stage.advance(1)
    filed = sorted(file.value_date.isoformat() for file in await stage.files())
    assert filed == ["2026-03-02", "2026-03-02", "2026-03-03"]
    assert [await stage.state(each) for each in credits_] == [State.PROCESSING] * 3


async def test_the_whole_year_waits_quickly_for_a_limit(stage: Stage) -> None:
    """Nobody looks at every hour of a year for a payment that no hour can take."""
    await stage.accepted(amount=5_000)
    await stage.limit(daily=1_000)
    await asyncio.wait_for(stage.advance(366), 30)


async def test_a_credit_limit_lowered_later_keeps_a_credit_waiting(stage: Stage) -> None:
    credit = await stage.accepted(amount=400)
    await stage.limit(credit=399)
    await cut(stage)
    assert await stage.state(credit) is State.INITIATED


async def test_what_cannot_be_written_never_enters_the_file(stage: Stage) -> None:
    good = await stage.accepted()
    by_link = await stage.accepted(holder="山田")
    await stage.tick()
    assert await stage.state(good) is State.PROCESSING
    view = await stage.view(by_link)
    assert (view.state, view.fail_reason) == (State.ACTION_REQUIRED, "details_invalid")
    assert view.expires_at == NOON + timedelta(days=14)
    assert await stage.attempts(by_link) == ["rejected details_invalid"]
    [file] = await stage.files()
    assert file.credit_count == 1


async def test_no_file_is_made_of_payments_that_cannot_be_written(stage: Stage) -> None:
    credit = await stage.accepted(holder="山田", repairs=0)
    await stage.tick()
    assert await stage.state(credit) is State.FAILED
    assert await stage.files() == []


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (assemble, model):
        monkeypatch.setattr(module, "CREDITS_AT_ONCE", 2)


@pytest.mark.usefixtures("small_chunks")
async def test_a_file_is_claimed_in_chunks_and_keeps_its_order(stage: Stage) -> None:
    credits_ = [await stage.accepted(amount=100 + n) for n in range(5)]
    await stage.tick()
    [file] = await stage.files()
    assert (file.credit_count, file.total) == (5, 510)
    assert [await stage.state(each) for each in credits_] == [State.PROCESSING] * 5


@pytest.mark.usefixtures("small_chunks")
async def test_a_new_cut_off_waits_until_the_file_of_the_last_one_is_made(stage: Stage) -> None:
    for _ in range(3):
        await stage.accepted()
    await cut(stage)
    [file] = await stage.files()
    assert (file.state, file.credit_count) == (FileState.ASSEMBLING, 2)
    with pytest.raises(NotYet):
        await cut(stage, hours=1)
    await stage.tick()
    [file] = await stage.files()
    assert file.credit_count == 3


@pytest.mark.usefixtures("small_chunks")
async def test_a_file_that_was_withdrawn_meanwhile_takes_nothing_more(stage: Stage) -> None:
    for _ in range(3):
        await stage.accepted()
    await cut(stage)
    [file] = await stage.files()
    await Command("update bank_file set state = 'withdrawn' where company_id = %(company_id)s").run(
        stage.services.db, company_id=stage.company_id
    )
    chunk = await claim(
        stage.services.db,
        stage.services.vault,
        stage.company_id,
        stage.account,
        cutoff_at=file.cutoff_at,
        into=file.bank_file_id,
        at=NOON,
    )
    assert (chunk.bank_file_id, chunk.more) == (None, False)
    assert len(await stage.files()) == 1


async def test_a_file_has_its_limit_of_lines(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(assemble, "FILE_LINES", 2)
    for _ in range(3):
        await stage.accepted()
    await stage.tick()
    await stage.advance(1)
    assert sorted(file.credit_count for file in await stage.files()) == [1, 2]


async def test_cancel_and_claim_cannot_both_win(stage: Stage) -> None:
    services = stage.services
    for _ in range(12):
        credit = await stage.accepted()

        async def cancelled(credit: CreditId = credit) -> str:
            try:
                await cancel(services.db, stage.company_id, credit, by=OPERATOR, at=NOON)
            except Refusal as refusal:
                return refusal.code
            return "cancelled"

        won, _ = await asyncio.gather(cancelled(), cut(stage))
        assert won in {"cancelled", "in_bank_file", "move_refused"}
        expected = State.CANCELLED if won == "cancelled" else State.PROCESSING
        assert await stage.state(credit) is expected
        await stage.prove()
        await stage.tick()


async def test_two_workers_at_one_cut_off_make_one_file(stage: Stage) -> None:
    services = stage.services
    credits_ = [await stage.accepted() for _ in range(4)]

    async def once() -> bool:
        try:
            await cut(stage)
        except NotYet:
            return False
        return True

    assert sum(await asyncio.gather(*(once() for _ in range(4)))) >= 1
    [file] = await stage.files()
    assert file.credit_count == 4
    paths = [stage.services.settings.data_dir] * 3

    async def worked() -> None:
        try:
            await process(
                services.db, services.vault, stage.company_id, file.bank_file_id, paths[0], at=NOON
            )
        except NotYet:
            return

    await asyncio.gather(*(worked() for _ in paths))
    await stage.tick()
    assert [await stage.state(each) for each in credits_] == [State.PROCESSING] * 4
    events = await stage.events()
    assert sum(line.startswith("bank_files.sent") for line in events) == 1
    assert replace(file, state=FileState.ACKNOWLEDGED).state is (await stage.files())[0].state


async def test_armed_work_keeps_the_earlier_appointment(stage: Stage) -> None:
    async with stage.services.db.transaction() as tx:
        for hours in (3, 1, 2):
            await due.arm(
                tx,
                stage.company_id,
                due.BANK_FILE_CUTOFF,
                stage.account,
                at=NOON + timedelta(hours=hours),
            )
    assert await DUE.all(stage.services.db, company_id=stage.company_id) == [
        "bank_file_cutoff 13:00"
    ]
