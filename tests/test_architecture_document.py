"""ARCHITECTURE.md says what the source, the schema and the tests are."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from jetpay.credits.model import State
from jetpay.credits.states import TABLE
from jetpay.security.secrets import Secret

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "jetpay"
DOCUMENT = (ROOT / "ARCHITECTURE.md").read_text()
LINES = 200
REFERS_BY_DIGEST = {"payee_draft"}


def section(heading: str) -> str:
    return DOCUMENT.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]


def rows(heading: str) -> list[list[str]]:
    """The cells of the section's one table, without its head."""
    lines = [line for line in section(heading).splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


def quoted(pattern: str, text: str = DOCUMENT) -> set[str]:
    return set(re.findall(rf"`({pattern})`", text))


def rings() -> Iterator[str]:
    """The layers of the import rules that are there, from the top."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = project["tool"]["importlinter"]["contracts"]
    [layers] = [each["layers"] for each in contracts if each["id"] == "rings"]
    for layer in layers:
        for name in re.findall(r"\w+", layer):
            if (SOURCE / f"{name}.py").exists():
                yield f"`{name}.py`"
            elif (SOURCE / name).is_dir():
                yield f"`{name}/`"


@pytest.fixture
def connection(app_dsn: Secret[str]) -> Iterator[psycopg.Connection]:
    with psycopg.connect(app_dsn.reveal(), autocommit=True) as connection:
        yield connection


def test_it_is_short() -> None:
    assert len(DOCUMENT.splitlines()) <= LINES


def test_the_rings_are_those_of_the_import_rules() -> None:
    assert [row[0] for row in rows("Rings")] == list(rings())


def test_every_folder_is_named() -> None:
    folders = {path.name for path in SOURCE.iterdir() if path.is_dir()} - {"__pycache__"}
    assert folders - {name.rstrip("/") for name in quoted(r"\w+/")} == set()


def test_every_file_it_names_is_there() -> None:
    named = quoted(r"[\w/]+\.(?:py|toml)")
    there = {path.relative_to(SOURCE).as_posix() for path in SOURCE.rglob("*.py")}
    nouns = {path.rpartition("/")[2] for path in there}  # what each noun's folder has
    assert {name for name in named - there - nouns if not (ROOT / name).exists()} == set()


def test_every_second_witness_is_in_the_schema() -> None:
    migrations = "".join(path.read_text() for path in SOURCE.rglob("*.sql"))
    witnesses = {name for row in rows("What always holds") for name in quoted(r"\w+", row[2])}
    assert {name for name in witnesses if not re.search(rf"\b{name}\b", migrations)} == set()


def test_the_drawn_table_of_moves_is_the_one_in_code() -> None:
    [head] = re.findall(r"^\| from \\ to \|(.*)\|$", DOCUMENT, re.MULTILINE)
    columns = [cell.strip() for cell in head.split("|")]
    assert set(columns) == {state.value for state in State}
    drawn = {
        (row[0], to, number)
        for row in rows("The table of moves")
        for to, cell in zip(columns, row[1:], strict=True)
        for number in cell.split(", ")
        if number
    }
    assert drawn == {(row.from_state or "–", row.to_state.value, row.number) for row in TABLE}


def test_the_keys_without_the_company_in_front_are_all(connection: psycopg.Connection) -> None:
    found = connection.execute(
        """
        select t.relname, string_agg(a.attname, ', ' order by k.position)
        from pg_index i
        join pg_class t on t.oid = i.indrelid
        join pg_namespace n on n.oid = t.relnamespace and n.nspname = 'public'
        cross join lateral unnest(i.indkey::int2[]) with ordinality as k(column_number, position)
        join pg_attribute a on a.attrelid = t.oid and a.attnum = k.column_number
        where i.indisunique
        group by t.relname, i.indexrelid
        having min(a.attname) filter (where k.position = 1) <> 'company_id'
        """
    )
    said = [[cell.strip("`") for cell in row] for row in rows("Keys without the company in front")]
    assert {(table, key) for table, key, _ in said} == set(found)


def test_every_reference_carries_the_company(connection: psycopg.Connection) -> None:
    found = connection.execute(
        """
        select c.conrelid::regclass::text from pg_constraint c
        where c.contype = 'f' and not exists (
          select from unnest(c.conkey) as k(number)
          join pg_attribute a on a.attrelid = c.conrelid and a.attnum = k.number
          where a.attname = 'company_id')
        """
    )
    assert {name for (name,) in found} == REFERS_BY_DIGEST
