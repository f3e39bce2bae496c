"""Reads source files as syntax trees, and sees in them what only one place may do."""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

Found = Iterator[tuple[int, str]]
"""Line and what was seen there."""


@dataclass(frozen=True)
class Module:
    path: str
    """Relative to `src/jetpay`."""
    text: str

    @cached_property
    def tree(self) -> ast.Module:
        return ast.parse(self.text, self.path)

    @cached_property
    def imported(self) -> dict[str, str]:
        """What each name stands for: `{"sock": "socket"}` after `import socket as sock`."""
        names: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                for alias in node.names:
                    first = alias.name.split(".")[0]
                    names[alias.asname or first] = alias.name if alias.asname else first
            elif isinstance(node, ast.ImportFrom):
                for alias in node.names:
                    names[alias.asname or alias.name] = f"{node.module}.{alias.name}"
        return names

    def dotted(self, node: ast.expr) -> str:
        """`aiohttp.ClientSession` for a name or attribute, `?.reveal` for one of an expression."""
        if isinstance(node, ast.Name):
            return self.imported.get(node.id, node.id)
        if isinstance(node, ast.Attribute):
            return f"{self.dotted(node.value)}.{node.attr}"
        return "?"

    @cached_property
    def used(self) -> list[tuple[int, str]]:
        """Every dotted name that runs, which leaves out annotations."""
        annotations = {
            id(part)
            for node in ast.walk(self.tree)
            for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None))
            if isinstance(annotation, ast.expr)
            for part in ast.walk(annotation)
        }
        return [
            (node.lineno, self.dotted(node))
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Name | ast.Attribute) and id(node) not in annotations
        ]

    @cached_property
    def texts(self) -> list[tuple[int, str]]:
        """Every string constant that is no docstring, in one line."""
        docstrings = {id(node.value) for node in ast.walk(self.tree) if isinstance(node, ast.Expr)}
        return [
            (node.lineno, " ".join(node.value.split()))
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Constant)
            and isinstance(node.value, str)
            and id(node) not in docstrings
        ]


def uses(*names: str) -> Callable[[Module], Found]:
    """Sees a name, or anything inside it: `uses("http.client")` sees `http.client.connect`."""

    def see(module: Module) -> Found:
        imports = [(1, target) for target in module.imported.values()]
        for line, used in [*imports, *module.used]:
            if any(used == name or used.startswith(f"{name}.") for name in names):
                yield line, used

    return see


def calls_method(*names: str) -> Callable[[Module], Found]:
    def see(module: Module) -> Found:
        for line, used in module.used:
            if "." in used and used.rsplit(".", 1)[1] in names:
                yield line, used

    return see


def says(pattern: str) -> Callable[[Module], Found]:
    """Sees a text in any string constant, spaces and line ends being equal."""
    compiled = re.compile(pattern, re.IGNORECASE)

    def see(module: Module) -> Found:
        for line, text in module.texts:
            if found := compiled.search(text):
                yield line, found[0]

    return see


def any_of(*seers: Callable[[Module], Found]) -> Callable[[Module], Found]:
    def see(module: Module) -> Found:
        for seer in seers:
            yield from seer(module)

    return see


# ------------------------------------------------------------------------------ statements
SQL = re.compile(
    r"^\s*(?:with\s+(?:recursive\s+)?\w+\s+as\b|select\b.+\bfrom\b|select\s+[\w.]+\()"
    r"|\binsert\s+into\s+\w+|\bdelete\s+from\s+\w+|\bupdate\s+(?:only\s+)?\w+\s+(?:\w+\s+)?set\b"
    r"|\b(?:create|alter|drop)\s+(?:table|role|database|index|schema|user|function|view)\b"
    r"|^\s*(?:grant|revoke)\s.+\b(?:to|from)\b|^\s*(?:listen|notify)\s+\w*$|^\s*truncate\s"
    r"|^\s*lock\s+table\b|^\s*set\s+(?:local|session|role)\b",
    re.DOTALL,  # lower case only, as the house writes SQL: "Select … from …" is a sentence
)
SETS_STATE = re.compile(
    r"(?:^|,)\s*(?:\w+\.)?state\s*=|^\s*\([^)]*\bstate\b[^)]*\)\s*=", re.IGNORECASE
)


def writes_state_of(table: str) -> Callable[[Module], Found]:
    set_clause = re.compile(
        rf"\bupdate\s+(?:only\s+)?{table}\s+(?:as\s+)?(?:\w+\s+)?set\s+"
        r"(?P<clause>.*?)(?:\bfrom\b|\bwhere\b|\breturning\b|$)",
        re.IGNORECASE,
    )

    def see(module: Module) -> Found:
        for line, text in module.texts:
            for update in set_clause.finditer(text):
                if SETS_STATE.search(update["clause"]):
                    yield line, update[0]

    return see


def puts_into(table: str) -> Callable[[Module], Found]:
    return says(rf"\b(?:insert\s+into|merge\s+into|copy)\s+(?:only\s+)?{table}\b")


def changes(table: str) -> Callable[[Module], Found]:
    return says(rf"\b(?:update|delete\s+from|truncate|merge\s+into)\s+(?:only\s+)?{table}\b")


def says_sql(module: Module) -> Found:
    for line, text in module.texts:
        if SQL.search(text):
            yield line, text[:60]


def puts_sql_together(module: Module) -> Found:
    """f-strings, `%`, `.format()`, `.join()` and, inside functions, `+` on SQL."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    inside = {
        id(part)
        for function in ast.walk(module.tree)
        if isinstance(function, functions)
        for part in ast.walk(function)
    }
    for node in ast.walk(module.tree):
        if isinstance(node, ast.expr) and any(
            isinstance(part, ast.Constant) and SQL.search(HOLE.sub("x", str(part.value)))
            for part in _parts_put_together(node, in_function=id(node) in inside)
        ):
            yield node.lineno, "SQL put together"


HOLE = re.compile(r"%s|\{\w*\}")


def _parts_put_together(node: ast.expr, *, in_function: bool) -> list[ast.expr]:
    match node:
        case ast.JoinedStr(values=values):
            texts = [str(part.value) if isinstance(part, ast.Constant) else "x" for part in values]
            return [ast.Constant("".join(texts))]
        case ast.BinOp(op=ast.Mod(), left=left):
            return [left]
        case ast.BinOp(op=ast.Add(), left=left, right=right) if in_function:
            return [left, right]
        case ast.Call(
            func=ast.Attribute(attr="format" | "format_map" | "join" | "replace") as func
        ):
            return [func.value]
        case _:
            return []


# ------------------------------------------------------------------------------- functions
RUNS_TEXT = (
    *("eval", "exec", "compile", "__import__", "os.system", "os.popen", "pty"),
    *("pickle", "marshal", "shelve", "dill", "cloudpickle"),
    *("yaml.load", "yaml.unsafe_load", "yaml.full_load"),
    *("subprocess.getoutput", "subprocess.getstatusoutput", "asyncio.create_subprocess_shell"),
)


def runs_text(module: Module) -> Found:
    """`eval` and its kin, loaders that run what they load, and a shell."""
    yield from uses(*RUNS_TEXT)(module)
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Call):
            for keyword in node.keywords:
                off = isinstance(keyword.value, ast.Constant) and keyword.value.value is False
                if keyword.arg == "shell" and not off:
                    yield node.lineno, "shell="
