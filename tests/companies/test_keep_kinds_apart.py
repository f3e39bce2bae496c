"""The fence between sandbox and live stands in the database, whatever the code thinks."""

import psycopg
import pytest

from jetpay.services import Services
from tests.stage import Stage, make_sandbox
from tests.world import Company

OPEN = """
    insert into bank_account (company_id, bank_account_id, holder_name, scheme, currency, details,
      account_index, last3, rail, state, created_at)
    select company_id, gen_random_uuid(), 'Acme', 'ca', 'CAD', 'x', 'x', '001', %s, 'live', now()
    from company where company_id = %s
"""
TURN = "update company set sandbox = not sandbox where company_id = %s"
GIVE_TOKEN = """
    insert into api_token (company_id, token_id, sandbox, digest, last4, name, scopes, created_at)
    values (%s, gen_random_uuid(), %s, sha256(gen_random_uuid()::text::bytea), 'abcd', 'a',
            '{}', now())
"""
FORGET_TOKENS = "delete from api_token where company_id = %s"


async def do(services: Services, sql: str, *values: object) -> None:
    async with services.db.connection() as connection:
        await connection.execute(sql.encode(), values)


async def test_a_live_company_has_no_account_at_the_sandbox_s_bank(stage: Stage) -> None:
    await make_sandbox(stage, sandbox=False)
    try:
        with pytest.raises(psycopg.errors.ForeignKeyViolation):
            await do(stage.services, OPEN, "sandbox", stage.company_id)
        await do(stage.services, OPEN, "cpa005", stage.company_id)
    finally:
        await make_sandbox(stage, sandbox=True)


async def test_a_sandbox_company_may_try_any_format(services: Services, company: Company) -> None:
    for rail in ("sandbox", "cpa005"):
        await do(services, OPEN, rail, company.company_id)


async def test_a_company_with_such_an_account_never_becomes_live(
    services: Services, company: Company
) -> None:
    await do(services, FORGET_TOKENS, company.company_id)
    with pytest.raises(psycopg.errors.ForeignKeyViolation) as refused:
        await do(services, TURN, company.company_id)
    assert refused.value.diag.constraint_name == "bank_account_company_id_at_sandbox_bank_fkey"


async def test_a_token_is_of_its_company_s_kind(services: Services, company: Company) -> None:
    await do(services, GIVE_TOKEN, company.company_id, True)
    with pytest.raises(psycopg.errors.ForeignKeyViolation):
        await do(services, GIVE_TOKEN, company.company_id, False)
