"""Held credits: why they wait for a person, and how they are let go."""

from datetime import timedelta

import pytest

from jetpay.bank_files import assemble, model
from jetpay.base.ids import CreditId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.credits.actions import cancel
from jetpay.credits.holds import held_credits
from jetpay.credits.model import State
from jetpay.credits.refusals import FundsNotBack, NotHeld
from jetpay.db.rows import Command, Query
from jetpay.events.model import OPERATOR
from tests.stage import Stage, make_sandbox
from tests.world import NOON, make_company

SAME = "Payment 4711"
MADE_EARLIER = Command(
    """
    update credit set created_at = created_at - %(by)s::interval
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """
)
FORGET_THE_MARK = Command(
    """
    update credit set held = null, possible_duplicate_of = null
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """
)
ACTS = Query(
    str,
    """
    select entry->>'act' || ' ' || (entry->'object'->>'id') as act from audit
    where company_id = %(company_id)s order by audit_id
    """,
    never_null=("act",),
)


async def seen(stage: Stage, credit: CreditId) -> tuple[State, str | None, CreditId | None]:
    view = await stage.view(credit)
    return view.state, view.waiting_for, view.possible_duplicate_of


async def place(stage: Stage, credit: CreditId) -> dict[str, object]:
    return {"company_id": stage.company_id, "credit_id": credit}


@pytest.mark.parametrize("to_account", [False, True])
async def test_of_two_equal_credits_the_first_is_paid_and_the_second_waits_for_approval(
    stage: Stage, to_account: bool
) -> None:
    make = stage.to_account if to_account else stage.accepted
    first, second = await make(statement=SAME), await make(statement=SAME)
    for filed in (None, "tick"):
        if filed:
            await stage.advance(5)
        assert await seen(stage, second) == (State.INITIATED, "approval", first)
    assert await seen(stage, first) == (State.COMPLETED, None, None)
    [file] = await stage.files()
    assert file.credit_count == 1


async def test_two_that_did_not_see_each_other_are_told_apart_before_the_file(
    stage: Stage,
) -> None:
    first, second = [await stage.accepted(statement=SAME) for _ in range(2)]
    await FORGET_THE_MARK.run(stage.services.db, **await place(stage, second))
    await stage.tick()
    assert await seen(stage, first) == (State.PROCESSING, "bank", None)
    assert await seen(stage, second) == (State.INITIATED, "approval", first)


async def test_who_has_a_key_an_external_id_or_another_purpose_is_no_duplicate(
    stage: Stage,
) -> None:
    await stage.accepted(statement=SAME)
    named = await stage.accepted(statement=SAME, external_id="mine")
    other = await stage.accepted(statement=SAME, amount=10_001)
    company, births = stage.company, stage.services.births
    born = await births.one(company.asker, company.request(statement=SAME), key="k")
    await stage.accept(born.credit_id)
    await stage.tick()
    for each in (named, other, born.credit_id):
        assert await seen(stage, each) == (State.PROCESSING, "bank", None)


@pytest.mark.parametrize("minutes, is_marked", [(9.99, True), (10.01, False), (-9.99, True)])
async def test_ten_minutes_count_by_the_time_of_making(
    stage: Stage, minutes: float, is_marked: bool
) -> None:
    """The identifiers' order decides who was first, whatever a clock did in between."""
    first = await stage.accepted(statement=SAME)
    by = timedelta(minutes=minutes)
    await MADE_EARLIER.run(stage.services.db, by=by, **await place(stage, first))
    second = await stage.accepted(statement=SAME)
    assert ((await stage.view(second)).possible_duplicate_of == first) is is_marked


async def test_what_can_no_longer_be_paid_makes_no_duplicate(stage: Stage) -> None:
    first = await stage.accepted(statement=SAME)
    await cancel(stage.services.db, stage.company_id, first, by=OPERATOR, at=NOON)
    second = await stage.accepted(statement=SAME)
    await stage.tick()
    assert await seen(stage, second) == (State.PROCESSING, "bank", None)


async def test_a_released_duplicate_is_paid_and_not_asked_about_again(stage: Stage) -> None:
    first, second = [await stage.accepted(statement=SAME) for _ in range(2)]
    await stage.tick()
    await stage.release(second)
    assert (await stage.view(second)).held is None
    await stage.advance(5)
    assert await seen(stage, second) == (State.COMPLETED, None, first)
    audited = await ACTS.all(stage.services.db, company_id=stage.company_id)
    assert audited == [f"credit.release {second}"]


