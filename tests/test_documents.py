"""What the documents list is what the program has."""

import ast
import importlib
import pkgutil
import re
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

from fastapi.routing import APIRoute

import jetpay
from jetpay.api import body
from jetpay.api.frame import needed_scope
from jetpay.app import CALLS
from jetpay.bank_files.states import MOVES as FILE_MOVES
from jetpay.banking import canada, iban, united_states
from jetpay.base import text
from jetpay.base.refusals import all_refusals
from jetpay.companies.model import Scope
from jetpay.credits.states import TABLE
from jetpay.rails.fail_reasons import FAIL_REASONS
from jetpay.security import answers
from jetpay.settings import OF_COMMANDS, PREFIX, Settings, variable

ROOT = Path(__file__).resolve().parents[1]
SOURCE = ROOT / "src" / "jetpay"
DOCUMENTS = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")])
SKIPPED = re.compile(r"\.__main__$")
LINK = re.compile(r"(?:\]\(|src=\")([^)\"\s]+)[)\"]")
ELSEWHERE = ("http://", "https://", "mailto:")


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
    found |= {code for _, code in [*canada._SENTENCES, *united_states._SENTENCES]}
    found |= set(iban._SENTENCES)
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


def move_rows() -> Iterator[tuple[str, ...]]:
    for row in TABLE:
        yield (
            row.number,
            f"`{row.from_state}`" if row.from_state else "–",
            f"`{row.to_state}`",
            row.cause.replace("_", " "),
            ", ".join(sorted(kind.replace("_", " ") for kind in row.who)),
            f"`{row.debit}`" if row.debit else "–",
            f"`{row.credit}`" if row.credit else "–",
        )


def file_rows() -> Iterator[tuple[str, ...]]:
    for (before, after), who in FILE_MOVES.items():
        names = sorted(kind.replace("_", " ") for kind in who)
        yield f"`{before}`", f"`{after}`", ", ".join(names)


def reason_rows() -> Iterator[tuple[str, ...]]:
    for reason in FAIL_REASONS.values():
        codes = (", ".join(each) or "–" for each in (reason.cpa005, reason.nacha, reason.iso20022))
        then = "asks the payee" if reason.repairable else "held" if reason.held else "fails"
        yield (f"`{reason.name}`", *codes, reason.direction.value, then)


def anchors(document: Path) -> set[str]:
    """The names that GitHub gives to the headings."""
    headings = re.findall(r"^#+ (.+)$", document.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w -]", "", each.lower()).replace(" ", "-") for each in headings}


def leads_nowhere(document: Path, link: str) -> bool:
    path, _, anchor = link.partition("#")
    target = document.parent / path if path else document
    if not target.resolve().is_relative_to(ROOT) or not target.exists():
        return True
    return bool(anchor) and anchor not in anchors(target)


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
    known = {variable(name) for name in Settings.model_fields} | OF_COMMANDS
    for path in DOCUMENTS:
        for name in re.findall(rf"\b{PREFIX}[A-Z][A-Z_]+\b", path.read_text()):
            if not name.startswith("JETPAY_TEST_"):
                assert name.removesuffix("_FILE").rstrip("_") in known | {"JETPAY"}, (path, name)


def test_a_refusal_can_be_told_to_a_stranger() -> None:
    import_everything()
    for refusal in all_refusals():
        assert re.fullmatch(r"[a-z][a-z0-9_]*", refusal.code), refusal
        assert refusal.sentence.rstrip("}").endswith((".", "{problem")), refusal
        assert 400 <= refusal.status < 600, refusal


def test_every_row_of_the_table_of_moves_is_in_the_document() -> None:
    assert written("money-moves.md", "The table of moves") == lines(move_rows())


def test_every_move_of_a_bank_file_is_in_the_document() -> None:
    assert written("money-moves.md", "Bank files") == lines(file_rows())


def test_every_fail_reason_is_in_the_document() -> None:
    assert written("money-moves.md", "Fail reasons") == lines(reason_rows())


def test_every_link_leads_somewhere() -> None:
    broken = [
        f"{document.relative_to(ROOT)}: {link}"
        for document in DOCUMENTS
        for link in LINK.findall(document.read_text())
        if not link.startswith(ELSEWHERE) and leads_nowhere(document, link)
    ]
    assert broken == []


def test_a_link_that_leads_nowhere_is_seen() -> None:
    readme = ROOT / "README.md"
    assert not leads_nowhere(readme, "docs/api.md#scopes")
    for link in ("docs/nothing.md", "docs/api.md#nothing", "../elsewhere.md", "#nothing"):
        assert leads_nowhere(readme, link), link


def test_every_test_that_a_document_names_is_there() -> None:
    source = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    for path in DOCUMENTS:
        for name in re.findall(r"`(test_\w+)`", path.read_text()):
            assert f"def {name}(" in source, (path, name)


def test_every_library_has_its_reason_and_is_used() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = {re.split(r"[\[><=]", each)[0] for each in project["dependencies"]}
    document = (ROOT / "docs/decisions/0005-kept-libraries.md").read_text()
    first_cells = re.findall(r"^\| ([a-z][^|]*?) \|", document, re.MULTILINE)
    kept = {name for cell in first_cells for name in re.split(r", | \(.*", cell) if name}
    assert kept - {"library"} == wanted
    source = "".join(path.read_text() for path in SOURCE.rglob("*.py"))
    used = {
        distribution.lower().replace("_", "-")
        for module, distributions in packages_distributions().items()
        if re.search(rf"(?:import|from|find_spec\()\W*{re.escape(module)}\b", source)
        for distribution in distributions
    }
    assert wanted - used == set()
