"""Every SQL statement of the program fits the migrated schema, its row class and its company."""

import dataclasses
import importlib
import pkgutil
import types
import typing
from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from uuid import UUID

import psycopg
import pytest
from psycopg import pq
from sqlglot import exp

import jetpay
from jetpay.db.rows import REGISTRY, Query, Statement
from jetpay.security.secrets import Secret
from tests.db.statement_text import (
    bounded_queries,
    is_never_null,
    nullable_tables,
    parse,
    projections,
    selects_all,
    unbounded,
)

NO_COMPANY = {
    "installation": "the installation itself, one row",
    "network_limit": "counts a stranger's network before any company is known",
    "schema_migration": "the schema is everybody's",
    "worker_heartbeat": "a worker serves all companies",
    "secret_key": "wrapped by root keys, which are the installation's",
}
"""Tables whose rows need not be bounded by a company."""

OTHER_KEYS = {
    "api_token": "digest",  # of the token, from which the company is learned
    "payee_session": "digest",  # of the cookie, which names no company
}
"""What else may bound the rows of a table: a secret that only one company's caller has."""

ANY_COMPANY = {
    "jetpay.companies.brands.LOGO": "a logo is public, by the hash of its bytes",
    "jetpay.companies.installation.HAS_LIVE_COMPANY": "production starts with the first of them",
    "jetpay.companies.installation.ALL_COMPANIES": "the operator's list",
    "jetpay.companies.installation.QUESTION_IN_USE": "production refuses the demo's question",
    "jetpay.security.key_rows.ARM_RENEWALS": "an index key is every company's",
    "jetpay.security.key_rows.RENEWALS_LEFT": "the operator's view of a rotation",
    "jetpay.security.short_ids._MADE_SINCE": "a link names its company by short id alone",
    "jetpay.credits.payee_sessions.FORGET_DRAFTS": "the worker's sweep by age",
    "jetpay.credits.payee_sessions.FORGET_SESSIONS": "the worker's sweep by age",
    "jetpay.credits.codes.FORGET": "the worker's sweep by age",
    "jetpay.notices.plan.LOOK": "the worker looks for whoever has news",
    "jetpay.notices.queue.FORGET_ADDRESSES": "the worker's sweep by age",
    "jetpay.notices.queue.FORGET_BODIES": "the worker's sweep by age",
    "jetpay.notices.queue.FORGET_MAILS": "the worker's sweep by age",
    "jetpay.webhooks.claims.LOOK": "the worker looks for whoever is due",
    "jetpay.webhooks.proofs.TAKEN_BY": "an address is one live company's",
    "jetpay.webhooks.retention.FORGET_ATTEMPTS": "the worker's sweep by age",
    "jetpay.webhooks.retention.FORGET_SECRETS": "the worker's sweep by age",
}
"""Statements over all companies, each with its reason, besides those of `worker/`."""

OTHER_ROLES = {
    "jetpay.check.database.LAX_ACCESS": "`jetpay check` asks it as the embedded server's super",
}
"""Statements that the program's role may not run."""

TYPES: dict[str, tuple[object, ...]] = {
    "bool": (bool,),
    "bytea": (bytes,),
    "date": (date,),
    "float8": (float,),
    "inet": (IPv4Address, IPv6Address),
    "cidr": (IPv4Network, IPv6Network),
    "int2": (int,),
    "int4": (int,),
    "int8": (int,),
    "interval": (timedelta,),
    "json": (dict, list, object),
    "jsonb": (dict, list, object),
    "name": (str,),
    "numeric": (Decimal,),
    "text": (str,),
    "timestamptz": (datetime,),
    "uuid": (UUID,),
}


EXPLAINABLE = (exp.Select, exp.Insert, exp.Update, exp.Delete)


@cache
def statements() -> dict[str, Statement]:
    """Each by the full name of its constant."""
    found: dict[int, str] = {}
    for module_info in pkgutil.walk_packages(jetpay.__path__, "jetpay."):
        module = importlib.import_module(module_info.name)
        for name, value in vars(module).items():
            if isinstance(value, Statement) and value.module == module.__name__:
                found[id(value)] = f"{module.__name__}.{name}"
    return {found.get(id(each), each.place): each for each in REGISTRY if "jetpay" in each.module}


@cache
def trees() -> dict[str, exp.Expr]:
    return {name: parse(statement.text) for name, statement in statements().items()}


def open_tables(query: exp.Expr) -> list[str]:
    """PostgreSQL's own tables hold nothing of companies."""
    return [
        table
        for table in unbounded(query, OTHER_KEYS)
        if table not in NO_COMPANY and not table.startswith("pg_")
    ]


@dataclasses.dataclass(frozen=True)
class Column:
    name: str
    type: str
    """Of the element, if it is an array."""
    is_array: bool
    may_be_null: bool


