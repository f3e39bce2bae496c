"""Which answers to a security question may be set."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Final

from jetpay.base.refusals import FieldError, Invalid
from jetpay.base.text import ANSWER_MAXIMUM, ANSWER_MINIMUM, TextProblem, normalise_answer
from jetpay.security.secrets import Secret

YES_AND_NO: Final = frozenset(
    {
        "yes", "yeah", "yep", "yup", "yes please", "yea", "sure", "ok", "okay", "of course",
        "no", "nope", "nah", "no thanks", "not", "never", "maybe", "true", "false", "none",
        "oui", "ouais", "oui oui", "bien sur", "d'accord", "daccord", "si",
        "non", "nan", "non merci", "jamais", "peut-etre", "peut etre", "vrai", "faux", "aucun",
        "aucune", "nothing", "rien", "n/a", "na", "y", "n", "o",
    }
)  # fmt: skip

COMMON_FILE: Final = "common_answers.txt"

SENTENCES: Final = {
    "answer_too_short": "The answer needs at least {minimum} letters or digits.",
    "answer_too_long": "The answer must not be longer than {maximum} characters.",
    "answer_yes_or_no": "Yes, no and the like are guessed at once; please choose another answer.",
    "answer_in_question": "The answer must not stand in the question.",
    "answer_in_company_name": "The answer must not be a part of the company's name.",
    "answer_in_payment": "The answer must not stand in the name, statement or note of the payment.",
    "answer_too_common": "This is one of the most common answers; please choose another one.",
}
"""The templates to translate, by code."""


@dataclass(frozen=True, slots=True)
class AnswerSurroundings:
    """What is shown or known beside an answer, and so must not contain it.

    `payment`: name, statement and note of the request, for a contact's or credit's own answer.
    """

    question: str
    company_name: str
    payment: Sequence[str] = ()


def check_answer(
    answer: Secret[str], around: AnswerSurroundings, *, field: str = "security_answer"
) -> Secret[str]:
    """The answer as it is hashed. Raises `Invalid` for the field, with one reason."""
    code, normalised = _judge(answer, around)
    if code is not None:
        message = SENTENCES[code].format(minimum=ANSWER_MINIMUM, maximum=ANSWER_MAXIMUM)
        raise Invalid([FieldError(field, code, message)])
    return Secret(normalised)


@cache
def common_answers() -> frozenset[str]:
    """About 10,000 normalised answers, made by `tools/make_common_answers.py`."""
    text = resources.files("jetpay.security").joinpath(COMMON_FILE).read_text("utf-8")
    return frozenset(line for line in text.splitlines() if line and not line.startswith("#"))


def _judge(answer: Secret[str], around: AnswerSurroundings) -> tuple[str | None, str]:
    """The reason against the answer, if any, and the answer normalised."""
    try:
        normalised = normalise_answer(answer.reveal())
    except TextProblem:
        return "answer_too_long", ""
    return _objection(normalised, around), normalised


def _objection(normalised: str, around: AnswerSurroundings) -> str | None:
    if normalised in YES_AND_NO:
        return "answer_yes_or_no"
    if len(normalised) < ANSWER_MINIMUM:
        return "answer_too_short"
    if len(normalised) > ANSWER_MAXIMUM:
        return "answer_too_long"
    if _stands_in(normalised, around.question):
        return "answer_in_question"
    if _stands_in(normalised, around.company_name):
        return "answer_in_company_name"
    if any(_stands_in(normalised, text) for text in around.payment):
        return "answer_in_payment"
    if normalised in common_answers():
        return "answer_too_common"
    return None


def _stands_in(normalised: str, text: str) -> bool:
    # Spaces make no difference to who reads it aloud; texts may be longer than an answer.
    folded = " ".join(normalise_answer(part) for part in _pieces(text))
    bare = _bare(normalised)
    return normalised in folded or (len(bare) >= ANSWER_MINIMUM and bare in _bare(folded))


def _pieces(text: str) -> list[str]:
    """The text in parts that `normalise_answer` takes, cut between words where there are any."""
    return re.findall(r"(?s).{1,200}(?:\s|$)|.{1,200}", text)


def _bare(text: str) -> str:
    return re.sub(r"[\W_]+", "", text)
