"""What making credits reads in a database that nobody ever analysed: a few rows an item."""

from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from jetpay.base.clock import FixedClock
from jetpay.base.ids import CreditId, uuid7
from jetpay.credits import intake as births
from jetpay.credits.intake import NewCredit, existing, intake
from jetpay.db.rows import Query
from jetpay.db.transactions import Transaction
from jetpay.security.rootkeys import generate_root_key
from jetpay.security.secrets import Secret
from jetpay.services import Services, open_services
from jetpay.settings import Settings
from tests.conftest import TestServer
from tests.world import NOON, Company, database_url, make_company

COMPANIES = 4
CREDITS = 20_000
PEOPLE = 4_000
ITEMS = 50
ROWS_AN_ITEM = 10
BLOCKS_AN_ITEM = 10
NO_AUTOVACUUM = """
    do $$ declare name text; begin
      for name in select relname from pg_class where relkind = 'r'
        and relnamespace = 'public'::regnamespace loop
        execute format('alter table %I set (autovacuum_enabled = false)', name);
      end loop;
    end $$
"""
KNOWN_TO_THE_PLANNER = """
    select relname from pg_class c
    where relnamespace = 'public'::regnamespace and relkind = 'r'
      and (reltuples > 0 or exists (select from pg_statistic where starelid = c.oid))
"""
PAYERS = """
    create temporary table payer as
    select k.company_id, k.question_id, t.token_id, c.contact_id, b.bank_account_id
    from company k join api_token t using (company_id) join contact c using (company_id)
    join bank_account b using (company_id)
"""
FILL_PEOPLE = """
    insert into contact (company_id, contact_id, email, name, external_id, created_at, updated_at)
    select company_id, gen_random_uuid(), 'ana@example.com', 'Ana', 'a' || n, %(at)s, %(at)s
    from payer cross join generate_series(1, %(each)s) n
"""
FILL_ACCOUNTS = """
    insert into bank_account (company_id, bank_account_id, contact_id, holder_name, scheme,
      currency, details, account_index, last3, created_at)
    select company_id, gen_random_uuid(), contact_id, 'Ana', 'ca', 'CAD', '', '', '001', %(at)s
    from contact
"""
FILL_CREDITS = """
    insert into credit (company_id, credit_id, state, amount, currency, statement,
      from_bank_account_id, contact_id, question_id, gate_email, language, link_key_id, by_link,
      repairs_left, external_id, idempotency_key, made_by, created_at, expires_at)
    select company_id, gen_random_uuid(), 'requested', n, 'CAD', 'Filled', bank_account_id,
      contact_id, question_id, 'ana@example.com', 'en', 1, true, 3, 'external-' || n,
      'key-' || n, token_id, %(at)s, %(at)s + interval '30 days'
    from payer cross join generate_series(1, %(each)s) n
"""
FETCHED = """
    select relname, seq_tup_read + coalesce(idx_tup_fetch, 0) as rows
    from pg_stat_xact_user_tables where schemaname = 'public'
"""
"""By this connection lately, for foreign keys too, which no plan shows."""
MADE = "select count(*) from credit where statement = 'Planned'"


@dataclass
class Explained:
    """Stands where a query of the program does and is asked what it is asked; keeps the plan.

    A connection that repeats a statement may take the plan that fits all parameters, `generic`.
    """

    query: Query[Any]
    is_generic: bool
    plan: dict[str, Any] = field(default_factory=dict)
    fetched: dict[str, int] = field(default_factory=dict)

    async def all(self, tx: Transaction, /, **params: object) -> list[Any]:
        assert params.keys() == self.query.names.keys()
        values = [params[name] for name in self.query.names]
        explain = "explain (analyze, buffers, format json)"
        before = await fetched(tx)
        if self.is_generic:
            places = ", ".join(["%s"] * len(values))
            await tx.connection.execute(f"prepare measured as {self.query.text}".encode())
            await tx.connection.execute("set local plan_cache_mode = force_generic_plan")
            on_client = psycopg.AsyncClientCursor(tx.connection)
            await on_client.execute(f"{explain} execute measured ({places})".encode(), values)
            cursor: psycopg.AsyncCursor[Any] = on_client
        else:
            cursor = psycopg.AsyncRawCursor(tx.connection)
            await cursor.execute(f"{explain} {self.query.text}".encode(), values)
        [(plans,)] = await cursor.fetchall()
        if self.is_generic:  # the connection goes back to the pool, and to the next test
            await tx.connection.execute("deallocate measured")
        self.plan = plans[0]["Plan"]
        self.fetched = {name: rows - before[name] for name, rows in (await fetched(tx)).items()}
        return []

    def check(self) -> None:
        """No node, no index and no table is read for more than a few rows an item."""
        for node in nodes(self.plan):
            name = node.get("Index Name") or node.get("Relation Name") or node["Node Type"]
            assert rows_of(node) <= ROWS_AN_ITEM * ITEMS, (name, node)
            if "Index Name" in node:
                # A scan that steps over entries within an index says so by its blocks alone.
                blocks = node["Shared Hit Blocks"] + node["Shared Read Blocks"]
                assert blocks <= BLOCKS_AN_ITEM * ITEMS, (name, node)
        assert {n: r for n, r in self.fetched.items() if r > ROWS_AN_ITEM * ITEMS} == {}


