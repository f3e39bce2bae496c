"""SQL statements as constants that name their row class, each known to the tests."""

import dataclasses
import re
import sys
import typing
from collections.abc import Callable, Collection, Sequence
from enum import Enum
from typing import Any, Generic, LiteralString, TypeVar, cast

import psycopg

from jetpay.db.pool import scrub
from jetpay.db.transactions import OpensTransactions, Transaction

R = TypeVar("R")
Values = tuple[Any, ...]

REGISTRY: list["Statement"] = []
"""Every statement of the imported modules; `tests/db/test_statements.py` prepares each."""
PLACEHOLDER = re.compile(r"%(?:\((?P<name>\w+)\)s|(?P<percent>%))")


class NotExactlyOne(RuntimeError):
    """A defect: a query that must find one row found none or several."""

    def __init__(self, place: str, found: int) -> None:
        super().__init__(f"{place}: expected one row, found {found}")


class Statement:
    """A constant SQL text with `%(name)s` parameters; a percent sign is written `%%`."""

    def __init__(self, sql: LiteralString) -> None:
        self.sql = sql
        self.text, self.names = _numbered(sql)
        caller = sys._getframe(2)  # noqa: SLF001 - the module that defines the constant
        self.module: str = caller.f_globals["__name__"]
        self.place = f"{self.module}:{caller.f_lineno}"
        REGISTRY.append(self)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.place}>"

    async def _execute(
        self, where: OpensTransactions | Transaction, params: dict[str, object]
    ) -> tuple[list[Values], int]:
        if isinstance(where, Transaction):
            return await self._execute_on(where.connection, params)
        async with where.connection() as connection:
            return await self._execute_on(connection, params)

    async def _execute_on(
        self, connection: psycopg.AsyncConnection, params: dict[str, object]
    ) -> tuple[list[Values], int]:
        if params.keys() != self.names.keys():
            message = f"{self.place}: wants {sorted(self.names)}, was given {sorted(params)}"
            raise TypeError(message)
        cursor = psycopg.AsyncRawCursor(connection)
        try:
            await cursor.execute(self.text, [params[name] for name in self.names])
            return (await cursor.fetchall() if cursor.description else []), cursor.rowcount
        except psycopg.Error as error:
            scrub(error)
            raise


class Query(Statement, Generic[R]):
    """A statement that answers rows.

    `row` is a frozen dataclass whose fields are the columns in order, or the type of a single
    column (never null, unless the column's name stands nowhere in `never_null` and the test
    objects). `never_null` names columns that the schema cannot know to be filled, as in an outer
    join or an expression.
    """

    def __init__(self, row: type[R], sql: LiteralString, never_null: Collection[str] = ()) -> None:
        super().__init__(sql)
        self.row = row
        self.never_null = frozenset(never_null)
        self._make = row_maker(row)

    async def all(self, tx: OpensTransactions | Transaction, /, **params: object) -> list[R]:
        """Every row, in the statement's order; callers bound it with `limit`."""
        rows, _ = await self._execute(tx, params)
        return self._make(rows)

    async def one(self, tx: OpensTransactions | Transaction, /, **params: object) -> R:
        """The only row. Raises the defect `NotExactlyOne`."""
        rows, _ = await self._execute(tx, params)
        if len(rows) != 1:
            raise NotExactlyOne(self.place, len(rows))
        return self._make(rows)[0]

    async def first(self, tx: OpensTransactions | Transaction, /, **params: object) -> R | None:
        """The first row, or None."""
        rows, _ = await self._execute(tx, params)
        return self._make(rows[:1])[0] if rows else None


class Command(Statement):
    """A statement that answers no rows."""

    def __init__(self, sql: LiteralString) -> None:
        super().__init__(sql)

    async def run(self, tx: OpensTransactions | Transaction, /, **params: object) -> int:
        """How many rows were written."""
        _, written = await self._execute(tx, params)
        return written


def row_maker(row: type[R]) -> Callable[[Sequence[Values]], list[R]]:
    """How tuples become `row`s: by position; text becomes the field's enum, arrays its tuple."""
    if not dataclasses.is_dataclass(row):
        convert = _converter(row)
        if convert is None:
            return lambda rows: [values[0] for values in rows]
        return lambda rows: [convert(values[0]) for values in rows]
    make = cast("Callable[..., R]", row)
    hints = typing.get_type_hints(row)
    converters = [_converter(hints[field.name]) for field in dataclasses.fields(row)]
    if not any(converters):
        return lambda rows: [make(*values) for values in rows]
    return lambda rows: [
        make(
            *(
                value if convert is None or value is None else convert(value)
                for convert, value in zip(converters, values, strict=True)
            )
        )
        for values in rows
    ]


def _converter(hint: object) -> Callable[[Any], Any] | None:
    kinds = [kind for kind in typing.get_args(hint) if kind is not type(None)]
    is_optional = len(kinds) == 1 and type(None) in typing.get_args(hint)
    kind = kinds[0] if is_optional else hint
    if isinstance(kind, type) and issubclass(kind, Enum):
        return kind
    if typing.get_origin(kind) is tuple:
        return _tuple_converter(typing.get_args(kind)[0])
    return None


def _tuple_converter(hint: object) -> Callable[[Any], Any]:
    item = _converter(hint)
    return tuple if item is None else lambda values: tuple(item(value) for value in values)


def _numbered(sql: str) -> tuple[str, dict[str, int]]:
    """PostgreSQL's own `$1` for each `%(name)s`, and the names in that order."""
    names: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        if found["percent"]:
            return "%"
        return f"${names.setdefault(found['name'], len(names) + 1)}"

    text = PLACEHOLDER.sub(number, sql)
    if text.count("%") != sql.count("%%"):
        message = f"a lone percent sign (write %%) in: {sql}"
        raise ValueError(message)
    return text, names
