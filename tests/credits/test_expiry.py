"""What the payee leaves undone ends in time: links run out, repairs lapse."""

from datetime import timedelta

import pytest

from jetpay.base.ids import CreditId
from jetpay.base.refusals import Refusal
from jetpay.credits import expiry
from jetpay.credits.actions import extend_link
from jetpay.credits.expiry import expire_some, next_expiry
from jetpay.credits.model import State
from jetpay.credits.states import Cause, Move
from tests.stage import Stage
from tests.world import NOON

MINUTE = timedelta(minutes=1)


async def test_a_link_expires_at_its_time_and_not_before(stage: Stage) -> None:
    credit = await stage.requested(expires_at=NOON + timedelta(hours=2))
    db, company_id = stage.services.db, stage.company_id
    await expire_some(db, company_id, at=NOON + timedelta(hours=2) - MINUTE)
    assert await stage.state(credit) is State.REQUESTED
    await expire_some(db, company_id, at=NOON + timedelta(hours=2))
    assert await stage.state(credit) is State.EXPIRED
    assert (await stage.events())[-1].endswith("requested>expired link_expired")


async def test_the_sweep_comes_when_a_link_runs_out(stage: Stage) -> None:
    soon = await stage.requested(expires_at=NOON + timedelta(hours=30))
    later = await stage.requested()
    await stage.advance(1)
    assert await stage.state(soon) is State.REQUESTED
    await stage.advance(1)
    assert [await stage.state(each) for each in (soon, later)] == [
        State.EXPIRED,
        State.REQUESTED,
    ]


async def test_the_next_sweep_is_never_later_than_the_shortest_link_could_end(
    stage: Stage,
) -> None:
    db, company_id = stage.services.db, stage.company_id
    assert await next_expiry(db, company_id, now=NOON) == NOON + 15 * MINUTE
    await stage.requested(expires_at=NOON + 20 * MINUTE)
    assert await next_expiry(db, company_id, now=NOON) == NOON + 15 * MINUTE
    assert await next_expiry(db, company_id, now=NOON + 10 * MINUTE) == NOON + 20 * MINUTE


async def test_a_repair_that_never_came_fails_and_keeps_the_bank_s_reason(
    stage: Stage,
) -> None:
    credit = await stage.accepted("9000002")
    await stage.advance(13)
    assert await stage.state(credit) is State.ACTION_REQUIRED
    await stage.advance(1)
    view = await stage.view(credit)
    assert (view.state, view.fail_reason) == (State.FAILED, "account_not_found")
    assert (await stage.events())[-1].endswith("action_required>failed repair_lapsed")


async def test_a_repair_opened_within_one_leap_lapses_within_it(stage: Stage) -> None:
    credit = await stage.accepted("9000102")
    await stage.advance(25)
    assert await stage.state(credit) is State.FAILED


async def test_an_extended_link_lives_on(stage: Stage) -> None:
    credit = await stage.requested(expires_at=NOON + timedelta(hours=1))
    await extend_link(
        stage.services.db,
        stage.company_id,
        credit,
        expires_at=NOON + timedelta(days=3),
        at=NOON,
    )
    await stage.advance(2)
    assert await stage.state(credit) is State.REQUESTED
    await stage.advance(2)
    assert await stage.state(credit) is State.EXPIRED


async def test_what_was_extended_while_the_sweep_waited_for_its_lock_is_spared(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    credit = await stage.requested()

    async def seen_before(*_: object, **__: object) -> list[CreditId]:
        return [credit]

    monkeypatch.setattr(expiry.RUN_OUT, "all", seen_before)
    await expire_some(stage.services.db, stage.company_id, at=NOON)
    assert await stage.state(credit) is State.REQUESTED


async def test_many_expire_in_parts(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(expiry, "CREDITS_AT_ONCE", 2)
    credits_ = [await stage.requested(expires_at=NOON + 20 * MINUTE) for _ in range(5)]
    await stage.advance(1)
    assert {await stage.state(each) for each in credits_} == {State.EXPIRED}


async def test_a_move_that_is_refused_is_a_defect_and_not_passed_over(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    credit = await stage.requested(expires_at=NOON + 20 * MINUTE)
    wrong = Move(credit_id=credit, to=State.COMPLETED, cause=Cause.SETTLED)
    monkeypatch.setattr(expiry, "_ended", lambda _: wrong)
    with pytest.raises(Refusal):
        await expire_some(stage.services.db, stage.company_id, at=NOON + 20 * MINUTE)