async def fetched(tx: Transaction) -> dict[str, int]:
    rows = await (await tx.connection.execute(FETCHED)).fetchall()
    return {str(name): int(count) for name, count in rows}


def nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from nodes(child)


def rows_of(node: Mapping[str, Any]) -> float:
    """What a node handed on and what it threw away."""
    removed = sum(count for name, count in node.items() if name.startswith("Rows Removed"))
    return float((node["Actual Rows"] + removed) * node["Actual Loops"])


@pytest.fixture(scope="module")
async def never_analysed(server: TestServer) -> AsyncIterator[list[Company]]:
    """Companies with many credits, in a database of which the planner knows nothing."""
    name = f"{server.template}_plan"
    server.create(name, server.template)
    url = database_url(server.dsn("app", name))
    settings = Settings(database_url=url, secret_keys=Secret(generate_root_key()))
    try:
        with psycopg.connect(server.dsn("owner", name).reveal()) as connection:
            connection.execute(NO_AUTOVACUUM)
        services = await open_services(settings, clock=FixedClock(NOON))
        companies = [await make_company(services, f"Company {n}") for n in range(COMPANIES)]
        with psycopg.connect(server.dsn("super", name).reveal()) as connection:
            fill(connection)
        yield companies
        await services.close()
    finally:
        server.drop(name)


def fill(connection: psycopg.Connection) -> None:
    connection.execute(PAYERS)
    connection.execute(FILL_PEOPLE, {"at": NOON, "each": PEOPLE // COMPANIES})
    connection.execute(FILL_ACCOUNTS, {"at": NOON})
    connection.execute(FILL_CREDITS, {"at": NOON, "each": CREDITS // COMPANIES})
    assert connection.execute(KNOWN_TO_THE_PLANNER).fetchall() == []


def item(number: int, company: Company) -> NewCredit:
    """Of ten, two repeat a key, one an external id; five are new, each in its own way."""
    kind = number % 10
    keys = {0: f"key-{number + 1}", 1: f"key-{number + 1}", 2: None, 3: None}
    externals = {4: f"external-{number + 1}", 5: f"new-{uuid7()}"}
    return NewCredit(
        CreditId(uuid7()),
        company.request(amount=number + 1, statement="Planned", external_id=externals.get(kind)),
        company.asker.digest,
        client="127.0.0.1",
        idempotency_key=keys.get(kind, f"new-{uuid7()}"),
        fingerprint=b"",
    )


@pytest.mark.parametrize("is_generic", [False, True])
async def test_a_birth_reads_a_few_rows_however_many_credits_there_are(
    never_analysed: list[Company], is_generic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = never_analysed[0].services
    before = await made(services)
    items = [item(number, never_analysed[number % COMPANIES]) for number in range(ITEMS)]
    explained = Explained(births.INTAKE, is_generic)
    monkeypatch.setattr(births, "INTAKE", explained)
    async with services.db.transaction() as tx:
        await intake(tx, items, link_key_id=1, at=NOON)
    assert await made(services) - before == ITEMS * 7 / 10
    explained.check()


async def made(services: Services) -> int:
    async with services.db.connection() as connection:
        [(count,)] = await (await connection.execute(MADE)).fetchall()
    return int(count)


@pytest.mark.parametrize("is_generic", [False, True])
async def test_a_repetition_is_found_in_a_few_rows_however_many_credits_there_are(
    never_analysed: list[Company], is_generic: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = never_analysed[0]
    items = [item(number, company) for number in range(ITEMS)]
    explained = Explained(births.EXISTING, is_generic)
    monkeypatch.setattr(births, "EXISTING", explained)
    async with company.services.db.transaction() as tx:
        await existing(tx, company.company_id, items)
    assert explained.plan["Actual Rows"] == ITEMS * 3 / 10
    explained.check()
