"""A sealed file opens only whole, in order and at its own place."""

import itertools
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jetpay.security import sealed_files
from jetpay.security.derivation import WorkingKey
from jetpay.security.sealed_files import CannotOpen, open_chunks, read_header, seal_chunks
from tests.security.vectors import flipped, working_key

KEY = working_key("seal", 9)
LABEL, PLACE = b"label\x00", b"place"
SMALL = 64


@pytest.fixture(autouse=True, scope="module")
def small_chunks() -> Iterator[None]:
    patch = pytest.MonkeyPatch()
    patch.setattr(sealed_files, "CHUNK_BYTES", SMALL)
    yield
    patch.undo()


def sealed(*pieces: bytes) -> bytes:
    return b"".join(seal_chunks(KEY, LABEL, PLACE, pieces))


def opened(
    *pieces: bytes, key: WorkingKey = KEY, label: bytes = LABEL, place: bytes = PLACE
) -> bytes:
    header, rest = read_header(pieces)
    return b"".join(open_chunks(key, label, header, place, rest))


def cut(data: bytes) -> list[bytes]:
    """The header and the chunks of a sealed file."""
    starts = [0, 38, *range(38 + SMALL + 16, len(data), SMALL + 16), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(starts)]


@settings(max_examples=60)
@given(st.binary(max_size=300), st.integers(1, 100), st.integers(1, 100))
def test_a_file_opens_however_it_was_cut(data: bytes, write: int, read: int) -> None:
    blob = sealed(*(data[at : at + write] for at in range(0, len(data), write)))
    chunks = max(1, -(-len(data) // SMALL))
    assert len(blob) == 38 + len(data) + 16 * chunks
    assert blob[:6] == b"\x02\x01\x00\x00\x00\x09"
    assert opened(*(blob[at : at + read] for at in range(0, len(blob), read))) == data


def test_two_sealings_of_a_file_share_nothing() -> None:
    assert sealed(b"a" * 100)[6:] != sealed(b"a" * 100)[6:]


@given(position=st.integers(0, 38 + 200 + 4 * 16 - 1), bits=st.integers(1, 255))
def test_no_byte_of_a_file_can_be_changed(position: int, bits: int) -> None:
    blob = flipped(sealed(b"x" * 200), position, bits)
    with pytest.raises(CannotOpen):
        opened(blob)


@pytest.mark.parametrize(
    "order",
    [[0], [0, 1, 2, 3], [0, 2, 1, 3, 4], [0, 1, 2, 4], [0, 1, 1, 2, 3, 4], [0, 1, 2, 3, 4, 4],
     [0, 4], [1, 2, 3, 4], []],
)  # fmt: skip
def test_cut_swapped_and_repeated_chunks_are_refused(order: list[int]) -> None:
    parts = cut(sealed(b"".join(bytes([65 + n]) * SMALL for n in range(4))))
    assert len(parts) == 5
    with pytest.raises(CannotOpen):
        opened(*(parts[index] for index in order))


def test_a_chunk_of_another_file_is_refused() -> None:
    one, other = cut(sealed(b"a" * 100)), cut(sealed(b"a" * 100))
    with pytest.raises(CannotOpen):
        opened(one[0], one[1], other[2])


def test_a_file_opens_with_no_other_key_label_or_place() -> None:
    blob = sealed(b"a")
    for changed in ({"key": working_key("seal", 9, bytes(32))}, {"label": b"b"}, {"place": b"b"}):
        with pytest.raises(CannotOpen):
            opened(blob, **changed)


def test_a_value_is_no_file() -> None:
    with pytest.raises(CannotOpen):
        read_header([b"\x01\x01" + bytes(100)])


def test_a_file_has_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed_files, "MAX_CHUNKS", 2)
    assert opened(sealed(b"a" * 128)) == b"a" * 128
    with pytest.raises(ValueError, match="at most 2"):
        sealed(b"a" * 129)
