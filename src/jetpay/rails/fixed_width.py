"""Records of fixed length: declared once as a list of fields, rendered and read from that list.

A list is compiled once, to a format that writes all fields and a pattern that checks them all; only
where the pattern does not match is each field looked at, to name the one at fault.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal

from jetpay.rails.complaints import LONGEST_VALUE, Complaints, Problem, mask
from jetpay.rails.rail import CannotBeWritten

Kind = Literal["constant", "digits", "text"]
_ALPHABETS: Final = {"digits": "[0-9]", "text": "[ -~]"}
_PRINTABLE: Final = re.compile(r"[ -~]*")


class CannotBeRead(Exception):
    """A record is not what its declaration says; names the field, never its value."""


@dataclass(frozen=True, slots=True)
class Field:
    """`digits` are filled with zeros on the left, `text` with blanks on the right.

    `element` is the standard's number and `meaning` its words, both for the tables in docs/rails.
    Digits that `may_be_blank` are written as blanks when they are given so, and read so.
    """

    name: str
    width: int
    kind: Kind = "text"
    value: str = ""
    element: str = field(default="", kw_only=True)
    meaning: str = field(default="", kw_only=True)
    sensitive: bool = field(default=False, kw_only=True)
    may_be_blank: bool = field(default=False, kw_only=True)

    @property
    def pattern(self) -> str:
        """What it looks like in a file, as a regular expression."""
        if self.kind == "constant":
            return re.escape(self.value)
        blank = f"| {{{self.width}}}" if self.may_be_blank else ""
        return f"({_ALPHABETS[self.kind]}{{{self.width}}}{blank})"

    def render(self, value: str | int) -> str:
        """The value at its full width. Raises `CannotBeWritten`."""
        text = f"{value:0>{self.width}}" if self.kind == "digits" else f"{value:<{self.width}}"
        if not re.fullmatch(self.pattern, text):
            raise CannotBeWritten(self.name)
        return text

    def problem_of(self, raw: str) -> tuple[Problem, int] | None:
        """What is wrong with it in a file, and at which of its characters (from 0)."""
        bad = _PRINTABLE.match(raw).end()  # type: ignore[union-attr]  # of nothing at least
        if bad < len(raw):
            return Problem.NOT_PRINTABLE, bad
        blank = self.may_be_blank and not raw.strip(" ")
        if self.kind == "digits" and not (blank or raw.isdigit()):
            return Problem.NOT_DIGITS, next(at for at, one in enumerate(raw) if not one.isdigit())
        if self.kind == "constant" and raw != self.value:
            at = next(at for at, one in enumerate(raw) if one != self.value[at])
            return Problem.NOT_BLANK if self.value.isspace() else Problem.NOT_A_CODE, at
        return None

    def complain(
        self, complaints: Complaints, problem: Problem, raw: str, at: int, *, lost: bool = False
    ) -> None:
        """About the field whose character at `at` (from 0, in its line) is the first bad one."""
        complaints.add(
            problem,
            field=self.name,
            element=self.element,
            column=at + 1,
            value=mask(raw.rstrip(" ")) if self.sensitive else raw.rstrip(" ")[:LONGEST_VALUE],
            lost=lost,
        )


class Record:
    """One kind of line, or a part of it that repeats.

    A whole line begins with the constant that tells it from the others. `values` are those of the
    fields that are no constants, in their order.
    """

    def __init__(self, fields: Sequence[Field]) -> None:
        self.fields = tuple(fields)
        self.width = sum(each.width for each in self.fields)
        self.variable = tuple(each for each in self.fields if each.kind != "constant")
        self.starts: dict[str, int] = {}
        """Where each field begins, from 0."""
        start = 0
        for each in self.fields:
            assert len(each.value) in {0, each.width}, "a constant fills its field"
            self.starts[each.name] = start
            start += each.width
        assert len(self.starts) == len(self.fields), "every field has a name of its own"
        self.by_name = {each.name: each for each in self.fields}
        self._format = "".join(map(_format_of, self.fields)).format
        self._match = re.compile("".join(each.pattern for each in self.fields)).fullmatch

    @property
    def tag(self) -> str:
        """How its lines begin."""
        return self.fields[0].value

    def write(self, *values: str | int) -> str:
        """All fields in one text. Raises `CannotBeWritten` for what does not fit."""
        text = self._format(*values)
        if self._match(text) is None:
            # The field at fault raises.
            return "".join(map(Field.render, self.variable, values))
        return text

    def parse(self, text: str, start: int = 0) -> Sequence[str] | None:
        """The raw fields of the record that begins there; none when anything is wrong with it."""
        found = self._match(text, start, start + self.width)
        return found.groups() if found else None

    def explain(self, text: str, start: int, complaints: Complaints) -> list[str]:
        """The raw fields as far as they can be read, blank digits as zeros; complains of each."""
        values = []
        for each in self.fields:
            at = start + self.starts[each.name]
            raw = text[at : at + each.width]
            if each.kind == "digits" and not raw.strip(" ") and not each.may_be_blank:
                raw = "0" * each.width
            problem = each.problem_of(raw)
            if problem is not None:
                each.complain(complaints, problem[0], raw, at + problem[1])
            if each.kind == "digits":
                # Python takes digits of every script, and superscripts, for digits.
                raw = raw.encode("ascii", "replace").decode()
            if each.kind != "constant":
                values.append(raw)
        return values

    def render(self, values: Mapping[str, str | int]) -> bytes:
        """The line with its line feed. Raises `CannotBeWritten` for what does not fit."""
        return self.write(*(values[each.name] for each in self.variable)).encode("ascii") + b"\n"

    def read(self, line: bytes) -> dict[str, str]:
        """The fields of a line without its line feed. Raises `CannotBeRead`."""
        text = line.decode("latin-1")
        if len(text) != self.width or not _PRINTABLE.fullmatch(text):
            raise CannotBeRead(f"a record of {self.tag} has another length or alphabet")
        raw = self.parse(text)
        if raw is None:
            bad = next(each for each in self.fields if each.problem_of(self._part(text, each)))
            raise CannotBeRead(f"{bad.name} of {self.tag} is not what it must be")
        values = {each.name: each.value for each in self.fields if each.kind == "constant"}
        for each, value in zip(self.variable, raw, strict=True):
            values[each.name] = value.rstrip(" ") if each.kind == "text" else value
        return values

    def _part(self, text: str, each: Field) -> str:
        start = self.starts[each.name]
        return text[start : start + each.width]


def _format_of(each: Field) -> str:
    if each.kind == "constant":
        return each.value.replace("{", "{{").replace("}", "}}")
    return f"{{:0>{each.width}}}" if each.kind == "digits" else f"{{:<{each.width}}}"
