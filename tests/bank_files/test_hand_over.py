"""Hand-over: the journal first, then the state, then the bytes; after a crash we look."""

from dataclasses import replace
from pathlib import Path

import pytest

from jetpay.bank_files import actions, hand_over, journal
from jetpay.bank_files.model import BankFile, FileState
from jetpay.bank_files.refusals import HandOverBegan, NotTheNewest, NotWithYou
from jetpay.bank_files.settle import take_back_some
from jetpay.base.ids import BankFileId, uuid7
from jetpay.base.refusals import NotFound
from jetpay.credits.model import State
from jetpay.credits.refusals import NotHeld
from jetpay.events.model import OPERATOR, Actor, ActorKind
from jetpay.rails.profiles import PROFILES
from jetpay.sandbox import books
from tests.stage import Stage, journal_of
from tests.world import NOON


class Crash(BaseException):
    """As if the process were gone: nothing of ours catches it."""


def crash_at(monkeypatch: pytest.MonkeyPatch, module: object, name: str) -> None:
    async def crash(*_: object, **__: object) -> None:
        raise Crash

    monkeypatch.setattr(module, name, crash)


async def crashed(stage: Stage) -> None:
    """Begin the day's work, which dies where the test wants it."""
    with pytest.raises(Crash):
        await stage.tick()
    await free_leases(stage)


async def free_leases(stage: Stage) -> None:
    """What time would do: the dead worker's lease runs out."""
    async with stage.services.db.connection() as connection:
        await connection.execute(
            "update due set lease_until = null where company_id = %s", [stage.company_id]
        )


def journalled(stage: Stage) -> list[str]:
    return [each["bank_file"] for each in stage.journal()]


@pytest.fixture
def careful(monkeypatch: pytest.MonkeyPatch) -> None:
    """A bank that would take the same file twice."""
    profile = replace(PROFILES["sandbox"], refuses_repeats=False)
    monkeypatch.setitem(PROFILES, "sandbox", profile)


async def test_a_crash_before_the_journal_has_sent_nothing_and_tries_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    credit = await stage.accepted()
    with monkeypatch.context() as broken:
        crash_at(broken, hand_over, "write_down")
        await crashed(stage)
    assert (await stage.files())[0].state is FileState.SEALED
    assert journalled(stage) == []
    await stage.tick()
    assert (await stage.files())[0].state is FileState.ACKNOWLEDGED
    assert await stage.state(credit) is State.PROCESSING


