"""The simulated bank: every fail reason can be had, and the documents say how."""

import re
from pathlib import Path

import pytest

from jetpay.bank_files.cash import assume_debit
from jetpay.bank_files.model import FileState
from jetpay.bank_files.refusals import NotAtTheBank
from jetpay.bank_files.settle import settle_some
from jetpay.base.ids import CreditId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.companies.queries import COMPANY
from jetpay.credits.model import State
from jetpay.rails.fail_reasons import FAIL_REASONS, FailReason
from jetpay.sandbox import bank, books
from jetpay.sandbox.magic import FIRST, LAST, MAGIC, Ending, Magic, magic_of
from tests.stage import Stage

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "rails" / "sandbox.md"
DAYS_TO_THE_END = 10


def number(ending: Ending, reason: str | None = None) -> str:
    return next(
        str(number)
        for number, magic in MAGIC.items()
        if magic.ending is ending and reason in (None, magic.reason and magic.reason.name)
    )


def expected(reason: FailReason, ending: Ending) -> State:
    """What the table of moves makes of it for a credit by link with repairs left."""
    if reason.repairable:
        return State.ACTION_REQUIRED
    if reason.held and ending is not Ending.RETURNED_LATE:
        return State.INITIATED
    return State.FAILED


@pytest.mark.parametrize("ending", [Ending.REJECTED, Ending.RETURNED, Ending.RETURNED_LATE])
async def test_every_fail_reason_can_be_had_in_every_way(stage: Stage, ending: Ending) -> None:
    made = {
        reason: await stage.accepted(number(ending, reason.name), amount=100 + place)
        for place, reason in enumerate(FAIL_REASONS.values())
    }
    await stage.advance(DAYS_TO_THE_END)
    word = "rejected" if ending is Ending.REJECTED else "returned"
    for reason, credit in made.items():
        view = await stage.view(credit)
        assert view.state is expected(reason, ending), reason.name
        assert (await stage.attempts(credit))[0] == f"{word} {reason.name}"
        assert (view.completed_at is not None) == (ending is Ending.RETURNED_LATE)
        if view.state is State.INITIATED:
            held = "file_refused" if ending is Ending.REJECTED else "awaiting_returned_funds"
            assert view.held == held
        else:
            assert (view.fail_reason, view.fail_direction) == (
                reason.name,
                reason.direction.value,
            )


async def test_a_credit_to_a_saved_account_is_never_repaired(stage: Stage) -> None:
    credit = await stage.to_account(number(Ending.RETURNED, "account_closed"))
    await stage.advance(DAYS_TO_THE_END)
    view = await stage.view(credit)
    assert (view.state, view.fail_reason) == (State.FAILED, "account_closed")


async def test_a_repaired_credit_is_paid_with_the_next_attempt(stage: Stage) -> None:
    credit = await stage.accepted(number(Ending.RETURNED, "account_not_found"))
    await stage.advance(2)
    assert await stage.state(credit) is State.ACTION_REQUIRED
    await stage.accept(credit, "2000002")
    view = await stage.view(credit)
    assert (view.state, view.held, view.repairs_left) == (State.INITIATED, None, 2)
    await stage.advance(DAYS_TO_THE_END)
    assert await stage.state(credit) is State.COMPLETED
    assert await stage.attempts(credit) == ["returned account_not_found", "open"]


async def test_repairs_run_out(stage: Stage) -> None:
    credit = await stage.accepted(number(Ending.REJECTED, "account_closed"), repairs=1)
    await stage.tick()
    await stage.accept(credit, number(Ending.REJECTED, "invalid_account"))
    await stage.tick()
    view = await stage.view(credit)
    assert (view.state, view.fail_reason, view.repairs_left) == (
        State.FAILED,
        "invalid_account",
        0,
    )


