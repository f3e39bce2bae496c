"""Security questions: each change is a new version, and only the answer's hash is kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from jetpay.base.ids import CompanyId, QuestionId, uuid7
from jetpay.base.refusals import FieldError, Invalid
from jetpay.base.text import TextProblem, clean
from jetpay.db.rows import Command
from jetpay.db.transactions import Transaction, action
from jetpay.events.model import Actor, Draft, EventType
from jetpay.events.record import record
from jetpay.security.answers import AnswerSurroundings, check_answer
from jetpay.security.passwords import AnswerHash, AnswerHasher
from jetpay.security.secrets import Secret

QUESTION_LENGTH = 200
QUESTION_MINIMUM = 3

# The same row again is one whose commit nobody heard of.
ADD = Command(
    """
    insert into security_question (company_id, question_id, question, answer_hash,
                                   pepper_key_id, own, created_at)
    values (%(company_id)s, %(question_id)s, %(question)s, %(answer_hash)s, %(pepper)s,
            %(own)s, %(at)s)
    on conflict (company_id, question_id) do nothing
    """
)
USE = Command("update company set question_id = %(question_id)s where company_id = %(company_id)s")


@dataclass(frozen=True, slots=True)
class PreparedQuestion:
    """A checked question whose answer is hashed already, outside of any transaction."""

    question_id: QuestionId
    question: str
    answer: AnswerHash


async def prepare_question(
    hasher: AnswerHasher,
    company_id: CompanyId,
    *,
    question: str,
    answer: Secret[str],
    company_name: str,
    payment: Sequence[str] = (),
) -> PreparedQuestion:
    """Check and hash, before the transaction begins. Raises `Invalid` and `Busy`.

    `payment`: name, statement and note of the request, for a contact's or credit's own.
    """
    text = _checked(question)
    around = AnswerSurroundings(question=text, company_name=company_name, payment=payment)
    normalised = check_answer(answer, around)
    question_id = QuestionId(uuid7())
    hashed = await hasher.hash(company_id, question_id, normalised)
    return PreparedQuestion(question_id, text, hashed)


def _checked(question: str) -> str:
    try:
        return clean(question, minimum=QUESTION_MINIMUM, maximum=QUESTION_LENGTH)
    except TextProblem as problem:
        raise Invalid([FieldError("security_question", problem.code, problem.message)]) from None


@action
async def add_question(
    tx: Transaction,
    company_id: CompanyId,
    prepared: PreparedQuestion,
    *,
    at: datetime,
    own: bool = True,
) -> QuestionId:
    """Keep it for a contact or a credit (`own`), or as a version of the company's."""
    await ADD.run(
        tx,
        company_id=company_id,
        question_id=prepared.question_id,
        question=prepared.question,
        answer_hash=prepared.answer.encoded,
        pepper=prepared.answer.pepper_number,
        own=own,
        at=at,
    )
    return prepared.question_id


@action
async def change_question(
    tx: Transaction, company_id: CompanyId, prepared: PreparedQuestion, *, by: Actor, at: datetime
) -> None:
    """From now on the company's credits ask this; those already made keep their version."""
    await use_question(tx, company_id, prepared, at=at)
    changed = EventType.QUESTION_CHANGED
    record(tx, Draft(company_id=company_id, type=changed, subject_id=company_id, at=at, actor=by))


async def use_question(
    tx: Transaction, company_id: CompanyId, prepared: PreparedQuestion, *, at: datetime
) -> None:
    """The same without an event, for a company that is being made."""
    await add_question(tx, company_id, prepared, at=at, own=False)
    await USE.run(tx, company_id=company_id, question_id=prepared.question_id)