class Schema:
    """What the migrated database says of a statement."""

    def __init__(self, connection: psycopg.Connection) -> None:
        self.connection = connection
        types = "select oid, typname, typelem <> 0 and typlen = -1 from pg_type"
        self._types = {oid: (name, array) for oid, name, array in connection.execute(types)}
        tables = "select attrelid, attnum, relname, attnotnull from pg_attribute a"
        tables += " join pg_class c on c.oid = a.attrelid"
        found = connection.execute(tables.encode())
        self._columns = {(table, number): known for table, number, *known in found}

    def columns(self, statement: Statement) -> list[Column]:
        """Raises `psycopg.Error` if PostgreSQL does not take the statement."""
        pgconn = self.connection.pgconn
        prepared = pgconn.prepare(b"checked", statement.text.encode())
        if prepared.status != pq.ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(prepared)
        result = pgconn.describe_prepared(b"checked")
        self.connection.execute("deallocate checked")
        tree = parse(statement.text)
        outer, shown = nullable_tables(tree), projections(tree)
        columns = []
        for index in range(result.nfields):
            name, is_array = self._types[result.ftype(index)]
            table, not_null = self._columns.get(
                (result.ftable(index), result.ftablecol(index)), ("", False)
            )
            filled = (not_null and table not in outer) or (
                len(shown) == result.nfields and is_never_null(shown[index])
            )
            label = (result.fname(index) or b"").decode()
            columns.append(Column(label, name.removeprefix("_"), is_array, not filled))
        return columns


def faults(statement: Statement, schema: Schema) -> list[str]:
    """How the result differs from the row class, in words."""
    try:
        columns = schema.columns(statement)
    except psycopg.Error as error:
        return [str(error)]
    if not isinstance(statement, Query):
        return [f"a command answers {columns}"] if columns else []
    row = statement.row
    if not dataclasses.is_dataclass(row):
        fields = [(column.name, row) for column in columns[:1]]
    else:
        hints = typing.get_type_hints(row)
        fields = [(field.name, hints[field.name]) for field in dataclasses.fields(row)]
    if [name for name, _ in fields] != [column.name for column in columns]:
        return [f"columns are {[column.name for column in columns]}"]
    said = [
        f"{column.name} is {column.type}{'[]' if column.is_array else ''}, not {hint}"
        for column, (_, hint) in zip(columns, fields, strict=True)
        if not fits(column, hint)
    ]
    said += [
        f"{column.name} may be null"
        for column, (_, hint) in zip(columns, fields, strict=True)
        if column.may_be_null and not is_optional(hint) and column.name not in statement.never_null
    ]
    unknown = statement.never_null - {column.name for column in columns}
    return said + [f"never_null names no column: {name}" for name in sorted(unknown)]


def is_optional(hint: object) -> bool:
    return hint in {object, typing.Any} or type(None) in typing.get_args(hint)


def fits(column: Column, hint: object) -> bool:
    """Whether psycopg and the row class make `hint` of the column."""
    kinds = [bare(kind) for kind in alternatives(hint)]
    if not column.is_array:
        return all(kind in TYPES.get(column.type, ()) for kind in kinds)
    items = [bare(typing.get_args(kind)[0]) for kind in kinds if typing.get_args(kind)]
    return bool(items) and all(
        typing.get_origin(kind) in {list, tuple} and item in TYPES.get(column.type, ())
        for kind, item in zip(kinds, items, strict=True)
    )


def alternatives(hint: object) -> list[object]:
    is_union = typing.get_origin(hint) in {typing.Union, types.UnionType}
    kinds = typing.get_args(hint) if is_union else (hint,)
    return [kind for kind in kinds if kind is not type(None)]


def bare(kind: object) -> object:
    """`UUID` for `CreditId`, `str` for an enum of text, `dict` for `dict[str, int]`."""
    while isinstance(kind, typing.NewType):
        kind = kind.__supertype__
    if isinstance(kind, type) and issubclass(kind, Enum):
        return str if issubclass(kind, str) else int
    origin = typing.get_origin(kind)
    if origin in {dict, Mapping}:
        return dict
    return object if kind is typing.Any else kind


@pytest.fixture
def connection(app_dsn: Secret[str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(app_dsn.reveal(), autocommit=True) as connection:
        yield connection


def test_every_statement_fits_the_schema_and_its_row(connection: psycopg.Connection) -> None:
    schema = Schema(connection)
    found = {name: faults(statement, schema) for name, statement in statements().items()}
    assert {name: said for name, said in found.items() if said} == {}


def test_every_statement_is_bounded_by_its_company() -> None:
    found = {
        name: sorted({table for query in bounded_queries(tree) for table in open_tables(query)})
        for name, tree in trees().items()
        if not name.startswith("jetpay.worker.")
    }
    found = {name: tables for name, tables in found.items() if tables}
    assert {name: tables for name, tables in found.items() if name not in ANY_COMPANY} == {}
    assert ANY_COMPANY.keys() - found.keys() == set(), "no longer needed"


def test_no_statement_selects_all_columns() -> None:
    assert [name for name, tree in trees().items() if selects_all(tree)] == []


def test_the_program_s_role_may_run_every_statement(connection: psycopg.Connection) -> None:
    if connection.info.server_version < 160_000:
        pytest.skip("`explain (generic_plan)` came with PostgreSQL 16")
    refused = []
    for name, statement in statements().items():
        if isinstance(parse(statement.text), EXPLAINABLE):
            try:
                text = f"explain (generic_plan) {statement.text}"
                connection.execute(text.encode(), prepare=False)
            except psycopg.errors.InsufficientPrivilege:
                refused.append(name)
    assert refused == list(OTHER_ROLES)


def test_every_key_starts_with_the_company(connection: psycopg.Connection) -> None:
    found = connection.execute(
        """
        select c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
        where n.nspname = 'public' and c.relkind in ('r', 'p') and not exists (
          select from pg_index i join pg_attribute a on a.attrelid = c.oid
          where i.indrelid = c.oid and i.indisprimary and a.attnum = i.indkey[0]
            and a.attname = 'company_id')
        order by 1
        """
    )
    assert {name for (name,) in found} == NO_COMPANY.keys() - {"secret_key"} | {"payee_session"}
