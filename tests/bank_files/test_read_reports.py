"""Reports: matched by reference, one outcome per attempt, everything kept, nothing guessed."""

import asyncio
import hashlib
from collections import Counter

import pytest

from jetpay.bank_files import reports
from jetpay.bank_files.model import FileState, Item, ItemKind, Report, Result
from jetpay.bank_files.reports import read_report
from jetpay.base.ids import BankFileId, CreditId, uuid7
from jetpay.credits.model import State
from jetpay.db.rows import Query
from jetpay.rails.references import make_reference
from tests.stage import Stage
from tests.world import make_company

REFUSED_ACCOUNT = Query(
    bool,
    """
    select returned_at is not null as refused from bank_account
    where company_id = %(company_id)s and bank_account_id = %(bank_account_id)s
    """,
    never_null=("refused",),
)
BALANCE = Query(
    int,
    """
    select coalesce(sum(case when debit_account like %(like)s then amount else 0 end)
      - sum(case when credit_account like %(like)s then amount else 0 end), 0)::bigint as balance
    from transfer where company_id = %(company_id)s
    """,
    never_null=("balance",),
)


async def said(stage: Stage, *items: Item, name: bytes = b"") -> Counter[Result]:
    """The bank says this, in a report of its own unless it is named."""
    report = Report(
        bank_account_id=stage.account,
        sha256=hashlib.sha256(name or uuid7().bytes).digest(),
        items=items,
    )
    counts = await read_report(
        stage.services.db, stage.services.vault, stage.company_id, report, at=await stage.now()
    )
    await stage.prove()
    return counts


async def item(
    stage: Stage, credit: CreditId, kind: ItemKind, code: str | None = "account_closed"
) -> Item:
    view = await stage.view(credit)
    assert view.reference is not None
    return Item(kind=kind, reference=view.reference, amount=view.amount, code=code)


async def balance(stage: Stage, account: str) -> int:
    return await BALANCE.one(stage.services.db, company_id=stage.company_id, like=f"{account}:%")


@pytest.fixture
async def filed(stage: Stage) -> CreditId:
    """A credit by link, in a file that the bank has debited."""
    credit = await stage.accepted(amount=900)
    await stage.tick()
    return credit


async def test_a_return_is_applied_once_and_its_repetition_is_kept(
    stage: Stage, filed: CreditId
) -> None:
    returned = await item(stage, filed, ItemKind.RETURNED)
    assert await said(stage, returned) == {Result.APPLIED: 1}
    assert await stage.state(filed) is State.ACTION_REQUIRED
    assert await said(stage, returned, returned) == {Result.REPEATED: 2}
    assert await stage.attempts(filed) == ["returned account_closed"]
    assert await stage.report_items() == [
        "acknowledged applied",
        "returned applied",
        "returned repeated",
        "returned repeated",
    ]


async def test_the_same_report_read_twice_is_read_once(stage: Stage, filed: CreditId) -> None:
    returned = await item(stage, filed, ItemKind.RETURNED)
    assert await said(stage, returned, name=b"one") == {Result.APPLIED: 1}
    assert await said(stage, returned, name=b"one") == {}


async def test_one_report_read_by_two_at_once_moves_once(stage: Stage, filed: CreditId) -> None:
    returned = await item(stage, filed, ItemKind.RETURNED)
    await asyncio.gather(*(said(stage, returned, name=b"one") for _ in range(3)))
    assert await stage.attempts(filed) == ["returned account_closed"]
    assert (await stage.report_items()).count("returned applied") == 1


async def test_a_long_report_is_read_in_parts(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reports, "ITEMS_AT_ONCE", 2)
    credits_ = [await stage.accepted() for _ in range(5)]
    await stage.tick()
    items = [await item(stage, credit, ItemKind.RETURNED) for credit in credits_]
    assert await said(stage, *items) == {Result.APPLIED: 5}


@pytest.mark.parametrize(
    "change, explanation",
    [
        ({"reference": make_reference()}, "unknown_reference"),
        ({"amount": 901}, "another_amount"),
        ({"kind": ItemKind.ACKNOWLEDGED}, "names_a_payment"),
        ({"reference": None}, "unknown_file"),
    ],
)
async def test_what_does_not_match_waits_for_a_person(
    stage: Stage, filed: CreditId, change: dict[str, object], explanation: str
) -> None:
    right = await item(stage, filed, ItemKind.RETURNED)
    fields = {"kind": right.kind, "reference": right.reference, "amount": right.amount}
    assert await said(stage, Item(**fields | change)) == {Result.UNMATCHED: 1}  # type: ignore[arg-type]
    assert await stage.state(filed) is State.PROCESSING
    assert (await stage.report_items())[-1].endswith(f"unmatched {explanation}")


@pytest.mark.parametrize(
    "first, second",
    [
        ((ItemKind.RETURNED, "account_closed"), (ItemKind.RETURNED, "account_frozen")),
        ((ItemKind.RETURNED, "account_closed"), (ItemKind.REJECTED, "account_closed")),
        ((ItemKind.RETURNED, "account_closed"), (ItemKind.PAID, None)),
        ((ItemKind.PAID, None), (ItemKind.REJECTED, "account_closed")),
    ],
)
@pytest.mark.parametrize("together", [True, False])
async def test_a_contradiction_moves_nothing(
    stage: Stage,
    filed: CreditId,
    first: tuple[ItemKind, str | None],
    second: tuple[ItemKind, str | None],
    *,
    together: bool,
) -> None:
    items = [await item(stage, filed, kind, code) for kind, code in (first, second)]
    if together:
        assert await said(stage, *items) == {Result.APPLIED: 1, Result.UNMATCHED: 1}
    else:
        assert await said(stage, items[0]) == {Result.APPLIED: 1}
        assert await said(stage, items[1]) == {Result.UNMATCHED: 1}
    assert (await stage.report_items())[-1].endswith("unmatched contradicts")


