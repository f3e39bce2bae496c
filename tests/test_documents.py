"""What the documents list is what the program has."""

import ast
import importlib
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path

from fastapi.routing import APIRoute

import jetpay
from jetpay.api import body
from jetpay.api.frame import needed_scope
from jetpay.app import CALLS
from jetpay.banking import canada
from jetpay.base import text
from jetpay.base.refusals import all_refusals
from jetpay.companies.model import Scope
from jetpay.security import answers
from jetpay.settings import PREFIX, Settings, variable

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "jetpay"
SKIPPED = re.compile(r"\.__main__$")


def table(document: str, heading: str) -> list[list[str]]:
    """The rows of the first table under the heading, each cell without its marks."""
    _, _, after = (ROOT / "docs" / document).read_text().partition(f"\n## {heading}\n")
    rows: list[list[str]] = []
    for line in after.splitlines():
        if line.startswith("|"):
            rows.append([cell.strip() for cell in line.strip("|").split("|")])
        elif rows:
            break
    return rows[2:]


def lines(rows: Iterator[tuple[str, ...]]) -> list[str]:
    """The rows as they are written in a document, to be pasted there."""
    return ["| " + " | ".join(row) + " |" for row in rows]


def written(document: str, heading: str) -> list[str]:
    return lines(tuple(row) for row in table(document, heading))


def import_everything() -> None:
    for module in pkgutil.walk_packages(jetpay.__path__, "jetpay."):
        if not SKIPPED.search(module.name):
            importlib.import_module(module.name)


def problem_rows() -> Iterator[tuple[str, str, str]]:
    import_everything()
    seen: dict[str, tuple[int, str]] = {}
    for refusal in all_refusals():
        if refusal.__module__.startswith("jetpay.") and refusal is not body.Duplicate:
            seen.setdefault(refusal.code, (refusal.status, refusal.title))
    for code, (status, title) in sorted(seen.items()):
        yield f"`{code}`", str(status), title


def field_codes() -> set[str]:
    """The words that stand in `errors[].code`, as far as they are constants."""
    found = {code for code, _ in body._SENTENCES.values()} | {"wrong_type"}
    found |= set(text._SENTENCES) | set(answers.SENTENCES)
    found |= {code for _, code in canada._SENTENCES}
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                position = {"FieldError": 1, "refused": 0}.get(node.func.id)
                if position is not None and len(node.args) > position:
                    code = node.args[position]
                    if isinstance(code, ast.Constant):
                        found.add(str(code.value))
    return found


def call_rows() -> Iterator[tuple[str, str, str]]:
    for calls in CALLS:
        for route in calls.routes:
            if isinstance(route, APIRoute) and route.include_in_schema:
                scope = needed_scope(route)
                for method in sorted(route.methods or ()):
                    yield (
                        f"`{method} {route.path}`",
                        f"`{scope}`" if scope else "none",
                        sentence(route),
                    )


def sentence(route: APIRoute) -> str:
    return " ".join((route.endpoint.__doc__ or "").split("\n\n")[0].split())


def setting_rows() -> Iterator[tuple[str, str, str]]:
    for name, field in Settings.model_fields.items():
        default = "" if field.default_factory or field.default in (None, ()) else str(field.default)
        shown = {"True": "`true`", "False": "`false`", "": ""}.get(default, f"`{default}`")
        yield f"`{variable(name)}`", shown, str(field.description)


def test_every_problem_is_in_the_list_of_errors() -> None:
    assert written("errors.md", "Problems") == lines(problem_rows())


def test_every_code_of_a_field_is_in_the_list_of_errors() -> None:
    listed = {row[0].strip("`") for row in table("errors.md", "Fields")}
    of_refusals = {refusal.code for refusal in all_refusals()}
    assert field_codes() - of_refusals - listed == set()
    assert listed - field_codes() == set()


def test_every_call_is_in_the_reference_with_its_scope() -> None:
    assert written("api.md", "Calls") == lines(call_rows())


def test_every_scope_is_explained() -> None:
    assert {row[0].strip("`") for row in table("api.md", "Scopes")} == {str(s) for s in Scope}


def test_every_setting_is_in_the_configuration() -> None:
    assert written("configuration.md", "Settings") == lines(setting_rows())


def test_no_document_names_a_setting_that_there_is_not() -> None:
    known = {variable(name) for name in Settings.model_fields}
    for path in [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]:
        if "design" in path.parts:
            continue
        for name in re.findall(rf"\b{PREFIX}[A-Z][A-Z_]+\b", path.read_text()):
            if not name.startswith("JETPAY_TEST_"):
                assert name.removesuffix("_FILE").rstrip("_") in known | {"JETPAY"}, (path, name)


def test_a_refusal_can_be_told_to_a_stranger() -> None:
    import_everything()
    for refusal in all_refusals():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", refusal.code), refusal
        assert refusal.sentence.rstrip("}").endswith((".", "{problem")), refusal
        assert 400 <= refusal.status < 600, refusal