async def test_a_refused_file_brings_back_all_its_credits(stage: Stage) -> None:
    good = await stage.accepted()
    await stage.accepted(number(Ending.FILE_REFUSED))
    await stage.advance(1)
    view = await stage.view(good)
    assert (view.state, view.held) == (State.INITIATED, "file_refused")
    assert [file.state for file in await stage.files()] == [FileState.REJECTED]
    assert "bank_files.rejected sent>rejected rejected_by_bank" in await stage.events()


async def test_a_slow_bank_is_reported_overdue_and_nothing_is_completed_before_its_word(
    stage: Stage,
) -> None:
    credit = await stage.accepted(number(Ending.FILE_SLOW))
    await stage.advance(1)
    assert (await stage.files())[0].state is FileState.SENT
    await stage.advance(1)
    [file] = await stage.files()
    assert (file.state, file.overdue_at is not None) == (FileState.SENT, True)
    assert "bank_files.unconfirmed sent>sent no_acknowledgement" in await stage.events()
    await stage.advance(1)
    assert (await stage.files())[0].state is FileState.ACKNOWLEDGED
    await stage.advance(DAYS_TO_THE_END)
    assert await stage.state(credit) is State.COMPLETED


async def test_without_a_word_of_the_bank_nothing_is_ever_completed(stage: Stage) -> None:
    credit = await stage.accepted(number(Ending.FILE_UNANSWERED))
    await stage.advance(60)
    assert await stage.state(credit) is State.PROCESSING
    [file] = await stage.files()
    assert (file.state, file.debited_at) == (FileState.SENT, None)
    overdue = [line for line in await stage.events() if "no_acknowledgement" in line]
    assert len(overdue) == 1


@pytest.mark.parametrize(
    "ending, state, last",
    [
        (Ending.RETURNED_TWICE, State.ACTION_REQUIRED, "returned repeated"),
        (Ending.CONTRADICTED, State.ACTION_REQUIRED, "paid unmatched contradicts"),
        (Ending.CONFIRMED, State.COMPLETED, "paid applied"),
        (Ending.WRONG_AMOUNT, State.COMPLETED, "returned unmatched another_amount"),
        (Ending.PAID, State.COMPLETED, "acknowledged applied"),
    ],
)
async def test_what_else_the_bank_can_do(
    stage: Stage, ending: Ending, state: State, last: str
) -> None:
    account = "2000002" if ending is Ending.PAID else number(ending)
    credit = await stage.accepted(account)
    await stage.advance(DAYS_TO_THE_END)
    assert await stage.state(credit) is state
    assert (await stage.report_items())[-1] == last


async def test_a_confirmed_payment_is_completed_on_the_value_date(stage: Stage) -> None:
    credit = await stage.accepted(number(Ending.CONFIRMED))
    await stage.advance(1)
    assert await stage.state(credit) is State.COMPLETED


async def test_the_bank_answers_the_same_again_after_a_crash_in_the_middle(
    stage: Stage,
) -> None:
    await stage.accepted(number(Ending.REJECTED, "account_closed"))
    await stage.tick()
    [file] = await stage.files()
    before = await stage.report_items()
    await bank.answer(
        stage.services.db,
        stage.services.vault,
        stage.company_id,
        file.bank_file_id,
        at=await stage.now(),
    )
    assert await stage.report_items() == before


async def test_the_bank_says_nothing_about_what_it_has_not(stage: Stage) -> None:
    await stage.use_profile("sandbox_by_hand")
    await stage.accepted()
    await stage.tick()
    [file] = await stage.files()
    services = stage.services
    assert not await books.has(services.db, stage.company_id, file.bank_file_id)
    again = await bank.answer(
        services.db, services.vault, stage.company_id, file.bank_file_id, at=await stage.now()
    )
    assert again is None


async def test_the_bank_takes_no_file_twice(stage: Stage) -> None:
    await stage.accepted()
    await stage.tick()
    [file] = await stage.files()
    taken = await books.receive(
        stage.services.db, stage.company_id, file.bank_file_id, b"x", at=await stage.now()
    )
    assert taken is False


