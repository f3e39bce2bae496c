"""Records of fixed length: declared once as a list of fields, rendered and read from that list."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from jetpay.rails.rail import CannotBeWritten

_PRINTABLE = range(0x20, 0x7F)
Kind = Literal["constant", "digits", "text"]


class CannotBeRead(Exception):
    """A record is not what its declaration says; names the field, never its value."""


@dataclass(frozen=True, slots=True)
class Field:
    """`digits` are filled with zeros on the left, `text` with blanks on the right."""

    name: str
    width: int
    kind: Kind = "text"
    value: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One kind of line; the first field is the constant that tells it from the others."""

    fields: Sequence[Field]

    @property
    def tag(self) -> str:
        """How its lines begin."""
        return self.fields[0].value

    @property
    def width(self) -> int:
        """Bytes without the line feed."""
        return sum(each.width for each in self.fields)

    def render(self, values: Mapping[str, str | int]) -> bytes:
        """The line with its line feed. Raises `CannotBeWritten` for what does not fit."""
        parts = [_render(each, values) for each in self.fields]
        line = "".join(parts).encode("ascii")
        assert len(line) == self.width, "every field has its width"
        assert all(byte in _PRINTABLE for byte in line), "a text cannot start another record"
        return line + b"\n"

    def read(self, line: bytes) -> dict[str, str]:
        """The fields of a line without its line feed. Raises `CannotBeRead`."""
        if len(line) != self.width or any(byte not in _PRINTABLE for byte in line):
            raise CannotBeRead(f"a record of {self.tag} has another length or alphabet")
        text = line.decode("ascii")
        values: dict[str, str] = {}
        for each in self.fields:
            raw, text = text[: each.width], text[each.width :]
            if each.kind == "constant" and raw != each.value:
                raise CannotBeRead(f"{each.name} of {self.tag} is not what it must be")
            if each.kind == "digits" and not raw.isdigit():
                raise CannotBeRead(f"{each.name} of {self.tag} is not a number")
            values[each.name] = raw.rstrip(" ") if each.kind == "text" else raw
        return values


def _render(each: Field, values: Mapping[str, str | int]) -> str:
    if each.kind == "constant":
        return each.value
    text = str(values[each.name])
    printable = all(ord(char) in _PRINTABLE for char in text)
    if len(text) > each.width or not printable:
        raise CannotBeWritten(each.name)
    if each.kind == "digits":
        if not text.isdigit():
            raise CannotBeWritten(each.name)
        return text.zfill(each.width)
    return text.ljust(each.width)
