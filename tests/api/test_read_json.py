"""A request's body: strict JSON, bounded in depth, numbers and time; values are never echoed."""

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated, Any, Literal

import httpx
import pytest
from pydantic import Field

from jetpay.api import body
from jetpay.api.body import parse, parse_json
from jetpay.api.fields import GuideTaken, Identifier, Length, Metadata, SecretText, Taken, Time
from jetpay.base.refusals import Invalid, Malformed, Refusal

NOT_READ = [
    b"",
    b"{",
    b"nonsense",
    b'{"a": 1} {"b": 2}',
    b"NaN",
    b'{"a": Infinity}',
    b'{"a": -Infinity}',
    b'{"a": 01}',
    b"{'a': 1}",
    b"\xff\xfe{",
    b'\xef\xbb\xbf{"a": 1}',
    b'"\x00"',
    b'{"a": 123456789012345678901}',
    b'{"a": 1.1234567890123456789}',
    b"[" * 33 + b"]" * 33,
    b"[" * 200_000,
    b'{"a":' * 33 + b"1" + b"}" * 33,
]


@pytest.mark.parametrize("raw", NOT_READ, ids=range(len(NOT_READ)))
def test_what_is_no_strict_json_is_malformed(raw: bytes) -> None:
    with pytest.raises(Malformed):
        parse_json(raw)


def test_the_limits_themselves_are_read() -> None:
    assert parse_json(b"[" * 32 + b"]" * 32)
    assert parse_json(b'{"a": 12345678901234567890}') == {"a": 12345678901234567890}
    assert parse_json(b"[" + b"[]," * 1000 + b"[]]")


@pytest.mark.parametrize(
    "raw", [b'{"amount": 1, "amount": 2}', b'{"a": [{"amount": 1, "amount": 1}]}']
)
def test_a_key_that_stands_twice_is_refused_by_name(raw: bytes) -> None:
    with pytest.raises(Invalid) as refused:
        parse_json(raw)
    assert [(e.field, e.code) for e in refused.value.errors] == [("amount", "duplicate_field")]


class Thing(Taken):
    amount: Annotated[int, Field(ge=1, le=10)] = 1
    flag: bool = False
    name: Annotated[str, Length(5, 1)] = "a"
    kind: Literal["a", "b"] = "a"
    identifier: Identifier | None = None
    at: Time | None = None
    metadata: Metadata | None = None
    answer: SecretText | None = None
    tags: Annotated[list[Annotated[str, Length(3)]], Field(max_length=2)] = Field(
        default_factory=list
    )


SEEN = "geheim-4711"
WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"amount": True}, "amount", "wrong_type"),
    ({"amount": 1.0}, "amount", "wrong_type"),
    ({"amount": "1"}, "amount", "wrong_type"),
    ({"amount": None}, "amount", "wrong_type"),
    ({"amount": 0}, "amount", "out_of_range"),
    ({"amount": 11}, "amount", "out_of_range"),
    ({"flag": 1}, "flag", "wrong_type"),
    ({"flag": "true"}, "flag", "wrong_type"),
    ({"name": 5}, "name", "wrong_type"),
    ({"name": "  "}, "name", "required"),
    ({"name": "abcdef"}, "name", "too_long"),
    ({"name": "a\x00"}, "name", "forbidden_character"),
    ({"name": "a\u202eb"}, "name", "forbidden_character"),
    ({"name": "\ud800"}, "name", "forbidden_character"),
    ({"kind": SEEN}, "kind", "not_an_option"),
    ({"identifier": SEEN}, "identifier", "wrong_form"),
    ({"identifier": 5}, "identifier", "wrong_form"),
    ({"identifier": "{01980000-0000-7000-8000-000000000001}"}, "identifier", "wrong_form"),
    ({"at": "2026-01-01T00:00:00"}, "at", "wrong_form"),
    ({"at": 1700000000}, "at", "wrong_form"),
    ({"at": "0001-01-01T00:00:00+10:00"}, "at", "wrong_form"),
    ({"metadata": {"a": 1}}, "metadata.a", "wrong_type"),
    ({"metadata": {str(n): "" for n in range(21)}}, "metadata", "too_many"),
    ({"metadata": {str(n): "x" * 500 for n in range(9)}}, "metadata", "too_long"),
    ({"metadata": {"a ": "1", "a": "2"}}, "metadata", "duplicate_field"),
    ({"answer": 5}, "answer", "wrong_type"),
    ({"tags": ["a", "b", "c"]}, "tags", "too_many"),
    ({"tags": ["abcd"]}, "tags.0", "too_long"),
    ({SEEN: 1}, SEEN, "unknown_field"),
    ({f"{SEEN} <b>": 1}, "?", "unknown_field"),
    ({"x" * 41: 1}, "?", "unknown_field"),
]


@pytest.mark.parametrize("value, field, code", WRONG, ids=range(len(WRONG)))
def test_a_wrong_field_is_named_with_its_reason(
    value: dict[str, Any], field: str, code: str
) -> None:
    with pytest.raises(Invalid) as refused:
        parse(Thing, value)
    assert [(e.field, e.code) for e in refused.value.errors] == [(field, code)]
    assert SEEN not in refused.value.errors[0].message
    # The chained exception would hold the value.
    assert refused.value.__cause__ is None
    assert refused.value.__suppress_context__ or refused.value.__context__ is None


def test_every_wrong_field_is_listed_at_once() -> None:
    with pytest.raises(Invalid) as refused:
        parse(Thing, {"amount": 0, "name": "", "x": 1})
    assert {e.field for e in refused.value.errors} == {"amount", "name", "x"}


@pytest.mark.parametrize("value", [None, [], 1, "a", True])
def test_a_body_that_is_no_object_is_malformed(value: object) -> None:
    with pytest.raises(Malformed):
        parse(Thing, value)


def test_the_guides_own_calls_ignore_what_they_do_not_know() -> None:
    class Guides(GuideTaken):
        amount: int

    assert parse(Guides, {"amount": 1, "colour": "red"}).amount == 1


async def test_a_body_that_does_not_come_is_given_up(
    client: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(body, "BODY_SECONDS", 0.05)

    async def slow() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    answer = await client.put(
        "/contact", headers={"Content-Type": "application/json"}, content=slow()
    )
    assert (answer.status_code, answer.json()["code"]) == (408, "too_slow")


def test_a_refusal_tells_no_value() -> None:
    for raw in (f'{{"a": "{SEEN}", "a": 1}}', f'{{"a": {SEEN}'):
        with pytest.raises(Refusal) as refused:
            parse_json(raw.encode())
        assert SEEN not in repr(refused.value.__dict__)
        assert SEEN not in str(refused.value)


async def test_a_name_that_is_no_text_is_not_repeated(client: httpx.AsyncClient) -> None:
    half = b'{"credits": [{}], "\\ud800": 1}'
    headers = {"Content-Type": "application/json", "Idempotency-Key": "k"}
    answer = await client.post("/credits", headers=headers, content=half)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "?"


@pytest.mark.timeout(60)
def test_a_key_that_stands_twice_is_found_without_comparing_all_with_all() -> None:
    keys = ",".join(f'"k{number}":1' for number in range(90_000))
    with pytest.raises(Invalid):
        parse_json(f'{{{keys},"k89999":1}}'.encode())


def test_more_objects_than_any_request_has_are_not_even_decoded() -> None:
    with pytest.raises(Malformed):
        parse_json(b"[" + b"{}," * 100_000 + b"{}]")
