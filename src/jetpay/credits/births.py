"""How a company's credits come to be: which lane each takes, and what is answered.

Most go through the shared batch; those with an account on file, a question of their own or a
daily limit are made one by one. The same key and request lead to the same credit in any lane.
"""

from collections.abc import Awaitable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from operator import attrgetter

import orjson

from jetpay.base.clock import Clock
from jetpay.base.ids import (
    BankAccountId,
    CompanyId,
    ContactId,
    CreditId,
    QuestionId,
    TokenId,
    uuid7,
)
from jetpay.base.refusals import FieldError, Forbidden, Invalid, Refusal, Unauthorized
from jetpay.companies.questions import PreparedQuestion, prepare_question
from jetpay.credits.dispatch import DEAD_TOKEN, Answer, Dispatcher
from jetpay.credits.intake import Existing, Made, NewCredit, Problem, existing, intake
from jetpay.credits.refusals import (
    AmountTooLarge,
    ExternalIdTaken,
    IdempotencyConflict,
    TokenLimit,
    TooManyAnswers,
)
from jetpay.credits.singly import NothingMade, create_singly, create_to_account, not_found
from jetpay.db.pool import Database
from jetpay.db.rows import Query
from jetpay.security.fingerprints import RequestFingerprint, fingerprint, fingerprint_key
from jetpay.security.keys import Keyring
from jetpay.security.links import make_link
from jetpay.security.passwords import AnswerHasher
from jetpay.security.secrets import Secret
from jetpay.security.vault import Vault

BULK_STATEMENT_ITEMS = 500
"""One statement and one commit each: longer ones would keep the company's row locked."""


DIFFERENT_ANSWERS = 50
"""In one call; each takes 26 ms of computing."""


@dataclass(frozen=True, slots=True)
class _Names:
    company: str
    contact: str | None


NAMES = Query(
    _Names,
    """
    select co.name as company, c.name as contact
    from contact c join company co on co.company_id = c.company_id
    where c.company_id = %(company_id)s and c.contact_id = %(contact_id)s
      and c.erased_at is null
    """,
)


@dataclass(frozen=True, slots=True)
class Asker:
    """The token that asks. `client`: its address, for tokens bound to networks."""

    company_id: CompanyId
    token_id: TokenId
    short_id: int
    digest: bytes
    client: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CreditRequest:
    """A credit as it was asked for, every text cleaned; `amount` in minor units."""

    amount: int
    statement: str
    note: str | None
    from_bank_account: BankAccountId
    contact_id: ContactId
    to_bank_account: BankAccountId | None = None
    expires_at: datetime | None = None
    security_question: str | None = None
    security_answer: Secret[str] | None = None
    external_id: str | None = None
    metadata: dict[str, str] | None = None
    repairs: int | None = None
    notify: bool | None = None

    def fields(self) -> dict[str, object]:
        """The fields by name, as fingerprints take them."""
        return dict(zip(_FIELDS, _VALUES_OF(self), strict=True))


_FIELDS = tuple(CreditRequest.__dataclass_fields__)
_VALUES_OF = attrgetter(*_FIELDS)
_FINGERPRINT = RequestFingerprint(_FIELDS)


@dataclass(frozen=True, slots=True)
class Born:
    """What the call answers; `link` is the token, None for a credit to a saved account.

    `question_id`: the question that was stored with it, which lines of one call share.
    """

    credit_id: CreditId
    link: str | None
    amount: int
    question_id: QuestionId | None = None


@dataclass(frozen=True, slots=True)
class _Line:
    item: NewCredit
    request: CreditRequest


