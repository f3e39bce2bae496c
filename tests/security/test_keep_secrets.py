"""A wrapped secret leaves only by `.reveal()`."""

import copy
import json
import pickle
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, StringConstraints, TypeAdapter, ValidationError

from jetpay.security.secrets import MASK, Secret

SEED = "seed-7291"


class Form(BaseModel):
    model_config = ConfigDict(strict=True)

    answer: Secret[str]
    short: Secret[Annotated[str, StringConstraints(max_length=9, pattern=r"^[a-z0-9-]+$")]]


@pytest.mark.parametrize(
    "written",
    [repr, str, ascii, lambda s: f"{s}", lambda s: f"{s:>40}", lambda s: f"{s!r}",
     lambda s: "%s" % s,  # noqa: UP031 - one of the ways out
     "{}".format, lambda s: repr([s, {"a": s}])],
)  # fmt: skip
def test_a_secret_is_written_as_a_mask(written: Any) -> None:
    shown = written(Secret(SEED))
    assert SEED not in shown
    assert MASK in shown or "\\u2022" in shown


@pytest.mark.parametrize(
    "leave",
    [pickle.dumps, json.dumps, bytes, vars, len, iter, lambda s: s.__getstate__(),
     lambda s: s + "", lambda s: s < Secret("z")],
)  # fmt: skip
def test_a_secret_refuses_to_leave(leave: Any) -> None:
    with pytest.raises((TypeError, AttributeError)) as refused:
        leave(Secret(SEED))
    assert SEED not in str(refused.value)


def test_a_copy_of_a_secret_is_the_secret() -> None:
    secret = Secret(SEED)
    assert copy.copy(secret) is secret
    assert copy.deepcopy({"a": [secret]})["a"][0] is secret


def test_a_secret_cannot_be_changed() -> None:
    secret = Secret(SEED)
    with pytest.raises(AttributeError):
        secret._value = "other"
    with pytest.raises(AttributeError):
        del secret._value
    assert secret.reveal() == SEED


def test_equal_secrets_are_equal_and_hash_alike() -> None:
    assert Secret("é") == Secret("é")
    assert hash(Secret(b"a")) == hash(Secret(b"a"))
    assert Secret("a") != Secret("b")
    assert Secret[object]("a") != Secret[object](b"a")
    assert Secret("a") != "a"
    held = {"a": 1}
    assert Secret(held) == Secret(held)
    assert Secret(held) != Secret({"a": 1})


def test_a_model_takes_text_and_holds_secrets() -> None:
    form = Form.model_validate({"answer": SEED, "short": Secret("abc")})
    assert form.answer.reveal() == SEED
    assert form.short == Secret("abc")
    assert SEED not in repr(form)


def test_a_model_writes_masks() -> None:
    form = Form(answer=Secret(SEED), short=Secret("abc"))
    assert json.loads(form.model_dump_json()) == {"answer": MASK, "short": MASK}
    assert form.model_dump() == {"answer": MASK, "short": MASK}


@pytest.mark.parametrize("value", [72_917_291, [SEED], {"a": SEED}, f"{SEED}-too-long", "SEED-72"])
def test_a_refused_field_is_not_echoed(value: object) -> None:
    with pytest.raises(ValidationError) as refused:
        Form.model_validate({"answer": "x", "short": value})
    told = repr(refused.value.errors()) + str(refused.value) + refused.value.json()
    assert "7291" not in told
    assert "SEED" not in told
    assert refused.value.errors()[0]["loc"] == ("short",)


def test_half_a_character_is_no_secret_text() -> None:
    with pytest.raises(ValidationError) as refused:
        Form.model_validate({"answer": f"{SEED}\ud800", "short": "a"})
    assert refused.value.errors()[0]["type"] == "string_unicode"
    assert SEED not in repr(refused.value)


def test_the_schema_says_that_the_field_is_only_written() -> None:
    properties = Form.model_json_schema()["properties"]
    assert properties["answer"] == {"type": "string", "writeOnly": True, "title": "Answer"}
    assert properties["short"]["maxLength"] == 9


def test_without_a_type_a_secret_is_text() -> None:
    assert TypeAdapter(Secret).validate_python("a") == Secret("a")