async def test_the_journal_has_the_file_before_its_state_says_so(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.accepted()
    with monkeypatch.context() as broken:
        crash_at(broken, hand_over, "move_file")
        await crashed(stage)
    [file] = await stage.files()
    assert file.state is FileState.SEALED
    assert journalled(stage) == [str(file.bank_file_id)]
    await stage.tick()
    assert (await stage.files())[0].state is FileState.ACKNOWLEDGED


async def test_the_state_says_handing_over_before_the_first_byte_leaves(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.accepted()
    with monkeypatch.context() as broken:
        crash_at(broken, books, "receive")
        await crashed(stage)
    [file] = await stage.files()
    assert file.state is FileState.HANDING_OVER
    assert not await books.has(stage.services.db, stage.company_id, file.bank_file_id)


async def test_a_bank_that_takes_nothing_twice_gets_it_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.accepted()
    with monkeypatch.context() as broken:
        crash_at(broken, books, "receive")
        await crashed(stage)
    await stage.tick()
    assert (await stage.files())[0].state is FileState.ACKNOWLEDGED


async def test_a_file_found_at_the_bank_was_sent(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, careful: None
) -> None:
    await stage.accepted()
    with monkeypatch.context() as broken:
        crash_at(broken, hand_over, "mark_delivered")
        await crashed(stage)
    assert (await stage.files())[0].state is FileState.HANDING_OVER
    await stage.tick()
    assert (await stage.files())[0].state is FileState.ACKNOWLEDGED
    assert sum(line.startswith("bank_files.sent") for line in await stage.events()) == 1


@pytest.fixture
async def unconfirmed(stage: Stage, monkeypatch: pytest.MonkeyPatch, careful: None) -> BankFile:
    """A file of which nobody knows whether the bank has it."""
    await stage.accepted()
    with monkeypatch.context() as broken:
        crash_at(broken, books, "receive")
        await crashed(stage)
    await stage.tick()
    return (await stage.files())[0]


async def test_what_cannot_be_found_is_unconfirmed_and_never_sent_by_itself(
    stage: Stage, unconfirmed: BankFile
) -> None:
    assert unconfirmed.state is FileState.UNCONFIRMED
    await stage.advance(10)
    assert (await stage.files())[0].state is FileState.UNCONFIRMED
    assert not await books.has(stage.services.db, stage.company_id, unconfirmed.bank_file_id)
    events = await stage.events()
    assert events.count("bank_files.unconfirmed handing_over>unconfirmed ") == 1


async def test_a_person_marks_it_sent(stage: Stage, unconfirmed: BankFile) -> None:
    await mark_sent(stage, unconfirmed)
    await stage.advance(5)
    assert (await stage.files())[0].state is FileState.ACKNOWLEDGED
    with pytest.raises(NotWithYou):
        await mark_sent(stage, unconfirmed)


async def test_a_person_sends_the_same_bytes_again(stage: Stage, unconfirmed: BankFile) -> None:
    await stage.send_again(unconfirmed)
    await stage.tick()
    [file] = await stage.files()
    assert (file.state, file.sha256) == (FileState.ACKNOWLEDGED, unconfirmed.sha256)
    assert journalled(stage) == [str(file.bank_file_id)] * 2
    with pytest.raises(NotWithYou):
        await stage.send_again(file)


async def test_an_unconfirmed_file_cannot_be_withdrawn_even_to_be_sent_again(
    stage: Stage, unconfirmed: BankFile
) -> None:
    with pytest.raises(HandOverBegan):
        await withdraw(stage, unconfirmed)
    await stage.send_again(unconfirmed)
    with pytest.raises(HandOverBegan):
        await withdraw(stage, unconfirmed)


# -------------------------------------------------------------------------------- by hand
async def mark_sent(stage: Stage, file: BankFile) -> None:
    services = stage.services
    await actions.mark_sent(
        services.db,
        services.vault,
        stage.company_id,
        file.bank_file_id,
        services.settings.data_dir,
        by=OPERATOR,
        at=await stage.now(),
    )


async def withdraw(stage: Stage, file: BankFile, by: Actor = OPERATOR) -> None:
    await actions.withdraw(
        stage.services.db,
        stage.services.vault,
        stage.company_id,
        file.bank_file_id,
        by=by,
        at=await stage.now(),
    )
    await stage.prove()


@pytest.fixture
async def by_hand(stage: Stage) -> BankFile:
    """A sealed file that waits for a person."""
    await stage.use_profile("sandbox_by_hand")
    await stage.accepted(amount=700)
    await stage.tick()
    return (await stage.files())[0]


async def test_a_file_for_the_hand_waits_sealed_until_somebody_gave_it_to_the_bank(
    stage: Stage, by_hand: BankFile
) -> None:
    await stage.advance(3)
    assert (await stage.files())[0].state is FileState.SEALED
    await mark_sent(stage, by_hand)
    assert journalled(stage) == [str(by_hand.bank_file_id)]
    await stage.advance(5)
    assert (await stage.files())[0].state is FileState.ACKNOWLEDGED


async def test_a_withdrawn_file_s_credits_wait_held_with_a_new_attempt(
    stage: Stage, by_hand: BankFile
) -> None:
    token = Actor(ActorKind.TOKEN, stage.company.token_id)
    await withdraw(stage, by_hand, by=token)
    assert (await stage.file(by_hand.bank_file_id)).state is FileState.WITHDRAWN
    [line] = [each for each in await stage.events() if "processing>initiated" in each]
    assert line.endswith("withdrawn")
    await stage.advance(2)
    assert len(await stage.files()) == 1
    for again in (withdraw, mark_sent):
        with pytest.raises((HandOverBegan, NotWithYou)):
            await again(stage, by_hand)


async def test_a_released_credit_is_in_the_next_file_which_takes_the_number_again(
    stage: Stage,
) -> None:
    await stage.use_profile("sandbox_by_hand")
    credit = await stage.accepted()
    await stage.tick()
    await withdraw(stage, (await stage.files())[0])
    view = await stage.view(credit)
    assert (view.state, view.held, view.waiting_for) == (State.INITIATED, "withdrawn", "held")
    assert await stage.attempts(credit) == ["withdrawn", "open"]
    await stage.release(credit)
    await stage.advance(1)
    assert [(file.number, file.state) for file in await stage.files()] == [
        (1, FileState.SEALED),
        (1, FileState.WITHDRAWN),
    ]
    assert await stage.attempts(credit) == ["withdrawn", "open"]
    with pytest.raises(NotHeld):
        await stage.release(credit)


async def test_where_numbers_have_no_gap_only_the_newest_is_withdrawn(
    stage: Stage, by_hand: BankFile
) -> None:
    await stage.accepted()
    await stage.advance(1)
    newest, older = await stage.files()
    with pytest.raises(NotTheNewest):
        await withdraw(stage, older)
    await withdraw(stage, newest)
    await withdraw(stage, older)


async def test_where_numbers_need_only_be_unique_a_withdrawn_one_stays_unused(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.accepted()
    with monkeypatch.context() as broken:
        crash_at(broken, hand_over, "write_down")
        await crashed(stage)
    await withdraw(stage, (await stage.files())[0])
    await stage.accepted()
    await stage.advance(1)
    assert [file.number for file in await stage.files()] == [2, 1]


async def test_a_sent_file_is_not_withdrawn_and_needs_nobody_s_word(stage: Stage) -> None:
    await stage.accepted()
    await stage.tick()
    [file] = await stage.files()
    with pytest.raises(HandOverBegan):
        await withdraw(stage, file)
    with pytest.raises(NotWithYou):
        await mark_sent(stage, file)


async def test_an_unknown_file_is_not_found(stage: Stage, by_hand: BankFile) -> None:
    stranger = replace(by_hand, bank_file_id=BankFileId(uuid7()))
    for act in (withdraw, mark_sent):
        with pytest.raises(NotFound):
            await act(stage, stranger)


async def test_a_large_withdrawn_file_is_taken_back_in_parts_in_its_maker_s_name(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("jetpay.bank_files.settle.CREDITS_AT_ONCE", 2)
    await stage.use_profile("sandbox_by_hand")
    credits_ = [await stage.accepted() for _ in range(5)]
    await stage.tick()
    token = Actor(ActorKind.TOKEN, stage.company.token_id)
    [file] = await stage.files()
    await withdraw(stage, file, by=token)
    states = [await stage.state(each) for each in credits_]
    assert states.count(State.INITIATED) == 2
    await stage.tick()
    assert [(await stage.view(each)).held for each in credits_] == ["withdrawn"] * 5
    assert (
        await take_back_some(
            stage.services.db, stage.services.vault, stage.company_id, file.bank_file_id, at=NOON
        )
        is None
    )


# ------------------------------------------------------------------------------- the journal
def test_a_cut_line_of_the_journal_stays_alone(tmp_path: Path) -> None:
    path = tmp_path / "new" / journal.NAME
    assert journal_of(path.parent) == []
    manifest = journal.Manifest(
        company_id=uuid7(),  # type: ignore[arg-type]
        bank_account_id=uuid7(),  # type: ignore[arg-type]
        bank_file_id=uuid7(),  # type: ignore[arg-type]
        originator="5eadbeef",
        number=1,
        sha256=bytes(32),
        credit_count=1,
        total=100,
        currency="CAD",
        references=("ABCDEFGHIJKL",),
        last_event_id=7,
        at=NOON,
    )
    journal.append(path.parent, manifest)
    with path.open("ab") as lines:
        lines.write(b'{"company": "')
    journal.append(path.parent, manifest)
    assert len(journal_of(path.parent)) == 2
    assert path.read_bytes().count(b"\n") == 3
    assert path.stat().st_mode & 0o777 == 0o600