class Births:
    """Makes credits; one per process."""

    def __init__(
        self,
        db: Database,
        dispatcher: Dispatcher,
        *,
        keyring: Keyring,
        vault: Vault,
        hasher: AnswerHasher,
        clock: Clock,
    ) -> None:
        self._db = db
        self._dispatcher = dispatcher
        self._keyring = keyring
        self._vault = vault
        self._hasher = hasher
        self._clock = clock

    async def one(self, asker: Asker, request: CreditRequest, *, key: str | None) -> Born:
        """One credit.

        Of a question or saved account the caller has asked the token; else the statement does.
        Refuses what the request names wrongly, `IdempotencyConflict`, `ExternalIdTaken`, and
        `Unavailable`.
        """
        line = self._line(asker, request, key)
        if request.to_bank_account is not None or request.security_question is not None:
            return await self._special(asker, line)
        answer = await self._dispatcher.submit(asker.company_id, line.item)
        if answer.existing is None and answer.made.problem == Problem.COUNTED:
            return await self._singly(asker, line, None, counted=True)
        return await self._born(asker, line, answer)

    async def many(
        self, asker: Asker, asked: Sequence[tuple[CreditRequest, str]]
    ) -> list[Born | Refusal]:
        """Credits with their keys; an answer for each, in order.

        Not atomic: each 500 are a commit, and a bad one keeps no good one from being made.
        Refuses `TooManyAnswers`.
        """
        pairs = {self._pair(asker, request) for request, _ in asked} - {None}
        if len(pairs) > DIFFERENT_ANSWERS:
            raise TooManyAnswers(maximum=DIFFERENT_ANSWERS)
        born: dict[int, Born | Refusal] = {}
        plain: list[tuple[int, _Line]] = []
        questions: dict[bytes | None, QuestionId] = {}
        for index, (request, key) in enumerate(asked):
            line, pair = self._line(asker, request, key), self._pair(asker, request)
            if pair in questions:
                line = replace(line, item=replace(line.item, question_id=questions[pair]))
            if request.to_bank_account is None and (pair is None or pair in questions):
                plain.append((index, line))
                continue
            answer = born[index] = await _or_refusal(self._special(asker, line))
            if pair and isinstance(answer, Born) and answer.question_id is not None:
                questions[pair] = answer.question_id
        for start in range(0, len(plain), BULK_STATEMENT_ITEMS):
            chunk = plain[start : start + BULK_STATEMENT_ITEMS]
            made = await self._chunk(asker, [line for _, line in chunk])
            born |= {index: answer for (index, _), answer in zip(chunk, made, strict=True)}
        return [born[index] for index in range(len(asked))]

    async def _chunk(self, asker: Asker, lines: Sequence[_Line]) -> list[Born | Refusal]:
        items = [line.item for line in lines]
        made = await intake(self._db, items, link_key_id=self._link_key(), at=self._clock.now())
        unclear = [i for i in items if not made[i.credit_id].made]
        found = await existing(self._db, asker.company_id, unclear) if unclear else {}
        return [
            await _or_refusal(self._bulk_born(asker, line, made[line.item.credit_id], found))
            for line in lines
        ]

    async def _bulk_born(
        self, asker: Asker, line: _Line, made: Made, found: Mapping[CreditId, Existing]
    ) -> Born:
        answer = Answer(made, found.get(made.id))
        if answer.existing is None and made.problem == Problem.COUNTED:
            return await self._singly(asker, line, None, counted=True)
        return await self._born(asker, line, answer)

    async def _special(self, asker: Asker, line: _Line) -> Born:
        if line.request.to_bank_account is not None:
            return await self._to_account(asker, line, line.request.to_bank_account)
        return await self._with_question(asker, line)

    async def _with_question(self, asker: Asker, line: _Line) -> Born:
        """Hashing is dear, so a repetition is recognised before it."""
        if line.item.idempotency_key is not None:
            answer = await self._found(asker, line, None)
            if answer.existing is not None:
                return await self._born(asker, line, answer)
        request = line.request
        names = await NAMES.first(
            self._db, company_id=asker.company_id, contact_id=request.contact_id
        )
        if names is None:
            raise not_found("contact_id")
        assert request.security_question is not None
        assert request.security_answer is not None
        question = await prepare_question(
            self._hasher,
            asker.company_id,
            question=request.security_question,
            answer=request.security_answer,
            company_name=names.company,
            payment=[text for text in (names.contact, request.statement, request.note) if text],
        )
        item = replace(line.item, question_id=question.question_id)
        born = await self._singly(asker, replace(line, item=item), question, counted=False)
        is_new = born.credit_id == item.credit_id
        return replace(born, question_id=question.question_id if is_new else None)

    async def _singly(
        self, asker: Asker, line: _Line, question: PreparedQuestion | None, *, counted: bool
    ) -> Born:
        try:
            made = await create_singly(
                self._db,
                asker.company_id,
                asker.token_id,
                line.item,
                question=question,
                counted=counted,
                link_key_id=self._link_key(),
                now=self._clock.now(),
            )
        except NothingMade as nothing:
            if nothing.made is not None and nothing.made.problem == Problem.COUNTED:
                return await self._singly(asker, line, question, counted=True)
            return await self._born(asker, line, await self._found(asker, line, nothing.made))
        except TokenLimit:
            answer = await self._found(asker, line, None)
            if answer.existing is None:
                raise
            return await self._born(asker, line, answer)
        return await self._born(asker, line, Answer(made, None))

    async def _to_account(self, asker: Asker, line: _Line, account: BankAccountId) -> Born:
        refusal: Refusal | None = None
        try:
            await create_to_account(
                self._db,
                asker.company_id,
                asker.token_id,
                line.item,
                account,
                vault=self._vault,
                link_key_id=self._link_key(),
                now=self._clock.now(),
            )
        except NothingMade:
            pass
        except (Unauthorized, Forbidden):
            raise
        except Refusal as error:
            # What cannot be made today may be a repetition of what was made yesterday.
            refusal = error
        else:
            return Born(line.item.credit_id, None, line.item.amount)
        answer = await self._found(asker, line, None)
        if answer.existing is None and refusal is not None:
            raise refusal
        return await self._born(asker, line, answer)

    async def _found(self, asker: Asker, line: _Line, made: Made | None) -> Answer:
        found = await existing(self._db, asker.company_id, [line.item])
        nothing = Made(
            line.item.credit_id, asker.company_id, None, made=False, link_key_id=self._link_key()
        )
        return Answer(made or nothing, found.get(line.item.credit_id))

    def _line(self, asker: Asker, request: CreditRequest, key: str | None) -> _Line:
        packed = None
        if key is not None:
            active = self._keyring.active("fingerprint")
            packed = _FINGERPRINT.pack(active, asker.company_id, request.fields())
        item = NewCredit(
            digest=asker.digest,
            credit_id=CreditId(uuid7()),
            contact_id=request.contact_id,
            from_bank_account_id=request.from_bank_account,
            amount=request.amount,
            statement=request.statement,
            note=request.note,
            expires_at=request.expires_at,
            external_id=request.external_id,
            metadata=orjson.dumps(request.metadata).decode() if request.metadata else None,
            repairs=request.repairs,
            notify=bool(request.notify),
            idempotency_key=key,
            fingerprint=packed,
            client=asker.client,
        )
        return _Line(item, request)

    async def _born(self, asker: Asker, line: _Line, answer: Answer) -> Born:
        """What an answer of the database means for the one who asked."""
        if answer.made.made:
            made = answer.made
            token = await self._link(asker, made.id, 1, made.link_key_id)
            return Born(made.id, token, line.item.amount)
        found, problem = answer.existing, answer.made.problem
        if problem in DEAD_TOKEN:
            raise _refusal(problem)
        is_same = found is not None and found.credit_id == line.item.credit_id
        if found is None or not (is_same or found.same_key):
            if problem is not None or found is None:
                raise _refusal(problem)
            raise ExternalIdTaken(identifier=found.credit_id, field="external_id")
        if not is_same:
            self._refuse_other_request(asker, line, found)
        link: str | None = None
        if found.by_link:
            link = await self._link(asker, found.credit_id, found.link_version, found.link_key_id)
        return Born(found.credit_id, link, found.amount)

    def _refuse_other_request(self, asker: Asker, line: _Line, found: Existing) -> None:
        if found.fingerprint is None:
            raise IdempotencyConflict(differs="the request")
        differs = _FINGERPRINT.differing(
            found.fingerprint,
            asker.company_id,
            line.request.fields(),
            key_numbered=lambda number: self._keyring.get("fingerprint", number),
        )
        if differs:
            raise IdempotencyConflict(differs=", ".join(differs), field=differs[0])

    def _pair(self, asker: Asker, request: CreditRequest) -> bytes | None:
        """Which own question and answer it brings, without opening the answer."""
        if request.security_question is None:
            return None
        key = fingerprint_key(self._keyring.active("fingerprint"), asker.company_id)
        pair = {"question": request.security_question, "answer": request.security_answer}
        return fingerprint(key, "question and answer", pair)

    async def _link(self, asker: Asker, credit_id: CreditId, version: int, key_number: int) -> str:
        await self._keyring.learn(self._db, "link", key_number)
        key = self._keyring.get("link", key_number)
        return make_link(key, asker.company_id, asker.short_id, credit_id, version)

    def _link_key(self) -> int:
        return self._keyring.active("link").number


async def _or_refusal(made: Awaitable[Born]) -> Born | Refusal:
    try:
        return await made
    except Refusal as refusal:
        return refusal


def _refusal(problem: str | None) -> Refusal:
    """The statement's word for what was wrong, as a refusal."""
    match problem:
        case Problem.UNAUTHORIZED:
            return Unauthorized()
        case Problem.FORBIDDEN:
            return Forbidden()
        case Problem.EXPIRY:
            message = "Choose a time between 15 minutes and 365 days from now."
            return Invalid([FieldError("expires_at", "out_of_range", message)])
        case Problem.NO_ACCOUNT | Problem.NO_CONTACT:
            return not_found(problem)
        case Problem.TOO_LARGE:
            return AmountTooLarge(field="amount")
        case Problem.MAX_AMOUNT:
            return TokenLimit(limit=problem)
    message = f"the intake statement answered {problem!r} and made nothing"
    raise RuntimeError(message)