async def test_a_payment_reported_paid_is_completed_at_once(stage: Stage, filed: CreditId) -> None:
    paid = await item(stage, filed, ItemKind.PAID, None)
    assert await said(stage, paid, paid) == {Result.APPLIED: 1, Result.REPEATED: 1}
    assert await stage.state(filed) is State.COMPLETED
    assert await said(stage, paid) == {Result.REPEATED: 1}


async def test_a_late_return_of_a_completed_payment_is_applied(
    stage: Stage, filed: CreditId
) -> None:
    await said(stage, await item(stage, filed, ItemKind.PAID, None))
    assert await said(stage, await item(stage, filed, ItemKind.RETURNED)) == {Result.APPLIED: 1}
    view = await stage.view(filed)
    assert (view.state, view.returned_at is not None) == (State.ACTION_REQUIRED, True)


async def test_a_payment_that_never_left_is_not_returned(stage: Stage) -> None:
    await stage.use_profile("sandbox_by_hand")
    credit = await stage.accepted()
    unfiled = await item(stage, credit, ItemKind.RETURNED)
    assert await said(stage, unfiled) == {Result.UNMATCHED: 1}
    await stage.tick()
    assert await said(stage, unfiled) == {Result.UNMATCHED: 1}
    assert (await stage.report_items())[-1].endswith("unmatched not_sent")
    assert await stage.state(credit) is State.PROCESSING


async def test_another_company_s_report_matches_nothing_of_ours(
    stage: Stage, filed: CreditId
) -> None:
    other = Stage(stage.services, await make_company(stage.services, "Other"))
    returned = await item(stage, filed, ItemKind.RETURNED)
    assert await said(other, returned) == {Result.UNMATCHED: 1}
    [file] = await stage.files()
    refused = Item(kind=ItemKind.REFUSED, bank_file_id=file.bank_file_id)
    assert await said(other, refused) == {Result.UNMATCHED: 1}
    assert await stage.state(filed) is State.PROCESSING


async def test_an_acknowledgement_of_a_debited_file_repeats_and_a_refusal_contradicts(
    stage: Stage, filed: CreditId
) -> None:
    [file] = await stage.files()
    kinds = (ItemKind.ACKNOWLEDGED, ItemKind.REFUSED, ItemKind.RETURNED)
    named = [Item(kind=kind, bank_file_id=file.bank_file_id) for kind in kinds]
    stranger = Item(kind=ItemKind.REFUSED, bank_file_id=BankFileId(uuid7()))
    assert await said(stage, *named, stranger) == {Result.REPEATED: 1, Result.UNMATCHED: 3}
    assert [line.split()[-1] for line in (await stage.report_items())[-3:]] == [
        "contradicts",
        "no_reference",
        "unknown_file",
    ]


async def test_a_refused_file_s_credits_come_back_held_and_the_payee_is_asked_nothing(
    stage: Stage,
) -> None:
    credits_ = [await stage.accepted("9000903"), await stage.to_account()]
    await stage.tick()
    [file] = await stage.files()
    assert file.state is FileState.SENT
    refusal = Item(kind=ItemKind.REFUSED, bank_file_id=file.bank_file_id, code="AM04")
    assert await said(stage, refusal, refusal) == {Result.APPLIED: 1, Result.REPEATED: 1}
    await stage.tick()
    for credit in credits_:
        view = await stage.view(credit)
        assert (view.state, view.held) == (State.INITIATED, "file_refused")
        assert await stage.attempts(credit) == ["rejected rejected_by_bank", "open"]
    assert (await stage.file(file.bank_file_id)).state is FileState.REJECTED


async def test_a_rejection_after_the_debit_brings_the_money_back(
    stage: Stage, filed: CreditId
) -> None:
    assert await balance(stage, "bank") == -900
    await said(stage, await item(stage, filed, ItemKind.REJECTED))
    assert await balance(stage, "bank") == 0
    assert await balance(stage, "in_transit") == 0


async def test_a_return_before_the_debit_balances_once_the_file_is_debited(
    stage: Stage,
) -> None:
    await stage.advance(5)  # a Saturday: the value date is Monday's
    credit = await stage.accepted(amount=900)
    await stage.tick()
    assert (await stage.files())[0].debited_at is None
    await said(stage, await item(stage, credit, ItemKind.RETURNED))
    await stage.advance(3)
    for account in ("bank", "in_transit", "returning"):
        assert await balance(stage, account) == 0


async def test_a_file_of_which_everything_was_rejected_is_debited_nothing(stage: Stage) -> None:
    credit = await stage.accepted("9000001")
    await stage.tick()
    assert await stage.state(credit) is State.ACTION_REQUIRED
    [file] = await stage.files()
    assert file.debited_at is not None
    assert await balance(stage, "bank") == 0


async def test_a_saved_account_at_fault_is_refused_from_then_on(stage: Stage) -> None:
    credit = await stage.to_account("9000001")
    fine = await stage.to_account("9000012")
    await stage.tick()
    accounts = [(await stage.view(each)).to_bank_account for each in (credit, fine)]
    refused = [
        await REFUSED_ACCOUNT.one(
            stage.services.db, company_id=stage.company_id, bank_account_id=account
        )
        for account in accounts
    ]
    assert [await stage.state(each) for each in (credit, fine)] == [State.FAILED] * 2
    assert refused == [True, False]
