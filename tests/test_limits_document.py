"""The limits that the document tells are those that the program has."""

import importlib
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

DOCUMENT = Path(__file__).resolve().parents[1] / "docs/limits.md"
ROW = re.compile(r"^\| (?P<what>[^|]+) \| (?P<limit>[^|]+) \|[^|]*\| `(?P<name>[^`]+)` \|$")
UNITS = {
    "": 1, "KiB": 1024, "MiB": 1024**2, "s": 1, "min": 60, "h": 3_600, "days": 86_400,
}  # fmt: skip


def rows() -> list[tuple[str, str, str]]:
    found = [ROW.match(line) for line in DOCUMENT.read_text().splitlines() if "`" in line]
    return [(row["what"], row["limit"], row["name"]) for row in found if row]


def named(name: str) -> Any:
    """The value of `module.NAME`, `module.NAME[key].field` too."""
    path, key, field = re.fullmatch(r"([\w.]+)(?:\[(\w+)\]\.(\w+))?", name).groups()  # type: ignore[union-attr]
    module, _, constant = path.rpartition(".")
    value = getattr(importlib.import_module(f"jetpay.{module}"), constant)
    return getattr(value[key], field) if key else value


def meant(limit: str, value: object) -> tuple[float, float]:
    """What the document says and what the program has, in the program's unit."""
    number, _, unit = limit.partition(" ")
    said = float(number.replace(",", ""))
    if isinstance(value, timedelta):
        return said * UNITS[unit], value.total_seconds()
    if isinstance(value, str):  # of PostgreSQL, as in 60s
        return said, float(value.removesuffix(unit))
    assert isinstance(value, int | float)
    return (said if unit == "days" else said * UNITS[unit]), float(value)


@pytest.mark.parametrize("what, limit, name", rows())
def test_a_limit_is_as_the_document_says(what: str, limit: str, name: str) -> None:
    said, has = meant(limit, named(name))
    assert said == has, what


def test_every_row_of_the_tables_is_read() -> None:
    lines = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("| ")]
    heads = [line for line in lines if line.endswith("| name |")]
    assert len(rows()) == len(lines) - len(heads) > 50
    assert len({name for *_, name in rows()}) == len(rows())
