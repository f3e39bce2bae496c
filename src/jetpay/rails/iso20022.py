"""What ISO 20022 messages share: their alphabet, amounts, shapes, and XML that may be hostile.

Values enter XML as text of elements only, so that no text can become markup.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Final

from lxml import etree

from jetpay.rails.rail import CannotBeWritten, fold_to_ascii

BYTES_MAXIMUM: Final = 256 * 2**20
DEPTH_MAXIMUM: Final = 64
"""Below an entry; libxml2 itself ends at 256."""
HELD_MAXIMUM: Final = 2**20
"""Bytes that may come without an entry that can be given out: a text is not longer, either."""
PIECE: Final = 2**16
ID_LENGTH: Final = 35
_MINOR_DIGITS: Final = 2
# The characters that every bank takes (EPC217-08); the rest of a text is folded to them.
_ALPHABET: Final = re.compile(r"[A-Za-z0-9/\-?:().,'+ ]+")
_OTHERS: Final = re.compile(r"[^A-Za-z0-9/\-?:().,'+ ]+")
_AMOUNT: Final = re.compile(r"\+?([0-9]{1,15})(?:\.([0-9]{0,5}))?")
_FORBIDDEN: Final = re.compile(rb"<!(?:DOCTYPE|ENTITY)", re.IGNORECASE)
_LONGEST_FORBIDDEN: Final = len(b"<!DOCTYPE")
_HEAD_BYTES: Final = 256
_BETWEEN: Final = "\ue000"  # for private use, so in no text of a bank
_DECLARED: Final = re.compile(
    rb"""\s*<\?xml\b[^>]*?\bencoding\s*=\s*["']([A-Za-z0-9._-]{1,20})["']"""
)
_is_too_deep = etree.XPath(f"boolean({'/'.join('*' * DEPTH_MAXIMUM)})")
ENCODINGS: Final = frozenset({"utf-8", "us-ascii", "ascii", "iso-8859-1", "iso-8859-15"})
"""In each a `<` is the byte that ASCII has for it, so nothing can hide."""


class CannotBeParsed(Exception):
    """The bytes are no XML that may be read; `line` counts from 1."""

    def __init__(self, why: str, line: int = 1) -> None:
        self.why, self.line = why, line
        super().__init__(f"line {line}: {why}")


def fold(text: str, length: int) -> str:
    """A text as it will stand in the message: accents and signs folded, cut to `length`."""
    folded = _OTHERS.sub(" ", fold_to_ascii(text).replace("&", "+"))
    words = " ".join(folded.split())
    return re.sub("/{2,}", "/", words).strip("/ ")[:length].rstrip("/ ")


def money(amount_minor: int) -> str:
    """`1234.56`: all currencies of these rails have two decimals."""
    return f"{amount_minor // 100}.{amount_minor % 100:02}"


def minor_units(text: str) -> int | None:
    """The amount in minor units of a currency with two decimals; none when it is not one."""
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    whole, decimals = found[1], (found[2] or "").ljust(_MINOR_DIGITS, "0")
    return None if decimals[2:].strip("0") else int(whole) * 100 + int(decimals[:2])


@dataclass(frozen=True, slots=True)
class Leaf:
    """An element with a text: `value` for all, or else what a payment has under `name`.

    `path`: local names from the shape's own element, and `@` with an attribute's at the end.
    """

    path: str
    name: str = ""
    value: str = ""
    length: int = ID_LENGTH
    meaning: str = ""
    sensitive: bool = False


class Shape:
    """Elements in the schema's order, declared once, written and read from the one list.

    A leaf whose value is empty is left out, and with it the elements that hold nothing else.
    """

    def __init__(self, tag: str, leaves: Sequence[Leaf]) -> None:
        self.tag, self.leaves = tag, tuple(leaves)
        self._named = tuple(each for each in self.leaves if each.name)
        self._templates: dict[tuple[str, ...], _Template] = {}
        self._reads: dict[str, etree.XPath] = {}

    def write(self, values: Mapping[str, str]) -> bytes:
        """The element with all that it holds. Raises `CannotBeWritten` for what does not fit."""
        present = []
        for each in self._named:
            text = values[each.name]
            if not text:
                continue
            if len(text) > each.length or not _ALPHABET.fullmatch(text) or text != text.strip(" /"):
                raise CannotBeWritten(each.name)
            present.append(each.name)
        key = tuple(present)
        template = self._templates.get(key)
        if template is None:
            template = self._templates[key] = _Template(self, frozenset(key))
        return template.fill(values)

    def read(self, element: "etree._Element") -> dict[str, str]:
        """What stands under each name, stripped; empty where nothing does.

        Raises `CannotBeParsed` for the sign that stands between values here.
        """
        namespace = str(element.tag).rpartition("}")[0].lstrip("{")
        if namespace not in self._reads:
            self._reads = {namespace: _all_at([each.path for each in self._named], namespace)}
        texts = str(self._reads[namespace](element)).split(_BETWEEN)
        if len(texts) != len(self._named):
            raise CannotBeParsed("a sign that is nobody's", element.sourceline or 1)
        return {each.name: text.strip() for each, text in zip(self._named, texts, strict=True)}


