"""The database refuses on its own what the code never asks of it."""

from uuid import uuid4

import psycopg
import pytest
from psycopg import sql

from tests.stage import Stage
from tests.world import NOON

CHANGE_CREDIT = sql.SQL("update credit set {column} = %s where credit_id = %s")
CHANGE_ATTEMPT = sql.SQL("update payment_attempt set {column} = %s where credit_id = %s")
ANOTHER_ATTEMPT = sql.SQL(
    """
    insert into payment_attempt (company_id, credit_id, attempt, reference,
      from_bank_account_id, amount, currency, holder_name, holder_type, scheme, account_type,
      details, account_index, last3, accepted_at, gate)
    select company_id, credit_id, attempt + 1, 'AAAAAAAAAAAA', from_bank_account_id, amount,
      currency, holder_name, holder_type, scheme, account_type, details, account_index, last3,
      accepted_at, gate
    from payment_attempt where credit_id = %s
    """
)


async def refused_by(stage: Stage, change: sql.SQL | sql.Composed, *values: object) -> str | None:
    """The constraint that keeps the program's role from running the statement."""
    with pytest.raises(psycopg.IntegrityError) as refused:
        async with stage.services.db.connection() as connection:
            await connection.execute(change, [*values])
    return refused.value.diag.constraint_name


@pytest.mark.parametrize(
    "column, value",
    [
        ("amount", 1),
        ("currency", "USD"),
        ("from_bank_account_id", uuid4()),
        ("to_bank_account_id", uuid4()),
        ("contact_id", uuid4()),
        ("statement", "Something else"),
    ],
)
async def test_what_was_promised_never_changes(stage: Stage, column: str, value: object) -> None:
    credit = await stage.requested()
    change = CHANGE_CREDIT.format(column=sql.Identifier(column))
    assert await refused_by(stage, change, value, credit) == "credit_money_never_changes"


@pytest.mark.parametrize(
    "column, value",
    [
        ("reference", "AAAAAAAAAAAA"),
        ("from_bank_account_id", uuid4()),
        ("amount", 1),
        ("currency", "USD"),
        ("details", b"other"),
        ("account_index", b"other"),
        ("scheme", "us"),
        ("account_type", "savings"),
        ("holder_name", "Somebody Else"),
        ("holder_type", "business"),
        ("to_bank_account_id", uuid4()),
        ("consent_text", "another-text"),
        ("consent_language", "fr"),
        ("gate", "none"),
        ("accepted_at", NOON.replace(year=2025)),
        ("line", 2),
        ("outcome", "returned"),
        ("outcome_reason", "refused_by_payee"),
        ("outcome_code", "R23"),
    ],
)
async def test_what_was_accepted_stays_as_it_was(stage: Stage, column: str, value: object) -> None:
    """Also in which line of a file it is, and how it ended."""
    credit = await stage.accepted("9000001")  # filed, and rejected by the bank
    await stage.advance(1)
    assert await stage.attempts(credit) == ["rejected account_closed"]
    change = CHANGE_ATTEMPT.format(column=sql.Identifier(column))
    assert await refused_by(stage, change, value, credit) == "payment_attempt_is_frozen"


async def test_a_credit_has_one_open_attempt(stage: Stage) -> None:
    credit = await stage.accepted()
    assert await refused_by(stage, ANOTHER_ATTEMPT, credit) == "payment_attempt_one_open"
