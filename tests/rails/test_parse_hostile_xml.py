"""XML from outside is bounded in bytes, depth and memory, and declares nothing."""

from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jetpay.rails import iso20022
from jetpay.rails.camt import read as read_camt
from jetpay.rails.iso20022 import CannotBeParsed, fold, minor_units, money, parse
from jetpay.rails.pain001 import CANADA, Pain001
from jetpay.rails.pain002 import read as read_pain002

ENTRY = b"<Stmt><Ntry><Amt Ccy='CAD'>1.00</Amt><CdtDbtInd>CRDT</CdtDbtInd></Ntry></Stmt>"
LAUGHS = b"""<!DOCTYPE d [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;">]><Stmt><Id>&b;</Id></Stmt>"""
FILE = b"""<!DOCTYPE d [<!ENTITY f SYSTEM "file:///etc/passwd">]><Stmt><Id>&f;</Id></Stmt>"""


def pieces(text: bytes, size: int) -> Iterator[bytes]:
    return (text[at : at + size] for at in range(0, len(text), size))


@pytest.mark.parametrize("size", [1, 7, 4_096])
@pytest.mark.parametrize(
    "text, says",
    [
        (LAUGHS, "declares"),
        (FILE, "declares"),
        (b"<?xml version='1.0'?>\n" + LAUGHS.lower(), "declares"),
        (ENTRY.decode().encode("utf-16"), "read|well-formed"),
        (ENTRY.decode().encode("utf-16-le"), "well-formed"),
        (b"<?xml version='1.0' encoding='UTF-7'?>" + ENTRY, "encoding"),
        (b"<?xml version='1.0' encoding='IBM037'?>" + ENTRY, "encoding"),
        (b"<a>" * 300 + b"</a>" * 300, "well-formed"),
        (b"<Stmt><Ntry>" + b"<a>" * 80 + b"</a>" * 80 + b"</Ntry></Stmt>", "deep"),
        (b"<Stmt>" + b"<a/>" * 300_000 + b"</Stmt>", "too much"),
        (b"<Stmt><Id>" + b"x" * 1_200_000 + b"</Id></Stmt>", "too much"),
        (b"", "well-formed"),
        (b"not XML", "well-formed"),
        (ENTRY[:-3], "well-formed"),
        (ENTRY + b"<more/>", "well-formed"),
    ],
)
def test_what_expands_hides_or_does_not_end_is_refused(text: bytes, says: str, size: int) -> None:
    if size == 1 and len(text) > 10_000:
        size = 1_000
    with pytest.raises(CannotBeParsed, match=says):
        list(read_camt(pieces(text, size)))


def test_a_file_is_not_longer_than_it_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(iso20022, "BYTES_MAXIMUM", len(ENTRY) - 1)
    with pytest.raises(CannotBeParsed, match="too long"):
        list(read_camt([ENTRY]))


def test_what_was_given_out_is_forgotten() -> None:
    def file() -> Iterator[bytes]:
        yield b"<Stmt>"
        for _ in range(5_000):
            yield b"<Ntry><Amt>1.00</Amt></Ntry>" * 20
        yield b"</Stmt>"

    count = most = 0
    for element in parse(file(), frozenset({"Ntry"})):
        above = element.getparent()
        assert above is not None
        count, most = count + 1, max(most, len(above))
    assert count == 100_000
    assert most <= 21  # a piece of the file at most


@pytest.mark.parametrize(
    "said, text", [("utf-8", "Société"), ("ISO-8859-1", "Société"), ("us-ascii", "Societe")]
)
def test_an_encoding_that_contains_ascii_is_read(said: str, text: str) -> None:
    file = f"<?xml version='1.0' encoding='{said}'?><Stmt><Id>{text}</Id></Stmt>".encode(said)
    [element] = [each.findtext("Id") for each in parse([file], frozenset({"Stmt"}))]
    assert element == text


@given(st.binary(max_size=300))
def test_any_bytes_are_read_or_refused(text: bytes) -> None:
    for read in (read_camt, read_pain002, Pain001("09", CANADA).read):
        with suppress(CannotBeParsed):
            list(read([b"<Stmt><Ntry>" + text, text]))


@pytest.mark.parametrize(
    "text, amount",
    [
        ("1234.56", 123_456),
        ("1", 100),
        ("0.5", 50),
        ("+2.00", 200),
        (" 3.10 ", 310),
        ("1.50000", 150),
        ("1.505", None),
        ("-1.00", None),
        ("1,00", None),
        ("1e3", None),
        ("", None),
        (".5", None),
        ("١.00", None),
    ],
)
def test_an_amount_is_exact_or_none(text: str, amount: int | None) -> None:
    assert minor_units(text) == amount


@given(st.integers(1, 10**13))
def test_an_amount_comes_back(amount: int) -> None:
    assert minor_units(money(amount)) == amount


@given(st.text(max_size=200))
def test_a_folded_text_has_only_what_banks_take(text: str) -> None:
    folded = fold(text, 30)
    assert len(folded) <= 30
    assert folded == fold(folded, 30)
    assert set(folded) <= set(
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/-?:().,'+ "
    )
    assert "//" not in folded
    assert folded == folded.strip("/ ")