def _all_at(paths: Sequence[str], namespace: str) -> etree.XPath:
    """All texts by one look; some banks send no namespace."""
    prefix, names = ("n:", {"n": namespace}) if namespace else ("", None)
    steps = ("/".join(_step(tag, prefix) for tag in path.split("/")) for path in paths)
    values = f", '{_BETWEEN}', ".join(steps)
    return etree.XPath(f"concat({values}, '')", namespaces=names, smart_strings=False)


def _step(tag: str, prefix: str) -> str:
    element, _, attribute = tag.partition("@")
    return f"{prefix}{element}/@{attribute}" if attribute else f"{prefix}{element}"


class _Template:
    """The element with the leaves that are there, whose texts are set again for each payment."""

    def __init__(self, shape: Shape, present: frozenset[str]) -> None:
        self._root = etree.Element(shape.tag)
        self._set: list[tuple[str, Callable[[str], None]]] = []
        for leaf in shape.leaves:
            if leaf.name and leaf.name not in present:
                continue
            path, _, attribute = leaf.path.partition("@")
            at = self._root
            for tag in path.split("/"):
                at = _last_or_new(at, tag)
            if leaf.value:
                at.text = leaf.value
            elif attribute:
                self._set.append((leaf.name, _attribute_of(at, attribute)))
            else:
                self._set.append((leaf.name, _text_of(at)))

    def fill(self, values: Mapping[str, str]) -> bytes:
        for name, put in self._set:
            put(values[name])
        return etree.tostring(self._root)


def _last_or_new(parent: "etree._Element", tag: str) -> "etree._Element":
    """Leaves that share elements stand one after the other, as the schema orders them."""
    if len(parent) and parent[-1].tag == tag:
        return parent[-1]
    return etree.SubElement(parent, tag)


def _text_of(element: "etree._Element") -> Callable[[str], None]:
    def put(text: str) -> None:
        element.text = text

    return put


def _attribute_of(element: "etree._Element", name: str) -> Callable[[str], None]:
    def put(text: str) -> None:
        element.set(name, text)

    return put


def _anywhere(path: str) -> str:
    """Whatever the namespace: some banks send none."""
    return "/".join(f"{{*}}{tag}" for tag in path.split("/"))


def local_name(element: "etree._Element") -> str:
    """Its tag without the namespace; empty for comments and the like."""
    tag = element.tag
    return tag.rpartition("}")[2] if isinstance(tag, str) else ""


def text_at(element: "etree._Element", path: str) -> str:
    """The text at a path of local names, stripped; empty where there is none."""
    found = element.find(_anywhere(path))
    return "" if found is None else (found.text or "").strip()


def parse(chunks: Iterable[bytes], wanted: frozenset[str]) -> Iterator["etree._Element"]:
    """Each element of those local names when it ends, then forgotten: memory stays bounded.

    Raises `CannotBeParsed` for a document type, an entity, an encoding that could hide one, and
    beyond the limits.
    """
    encoding, vetted = _vetted(chunks)
    parser = etree.XMLPullParser(
        events=("end",),
        tag=[f"{{*}}{name}" for name in wanted],
        encoding=encoding,
        resolve_entities=False,
        load_dtd=False,
        no_network=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
    )
    held = 0
    try:
        for piece in vetted:
            parser.feed(piece)
            held += len(piece)
            for _, element in parser.read_events():
                held = 0
                if _is_too_deep(element):
                    raise CannotBeParsed("it is too deep", element.sourceline or 1)
                yield element
                _forget(element)
            if held > HELD_MAXIMUM:
                raise CannotBeParsed("it has too much outside of entries")
        parser.close()
    except etree.XMLSyntaxError as error:
        raise CannotBeParsed("it is no well-formed XML", error.lineno or 1) from None


def _forget(element: "etree._Element") -> None:
    parent = element.getparent()
    if parent is None:
        element.clear()
    else:
        parent.remove(element)


def _vetted(chunks: Iterable[bytes]) -> tuple[str, Iterator[bytes]]:
    """The encoding, and the same bytes as long as nothing in them expands or names other files."""
    pieces = iter(chunks)
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    head = head.removeprefix(b"\xef\xbb\xbf")
    said = _DECLARED.match(head[:_HEAD_BYTES])
    encoding = said[1].decode().lower() if said else "utf-8"
    if encoding not in ENCODINGS:
        raise CannotBeParsed("it is not in an encoding that is read")

    def rest() -> Iterator[bytes]:
        size, end = 0, b""
        for piece in chain([head], pieces):
            size += len(piece)
            if size > BYTES_MAXIMUM:
                raise CannotBeParsed("it is too long")
            if _FORBIDDEN.search(end + piece):
                raise CannotBeParsed("it declares a document type or an entity")
            end = (end + piece)[-_LONGEST_FORBIDDEN:]
            yield from (piece[at : at + PIECE] for at in range(0, len(piece), PIECE))

    return encoding, rest()
