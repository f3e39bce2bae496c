"""The proof is clean when the books agree, and names what differs when they do not."""

import asyncio
from dataclasses import replace

import psycopg
import pytest

from jetpay.base.ids import CompanyId, CreditId, uuid7
from jetpay.db.pool import Database
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction
from jetpay.ledger import accounts
from jetpay.ledger import prove as proving
from jetpay.ledger.accounts import open_accounts
from jetpay.ledger.posting import Transfer, post
from jetpay.ledger.prove import Difference, prove
from jetpay.security.secrets import Secret
from tests.stage import PAID, Stage
from tests.world import NOON

LOSE_OUTCOME = Command(
    """
    update payment_attempt set refunded_at = %(at)s
    where company_id = %(company_id)s and credit_id = %(credit_id)s
    """
)
FALSIFY_TOTAL = Command("update bank_file set total = total - 1 where company_id = %(company_id)s")


@pytest.fixture(params=[False, True], ids=["whole", "in parts"], autouse=True)
def parts(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many are looked at by one statement."""
    if request.param:
        monkeypatch.setattr(proving, "CREDITS_AT_ONCE", 1)
        monkeypatch.setattr(proving, "TRANSFERS_AT_ONCE", 1)


async def differences(stage: Stage) -> list[Difference]:
    return list((await prove(stage.services.db, stage.company_id)).differences)


def transfer(stage: Stage, debit: str, credit: str, **more: object) -> Transfer:
    made = Transfer(
        cause=f"test:{uuid7()}",
        debit_account=debit,
        credit_account=credit,
        amount=5,
        currency="CAD",
        at=NOON,
    )
    return replace(made, **more)  # type: ignore[arg-type]


async def posted(stage: Stage, *transfers: Transfer) -> list[bool]:
    async with stage.services.db.transaction() as tx:
        return await post(tx, stage.company_id, transfers)


async def test_a_company_without_credits_is_clean(stage: Stage) -> None:
    proof = await prove(stage.services.db, stage.company_id)
    assert (proof.clean, proof.companies, proof.credits) == (True, 1, 0)


async def test_every_credit_is_looked_at_once(stage: Stage) -> None:
    for number in (PAID, "9000001", "9000101", "9000901"):
        await stage.accepted(number)
        await stage.advance(1)
    await stage.requested()
    proof = await prove(stage.services.db, stage.company_id)
    assert (proof.clean, proof.credits) == (True, 5)


async def test_what_is_wrong_at_any_place_is_found(stage: Stage) -> None:
    credits_ = [await stage.accepted(amount=100 + n) for n in range(3)]
    await stage.tick()
    for credit in credits_:
        await posted(stage, transfer(stage, "payouts", "payable", credit_id=credit, attempt=1))
    found = [each.subject_id for each in await differences(stage) if each.account == "payouts"]
    assert found == [*sorted(credits_), None]


async def test_a_proof_may_take_longer_than_any_other_transaction(
    stage: Stage, app_dsn: Secret[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stage.services.db.connection() as connection:
        if connection.info.server_version < 170_000:
            pytest.skip("transactions have a time limit since PostgreSQL 17")
    differences_ = proving._differences

    async def slowly(tx: Transaction, company: CompanyId) -> tuple[int, list[Difference]]:
        await asyncio.sleep(0.6)
        return await differences_(tx, company)

    monkeypatch.setattr(proving, "_differences", slowly)
    db = await Database.open(app_dsn, transaction_timeout="500ms")
    try:
        assert (await prove(db, stage.company_id)).clean
    finally:
        await db.close()


async def test_all_companies_are_proved_when_none_is_named(stage: Stage) -> None:
    await stage.accepted()
    proof = await prove(stage.services.db)
    assert proof.companies >= 1
    assert proof.credits >= 1
    assert [each for each in proof.differences if each.company_id == stage.company_id] == []


async def test_a_transfer_too_many_is_named_with_its_credit(stage: Stage) -> None:
    credit = await stage.accepted(amount=100)
    await posted(stage, transfer(stage, "payouts", "payable", credit_id=credit, attempt=1))
    found = await differences(stage)
    assert [(each.what, each.subject_id, each.account) for each in found] == [
        ("credit", credit, "payable"),
        ("credit", credit, "payouts"),
        ("account", None, "payable"),
        ("account", None, "payouts"),
    ]
    assert [(each.expected, each.found) for each in found[:2]] == [(-100, -105), (100, 105)]


async def test_a_credit_that_nobody_knows_is_named(stage: Stage) -> None:
    stranger = CreditId(uuid7())
    await posted(stage, transfer(stage, "payouts", "payable", credit_id=stranger, attempt=1))
    assert {each.subject_id for each in await differences(stage)} == {stranger, None}


async def test_money_with_the_bank_is_named_with_its_attempt(stage: Stage) -> None:
    credit = await stage.accepted(amount=100)
    await stage.tick()
    in_transit = accounts.of(accounts.IN_TRANSIT, stage.account)
    returning = accounts.of(accounts.RETURNING, stage.account)
    await posted(stage, transfer(stage, returning, in_transit, credit_id=credit, attempt=1))
    found = await differences(stage)
    assert [(each.what, each.subject_id, each.account) for each in found[:2]] == [
        ("payment attempt", credit, "in_transit"),
        ("payment attempt", credit, "returning"),
    ]
    assert [each.account for each in found[2:]] == [in_transit, returning]


@pytest.mark.parametrize(
    "account", [accounts.BANK_FEES, accounts.LOSSES, accounts.RECOVERY, "suspense", "bank"]
)
async def test_an_account_that_holds_what_nobody_explains_is_named(
    stage: Stage, account: str
) -> None:
    if account in {"suspense", "bank"}:
        account = accounts.of(account, stage.account)
    await posted(stage, transfer(stage, account, "payouts"))
    assert {each.account for each in await differences(stage)} == {account, "payouts"}


async def test_a_refund_without_its_transfer_is_named(stage: Stage) -> None:
    credit = await stage.accepted("9000903", amount=100)
    await stage.tick()
    await LOSE_OUTCOME.run(
        stage.services.db, company_id=stage.company_id, credit_id=credit, at=NOON
    )
    assert {each.account.split(":")[0] for each in await differences(stage)} == {
        "in_transit",
        "bank",
    }


async def test_a_file_that_is_not_the_sum_of_its_payments_is_named(stage: Stage) -> None:
    await stage.accepted(amount=100)
    await stage.tick()
    await FALSIFY_TOTAL.run(stage.services.db, company_id=stage.company_id)
    found = await differences(stage)
    assert [(each.what, each.account, each.expected, each.found) for each in found] == [
        ("bank file", "payment attempts", 99, 100),
        ("bank file", "transfers", 99, 100),
    ]


# -------------------------------------------------------------------------------- posting
async def test_a_cause_posts_once(stage: Stage) -> None:
    one = transfer(stage, "payouts", "payable")
    second_line = replace(one, line=2)
    assert await posted(stage, one) == [True]
    assert await posted(stage, one, second_line) == [False, True]
    assert await posted(stage) == []


@pytest.mark.parametrize(
    "wrong, error",
    [
        ({"debit_account": "nowhere"}, psycopg.errors.ForeignKeyViolation),
        ({"currency": "USD"}, psycopg.errors.ForeignKeyViolation),
        ({"amount": 0}, psycopg.errors.CheckViolation),
        ({"amount": -5}, psycopg.errors.CheckViolation),
        ({"debit_account": "payable"}, psycopg.errors.CheckViolation),
    ],
)
async def test_the_database_refuses_a_transfer_that_cannot_be(
    stage: Stage, wrong: dict[str, object], error: type[Exception]
) -> None:
    with pytest.raises(error):
        await posted(stage, transfer(stage, "payouts", "payable", **wrong))


async def test_opening_accounts_again_changes_nothing(stage: Stage) -> None:
    async with stage.services.db.transaction() as tx:
        await open_accounts(tx, stage.company_id, stage.account, "CAD")
        await open_accounts(tx, stage.company_id, stage.account, "USD")
    assert await posted(stage, transfer(stage, "payouts", "payable", currency="USD")) == [True]


async def test_transfers_are_never_changed(stage: Stage) -> None:
    for sql in ("update transfer set amount = 1", "delete from transfer"):
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            async with stage.services.db.connection() as connection:
                await connection.execute(sql.encode())


async def test_another_company_s_books_do_not_matter(stage: Stage) -> None:
    await posted(stage, transfer(stage, "payouts", "payable"))
    assert (await prove(stage.services.db, CompanyId(uuid7()))).clean