# --------------------------------------------------------------------------- returns on demand
@pytest.mark.parametrize("days", [0, 1, 8], ids=["filed", "debited", "completed"])
@pytest.mark.parametrize("code", ["account_closed", "905", "R02", "AC04"])
async def test_a_payment_is_returned_on_demand(stage: Stage, days: int, code: str) -> None:
    credit = await stage.accepted()
    await stage.advance(days)
    done = await stage.return_now(credit, code)
    assert done.first_event_id == done.last_event_id
    view = await stage.view(credit)
    assert (view.state, view.fail_reason) == (State.ACTION_REQUIRED, "account_closed")


async def test_an_unknown_code_is_never_repaired(stage: Stage) -> None:
    credit = await stage.accepted()
    await stage.tick()
    await stage.return_now(credit, "R99")
    view = await stage.view(credit)
    assert (view.state, view.fail_reason) == (State.FAILED, "unknown_return")


async def test_only_what_is_with_the_bank_can_be_returned(stage: Stage) -> None:
    waiting = await stage.requested()
    with pytest.raises(NotAtTheBank):
        await stage.return_now(waiting, "R02")
    await stage.use_profile("sandbox_by_hand")
    sealed = await stage.accepted()
    await stage.tick()
    with pytest.raises(NotAtTheBank):
        await stage.return_now(sealed, "R02")
    with pytest.raises(NotFound):
        await stage.return_now(CreditId(uuid7()), "R02")


# ------------------------------------------------------------------------------ the document
def test_the_document_s_table_of_reasons_is_the_one_in_code() -> None:
    rows = re.findall(
        r"^\| `(\w+)` \| (\d+) \| (\d+) \| (\d+) \| (\w+) \| (\S+) \|$",
        DOCUMENT.read_text(),
        re.MULTILINE,
    )
    blocks = (Ending.REJECTED, Ending.RETURNED, Ending.RETURNED_LATE)
    said = {
        int(digits): Magic(ending, FAIL_REASONS[row[0]])
        for row in rows
        for digits, ending in zip(row[1:4], blocks, strict=True)
    }
    assert said == {place: magic for place, magic in MAGIC.items() if magic.ending in blocks}
    for name, *_, direction, then in rows:
        reason = FAIL_REASONS[name]
        assert direction == reason.direction.value
        assert then == ("payee" if reason.repairable else "held" if reason.held else "–")


def test_the_document_lists_every_other_magic_number() -> None:
    listed = {
        int(digits) for digits in re.findall(r"^\| (\d{7}) \|", DOCUMENT.read_text(), re.MULTILINE)
    }
    blocks = (Ending.REJECTED, Ending.RETURNED, Ending.RETURNED_LATE)
    assert listed == {place for place, magic in MAGIC.items() if magic.ending not in blocks}


def test_magic_numbers_are_reserved_and_every_other_is_paid() -> None:
    assert all(FIRST <= place <= LAST for place in MAGIC)
    for account in ("9000000", "9009999", "1000001", "8999999", "9010000", "90000010", "x"):
        assert magic_of(account).ending is Ending.PAID
    assert magic_of("9000001") == magic_of("09000001")


async def test_a_sandbox_s_clock_is_its_own(stage: Stage) -> None:
    before = await COMPANY.one(stage.services.db, company_id=stage.company_id)
    await stage.advance(3)
    after = await COMPANY.one(stage.services.db, company_id=stage.company_id)
    assert (after.clock_offset - before.clock_offset).days == 3


async def test_settling_asks_for_the_bank_s_word_itself(stage: Stage) -> None:
    credit = await stage.accepted(number(Ending.FILE_UNANSWERED))
    await stage.tick()
    [file] = await stage.files()
    db, at = stage.services.db, await stage.now()
    assert await settle_some(db, stage.company_id, file.bank_file_id, at=at) is None
    await assume_debit(db, stage.company_id, file.bank_file_id, at=at)
    assert await stage.state(credit) is State.PROCESSING
    assert (await stage.file(file.bank_file_id)).debited_at is None