async def test_so_many_duplicates_do_not_keep_others_out_of_the_file(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (assemble, model):
        monkeypatch.setattr(module, "CREDITS_AT_ONCE", 2)
    await stage.accepted(statement=SAME)
    await stage.tick()
    equal = [await stage.accepted(statement=SAME) for _ in range(4)]
    for each in equal:
        await FORGET_THE_MARK.run(stage.services.db, **await place(stage, each))
    other = await stage.accepted()
    await stage.tick()
    assert [(await stage.view(each)).waiting_for for each in equal] == ["approval"] * 4
    assert (await stage.view(other)).waiting_for == "bank"


# ------------------------------------------------------------------------------- the list
async def test_the_list_says_what_is_held_and_why(stage: Stage) -> None:
    refused = await stage.accepted("9000901", amount=300)
    await stage.tick()
    first, second = [await stage.accepted(statement=SAME) for _ in range(2)]
    db, company = stage.services.db, stage.company_id
    found = await held_credits(db, company, after=None, limit=10)
    said = [(each.identifier, each.held.value, each.possible_duplicate_of) for each in found]
    assert said == [(refused, "file_refused", None), (second, "possible_duplicate", first)]
    assert [each.amount for each in found] == [300, 10_000]
    assert await held_credits(db, company, after=refused, limit=10) == found[1:]
    assert await held_credits(db, company, after=None, limit=1) == found[:1]
    await stage.release(refused, second)
    assert await held_credits(db, company, after=None, limit=10) == []


# ------------------------------------------------------------------------------ releasing
@pytest.mark.parametrize(
    "number, reason",
    [("9000901", "file_refused"), ("9000114", "awaiting_returned_funds")],
)
async def test_each_hold_of_a_sandbox_can_be_ended(stage: Stage, number: str, reason: str) -> None:
    credit = await stage.accepted(number)
    await stage.advance(2)
    assert (await stage.view(credit)).held == reason
    filed = len(await stage.files())
    await stage.release(credit)
    await stage.tick()
    assert len(await stage.files()) == filed + 1


async def test_all_are_released_or_none(stage: Stage) -> None:
    _, held = [await stage.accepted(statement=SAME) for _ in range(2)]
    free = await stage.accepted()
    for wrong, refusal in ((CreditId(uuid7()), NotFound), (free, NotHeld)):
        with pytest.raises(refusal):
            await stage.release(held, wrong)
    assert (await stage.view(held)).held == "possible_duplicate"
    assert await ACTS.all(stage.services.db, company_id=stage.company_id) == []


async def test_another_company_s_credit_is_not_found(stage: Stage) -> None:
    _, held = [await stage.accepted(statement=SAME) for _ in range(2)]
    other = Stage(stage.services, await make_company(stage.services))
    with pytest.raises(NotFound):
        await other.release(held)
    assert (await stage.view(held)).held == "possible_duplicate"


# --------------------------------------------------- money that came back and goes out again
async def test_a_live_company_s_repair_waits_for_the_returned_money(stage: Stage) -> None:
    credit = await stage.accepted()
    await stage.tick()
    await stage.return_now(credit, "account_closed")
    await make_sandbox(stage, sandbox=False)
    try:
        await stage.accept(credit, "2000002")
        view = await stage.view(credit)
        assert (view.state, view.held, view.waiting_for) == (
            State.INITIATED,
            "awaiting_returned_funds",
            "held",
        )
        with pytest.raises(FundsNotBack):
            await stage.release(credit)
        await stage.tick()
        assert await stage.state(credit) is State.INITIATED
        await cancel(stage.services.db, stage.company_id, credit, by=OPERATOR, at=NOON)
        await stage.prove()
    finally:
        await make_sandbox(stage, sandbox=True)


async def test_a_live_company_s_repair_of_what_never_left_waits_for_nothing(
    stage: Stage,
) -> None:
    credit = await stage.accepted("9000001")  # rejected before the debit
    await stage.tick()
    await make_sandbox(stage, sandbox=False)
    try:
        await stage.accept(credit, "2000002")
        assert (await stage.view(credit)).held is None
    finally:
        await make_sandbox(stage, sandbox=True)


async def test_a_sandbox_s_repair_goes_at_once(stage: Stage) -> None:
    credit = await stage.accepted()
    await stage.tick()
    await stage.return_now(credit, "account_closed")
    await stage.accept(credit, "2000002")
    assert (await stage.view(credit)).held is None
    await stage.tick()
    assert await stage.state(credit) is State.PROCESSING
