"""Answers that are guessed at once cannot be set, and each refusal says why."""

import time

import pytest

from jetpay.base.refusals import Invalid
from jetpay.base.text import normalise_answer
from jetpay.security.answers import (
    SENTENCES,
    YES_AND_NO,
    AnswerSurroundings,
    check_answer,
    common_answers,
)
from jetpay.security.secrets import Secret

AROUND = AnswerSurroundings(
    question="What is the name of our meeting room, Blue Heron or Grey Owl?",
    company_name="Acme Widgets of Trois-Pistoles Inc.",
    payment=("Zsófia Kovács", "Invoice 20991", "Thanks for the\nquick silverware"),
)


@pytest.mark.parametrize(
    "answer, code",
    [
        ("yes", "answer_yes_or_no"),
        (" Non. ", "answer_yes_or_no"),
        ("BIEN SÛR!", "answer_yes_or_no"),
        ("", "answer_too_short"),
        ("  .. ", "answer_too_short"),
        ("zq", "answer_too_short"),
        ("zq" * 33, "answer_too_long"),
        ("q" * 257, "answer_too_long"),
        ("\ufdfa" * 100, "answer_too_long"),
        ("blue heron", "answer_in_question"),
        ("BlueHeron", "answer_in_question"),
        ("Grey-Owl", "answer_in_question"),
        ("widgets", "answer_in_company_name"),
        ("Trois Pistoles", "answer_in_company_name"),
        ("zsofia", "answer_in_payment"),
        ("the quick silver", "answer_in_payment"),
        ("20991", "answer_in_payment"),
        ("Québec", "answer_too_common"),
        ("123456", "answer_too_common"),
        ("1987", "answer_too_common"),
        ("Qwerty", "answer_too_common"),
        ("14 février", "answer_too_common"),
        ("Fluffy", "answer_too_common"),
    ],
)
def test_a_poor_answer_is_refused_with_its_reason(answer: str, code: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_answer(Secret(answer), AROUND, field="answer")
    (error,) = refused.value.errors
    assert (error.field, error.code) == ("answer", code)
    assert error.message.endswith(".")
    assert "{" not in error.message


@pytest.mark.parametrize("answer, hashed", [
    (" Lièvre  Bondissant. ", "lievre bondissant"), ("héron n° 7", "heron n° 7"), ("c++", "c++"),
    ("+++", "+++"), ("猫が好き", "猫か好き"),
])  # fmt: skip
def test_a_good_answer_comes_back_as_it_is_hashed(answer: str, hashed: str) -> None:
    checked = check_answer(Secret(answer), AROUND)
    assert checked.reveal() == hashed == normalise_answer(answer)


def test_a_long_text_beside_the_answer_is_searched_to_its_end() -> None:
    around = AnswerSurroundings("Where?", "Acme", payment=("x " * 240 + "lievre bondissant",))
    with pytest.raises(Invalid) as refused:
        check_answer(Secret("Lièvre bondissant"), around)
    assert refused.value.errors[0].code == "answer_in_payment"


def test_the_list_is_long_normalised_and_without_yes_and_no() -> None:
    answers = common_answers()
    assert len(answers) >= 9_000
    assert [each for each in answers if normalise_answer(each) != each] == []
    assert all(3 <= len(each) <= 64 for each in answers)
    assert {normalise_answer(each) for each in YES_AND_NO} == YES_AND_NO


def test_every_reason_is_a_whole_sentence() -> None:
    assert all(sentence[0].isupper() and sentence[-1] == "." for sentence in SENTENCES.values())


def test_checking_takes_no_time() -> None:
    around = AnswerSurroundings("q" * 500, "c" * 100, payment=("(" * 500, "a b" * 166))
    common_answers()
    start = time.perf_counter()
    for _ in range(20):
        check_answer(Secret("a1" * 32), around)
    assert time.perf_counter() - start < 10
