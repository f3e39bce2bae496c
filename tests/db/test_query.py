"""Statements as constants: parameters by name, rows by position."""

from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from uuid import UUID

import psycopg
import pytest

from jetpay.db import rows
from jetpay.db.pool import Database
from jetpay.db.rows import Command, NotExactlyOne, Query


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Pair:
    name: str
    amount: int


@dataclass(frozen=True, slots=True)
class Painted:
    colour: Colour
    other: Colour | None
    names: tuple[str, ...]
    colours: tuple[Colour, ...]


@pytest.fixture(autouse=True)
def forget_statements_of_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows, "REGISTRY", list(rows.REGISTRY))


PAIRS = "select name, amount from (values ('a', 1), ('b', 2)) as pair(name, amount)"


async def test_rows_are_made_by_position(database: Database) -> None:
    query = Query(Pair, PAIRS + " order by amount")
    assert await query.all(database) == [Pair("a", 1), Pair("b", 2)]
    async with database.transaction() as tx:
        assert await query.first(tx) == Pair("a", 1)


async def test_one_wants_exactly_one_row(database: Database) -> None:
    query = Query(Pair, PAIRS + " where amount > %(above)s")
    assert await query.one(database, above=1) == Pair("b", 2)
    assert await query.first(database, above=2) is None
    with pytest.raises(NotExactlyOne, match=r"test_query:\d+: expected one row, found 2"):
        await query.one(database, above=0)
    with pytest.raises(NotExactlyOne, match="found 0"):
        await query.one(database, above=2)


async def test_a_single_column_is_its_value(database: Database) -> None:
    at = datetime(2026, 1, 22, 10, 15, 30, 123456, UTC)
    assert await Query(int, "select %(n)s::bigint").one(database, n=9_999_999_999) == 9_999_999_999
    assert await Query(UUID, "select %(id)s::uuid").one(database, id=UUID(int=7)) == UUID(int=7)
    found = await Query(datetime, "select %(at)s::timestamptz").one(database, at=at)
    assert (found, found.utcoffset()) == (at, at.utcoffset())
    assert await Query(Colour, "select 'red'").one(database) is Colour.RED


async def test_enums_and_tuples_are_made_of_text_and_arrays(database: Database) -> None:
    sql = "select %(a)s::text, %(b)s::text, array['x', 'y'], %(c)s::text[]"
    found = await Query(Painted, sql).one(database, a=Colour.RED, b=None, c=[Colour.BLUE])
    assert found == Painted(Colour.RED, None, ("x", "y"), (Colour.BLUE,))
    assert found.colour is Colour.RED
    assert found.colours[0] is Colour.BLUE


async def test_unknown_text_of_an_enum_is_a_defect(database: Database) -> None:
    with pytest.raises(ValueError, match="green"):
        await Query(Colour, "select 'green'").one(database)


async def test_a_parameter_may_come_twice_and_a_percent_sign_is_doubled(
    database: Database,
) -> None:
    query = Query(bool, "select %(a)s::text || %(b)s::text || %(a)s::text like 'x%%'")
    assert query.text == "select $1::text || $2::text || $1::text like 'x%'"
    assert await query.one(database, b="y", a="x") is True
    with pytest.raises(ValueError, match="lone percent"):
        Query(bool, "select 'x' like 'x%'")


@pytest.mark.parametrize("given", [{}, {"a": 1, "b": 2}, {"b": 1}])
async def test_parameters_are_exactly_those_of_the_text(
    database: Database, given: dict[str, int]
) -> None:
    with pytest.raises(TypeError, match="wants \\['a'\\]"):
        await Query(int, "select %(a)s::int").one(database, **given)


async def test_a_command_counts_what_it_wrote(database: Database) -> None:
    insert = Command(
        """
        insert into network_limit (network, kind, window_start, hits)
        select n::text, 'counted', %(at)s, 0 from generate_series(1, 3) as n
        """
    )
    delete = Command("delete from network_limit where kind = %(kind)s")
    assert await insert.run(database, at=datetime(2026, 1, 1, tzinfo=UTC)) == 3
    assert await delete.run(database, kind="counted") == 3
    assert await delete.run(database, kind="counted") == 0


async def test_a_whole_number_has_one_type_whatever_its_size(database: Database) -> None:
    query = Query(str, "select pg_typeof(%(n)s)::text")
    for number in (1, 40_000, 9_999_999_999):
        assert await query.one(database, n=number) == "bigint"


def test_every_statement_knows_where_it_stands() -> None:
    statement = Command("select 1")
    assert rows.REGISTRY[-1] is statement
    assert statement.module == __name__
    assert repr(statement) == f"<Command {__name__}:{statement.place.split(':')[-1]}>"


async def test_statements_are_prepared_from_the_first_time(database: Database) -> None:
    query = Query(int, "select 4711 + %(n)s::int")
    async with database.transaction() as tx:
        await query.one(tx, n=1)
        prepared = await tx.connection.execute(
            "select count(*) from pg_prepared_statements where statement like 'select 4711%'"
        )
        assert await prepared.fetchone() == (1,)


async def test_an_error_s_text_holds_no_value(database: Database) -> None:
    with pytest.raises(psycopg.errors.InvalidTextRepresentation) as caught:
        await Query(int, "select %(n)s::text::int").one(database, n="secret-4711")
    assert "secret" not in str(caught.value)
