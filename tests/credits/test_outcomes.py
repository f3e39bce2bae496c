"""What a bank's answer does to a credit, by its state, its reason and how it was born."""

import asyncio
from datetime import datetime

import pytest

from jetpay.base.refusals import Refusal
from jetpay.contacts.erasure import erase_contact
from jetpay.contacts.queries import get_contact
from jetpay.contacts.refusals import HasOpenCredits
from jetpay.credits.model import Held, Outcome, State
from jetpay.credits.outcomes import (
    Answer,
    can_end,
    end_with_answers,
    refuse_unwritable,
    settle,
)
from jetpay.credits.states import lock
from jetpay.db.rows import Command, Query
from jetpay.events.model import CLOCK, OPERATOR, REPORT_READER
from jetpay.rails.fail_reasons import FAIL_REASONS
from tests.patience import PATIENCE_SECONDS, wait_until_locked
from tests.stage import Stage
from tests.world import NOON

ERASE = Command("update contact set erased_at = %(at)s where company_id = %(company_id)s")
ACCEPTED = Query(
    datetime,
    """
    select accepted_at from payment_attempt
    where company_id = %(company_id)s and credit_id = %(credit_id)s order by attempt
    """,
)
CLOSED = FAIL_REASONS["account_closed"]


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("outcome", Outcome)
def test_only_what_is_with_the_bank_can_end_and_a_settled_one_only_returns(
    state: State, outcome: Outcome
) -> None:
    may = {State.PROCESSING} | ({State.COMPLETED} if outcome is Outcome.RETURNED else set())
    assert can_end(state.value, outcome) == (state in may)


async def test_a_late_return_of_an_erased_contact_fails_and_is_never_repaired(
    stage: Stage,
) -> None:
    credit = await stage.accepted("9000906")
    await stage.advance(1)
    await ERASE.run(stage.services.db, company_id=stage.company_id, at=NOON)
    await stage.return_now(credit, "account_closed")
    assert await stage.state(credit) is State.FAILED


@pytest.mark.parametrize("reason", ["insufficient_funds", "rejected_by_bank"])
async def test_a_late_return_for_the_company_s_side_is_final(stage: Stage, reason: str) -> None:
    credit = await stage.accepted("9000906")
    await stage.advance(1)
    await stage.return_now(credit, reason)
    view = await stage.view(credit)
    assert (view.state, view.fail_reason, view.held) == (State.FAILED, reason, None)


async def test_what_is_returned_for_the_company_s_side_waits_with_the_same_details(
    stage: Stage,
) -> None:
    credit = await stage.accepted()
    await stage.tick()
    await stage.return_now(credit, "insufficient_funds")
    view = await stage.view(credit)
    assert (view.state, view.held, view.attempt) == (
        State.INITIATED,
        Held.AWAITING_RETURNED_FUNDS,
        2,
    )
    assert view.fail_reason is None
    assert await stage.attempts(credit) == ["returned insufficient_funds", "open"]
    await stage.advance(3)
    assert await stage.state(credit) is State.INITIATED


async def test_without_repairs_the_guide_s_states_alone_are_seen(stage: Stage) -> None:
    credit = await stage.accepted("9000001", repairs=0)
    await stage.tick()
    assert await stage.state(credit) is State.FAILED


async def test_no_answers_change_nothing(stage: Stage) -> None:
    events = await stage.events()
    async with stage.services.db.transaction() as tx:
        await end_with_answers(
            tx, stage.services.vault, stage.company_id, [], by=REPORT_READER, at=NOON
        )
        await refuse_unwritable(tx, stage.company_id, [], at=NOON)
        await settle(tx, stage.company_id, [], by=CLOCK, at=NOON)
    assert await stage.events() == events


async def test_an_answer_for_a_credit_that_is_not_with_the_bank_is_refused_whole(
    stage: Stage,
) -> None:
    good, waiting = await stage.accepted(), await stage.requested()
    await stage.tick()
    answers = [
        Answer(credit_id=each, outcome=Outcome.REJECTED, reason=CLOSED) for each in (good, waiting)
    ]
    with pytest.raises(Refusal):
        async with stage.services.db.transaction() as tx:
            await end_with_answers(
                tx,
                stage.services.vault,
                stage.company_id,
                answers,
                by=REPORT_READER,
                at=NOON,
            )
    assert await stage.state(good) is State.PROCESSING
    assert await stage.attempts(good) == ["open"]


async def test_what_was_accepted_keeps_its_date_through_every_attempt(stage: Stage) -> None:
    credit = await stage.accepted("9000114")
    await stage.advance(2)
    assert await stage.attempts(credit) == ["returned insufficient_funds", "open"]
    place = {"company_id": stage.company_id, "credit_id": credit}
    assert await ACCEPTED.all(stage.services.db, **place) == [NOON, NOON]


async def test_a_contact_is_not_erased_while_a_return_is_read(stage: Stage) -> None:
    """Or it would be erased with a payment that waits for its owner."""
    credit = await stage.accepted("9000906")
    await stage.advance(1)
    services, company = stage.services, stage.company
    async with services.db.connection() as connection, services.db.transaction() as tx:
        await lock(tx, stage.company_id, [credit])
        answer = Answer(credit_id=credit, outcome=Outcome.RETURNED, reason=CLOSED)
        at = await stage.now()
        await end_with_answers(
            tx, services.vault, stage.company_id, [answer], by=REPORT_READER, at=at
        )
        erasing = asyncio.create_task(
            erase_contact(services.db, stage.company_id, company.contact, by=OPERATOR, at=at)
        )
        await wait_until_locked(connection)
    with pytest.raises(HasOpenCredits):
        await asyncio.wait_for(erasing, PATIENCE_SECONDS)
    assert await stage.state(credit) is State.ACTION_REQUIRED
    assert (await get_contact(services.db, stage.company_id, company.contact)).name is not None


async def test_a_withdrawn_payment_has_a_new_attempt_and_no_fail_reason(stage: Stage) -> None:
    credit = await stage.accepted()
    await stage.tick()
    async with stage.services.db.transaction() as tx:
        await lock(tx, stage.company_id, [credit])
        await end_with_answers(
            tx,
            stage.services.vault,
            stage.company_id,
            [Answer(credit_id=credit, outcome=Outcome.WITHDRAWN, whole_file=True)],
            by=OPERATOR,
            at=NOON,
        )
    view = await stage.view(credit)
    assert (view.state, view.held, view.fail_reason) == (State.INITIATED, "withdrawn", None)
    assert await stage.attempts(credit) == ["withdrawn", "open"]
