"""How a company's credits come to be: which lane each takes, and what is answered.

Most go through the shared batch; those with an account on file, a question of their own or a
daily limit are made one by one. The same key and request lead to the same credit in any lane.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

import psycopg

from jetpay.base.clock import Clock
from jetpay.base.ids import BankAccountId, CompanyId, CreditId, QuestionId, TokenId, uuid7
from jetpay.base.refusals import Forbidden, RateLimited, Refusal, Unauthorized
from jetpay.companies.questions import PreparedQuestion, prepare_question
from jetpay.credits.dispatch import (
    DATABASE_AWAY_SECONDS,
    DEAD_TOKEN,
    RECONNECT_SECONDS,
    Answer,
    Dispatcher,
)
from jetpay.credits.intake import (
    CreditRequest,
    Existing,
    Made,
    NewCredit,
    Problem,
    existing,
    intake,
    refusal_of,
)
from jetpay.credits.refusals import (
    ExternalIdTaken,
    TokenLimit,
    TooManyAnswers,
    not_found,
)
from jetpay.credits.singly import NAMES, NothingMade, create_singly, create_to_account
from jetpay.db.pool import Database, is_connection_lost
from jetpay.idempotency import IdempotencyConflict
from jetpay.security.fingerprints import RequestFingerprint, fingerprint, fingerprint_key
from jetpay.security.keys import Keyring
from jetpay.security.links import make_link
from jetpay.security.passwords import AnswerHasher
from jetpay.security.vault import Vault

R = TypeVar("R")

BULK_ITEMS = 500
"""One statement and one commit each: longer ones would keep the company's row locked."""
BULK_CALLS = 2
"""Of one company at once in one process."""
BULK_AT_ONCE = 2
"""Statements of one call under way, so that neither we nor the database wait for the other."""
DIFFERENT_ANSWERS = 50
"""In one call; each takes 26 ms of computing."""
KEY_OF_LINE = " "
"""Before the stored key of a line: keys belong to one operation, and none can be sent with it."""


@dataclass(frozen=True, slots=True)
class Asker:
    """The token that asks. `client`: its address, for tokens bound to networks."""

    company_id: CompanyId
    token_id: TokenId
    short_id: int
    digest: bytes
    client: str | None


_FINGERPRINT = RequestFingerprint(CreditRequest._fields)


class Born(NamedTuple):
    """What the call answers; `link` is the token, None for a credit to a saved account.

    `question_id`: the question that was stored with it, which lines of one call share.
    """

    credit_id: CreditId
    link: str | None
    amount: int
    question_id: QuestionId | None = None


class _Plain(NamedTuple):
    """A line that the shared statement can make, and where it stood in the call."""

    place: int
    request: CreditRequest
    key: str
    question_id: QuestionId | None


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
        can_mail: bool = False,
    ) -> None:
        self._db = db
        self._dispatcher = dispatcher
        self._keyring = keyring
        self._vault = vault
        self._hasher = hasher
        self._clock = clock
        self._can_mail = can_mail
        self._bulk_calls: Counter[CompanyId] = Counter()

    @contextmanager
    def bulk_call(self, company_id: CompanyId) -> Iterator[None]:
        """Around a call with many lines; refuses `RateLimited` when two are under way."""
        if self._bulk_calls[company_id] >= BULK_CALLS:
            raise RateLimited(retry_after=2)
        self._bulk_calls[company_id] += 1
        try:
            yield
        finally:
            self._bulk_calls -= Counter([company_id])  # and forgets who has none

    async def one(self, asker: Asker, request: CreditRequest, *, key: str | None) -> Born:
        """One credit.

        Of a question or saved account the caller has asked the token; else the statement does.
        Refuses what the request names wrongly, `IdempotencyConflict`, `ExternalIdTaken`, and
        `Unavailable`.
        """
        item = self._item(asker, request, key)
        if request.to_bank_account is not None or request.security_question is not None:
            return await self._special(asker, item)
        answer = await self._dispatcher.submit(asker.company_id, item)
        return await self._answered(asker, item, answer)

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
        plain: list[_Plain] = []
        questions: dict[bytes | None, QuestionId] = {}
        for index, (request, sent_key) in enumerate(asked):
            pair, key = self._pair(asker, request), KEY_OF_LINE + sent_key
            if request.to_bank_account is None and (pair is None or pair in questions):
                plain.append(_Plain(index, request, key, questions.get(pair)))
                continue
            item = self._item(asker, request, key)
            answer = born[index] = await _or_refusal(self._special(asker, item))
            if pair and isinstance(answer, Born) and answer.question_id is not None:
                questions[pair] = answer.question_id
        await self._plain(asker, plain, born)
        return [born[index] for index in range(len(asked))]

    async def _plain(
        self, asker: Asker, lines: Sequence[_Plain], born: dict[int, Born | Refusal]
    ) -> None:
        """Statement after statement; while some are under way, the next is prepared."""
        under_way: deque[tuple[Sequence[_Plain], asyncio.Task[list[Born | Refusal]]]] = deque()
        try:
            for start in range(0, len(lines), BULK_ITEMS):
                chunk = lines[start : start + BULK_ITEMS]
                items = [self._item(asker, *line[1:]) for line in chunk]
                under_way.append((chunk, asyncio.create_task(self._chunk(asker, items))))
                if len(under_way) == BULK_AT_ONCE:
                    await _collect(*under_way.popleft(), born)
            while under_way:
                await _collect(*under_way.popleft(), born)
        finally:
            for _, task in under_way:
                task.cancel()

    async def _chunk(self, asker: Asker, items: Sequence[NewCredit]) -> list[Born | Refusal]:
        made = await intake(self._db, items, link_key_id=self._link_key(), at=self._clock.now())
        unclear = [i for i in items if not made[i.credit_id].made]
        found = await existing(self._db, asker.company_id, unclear) if unclear else {}
        return [
            self._fresh(asker, item, row.link_key_id)
            if (row := made[item.credit_id]).made
            else await _or_refusal(self._answered(asker, item, Answer(row, found.get(row.id))))
            for item in items
        ]

    async def _answered(self, asker: Asker, item: NewCredit, answer: Answer) -> Born:
        if answer.existing is None and answer.made.problem == Problem.COUNTED:
            return await self._singly(asker, item, None, counted=True)
        return await self._born(asker, item, answer)

    async def _special(self, asker: Asker, item: NewCredit) -> Born:
        if item.request.to_bank_account is not None:
            return await self._to_account(asker, item, item.request.to_bank_account)
        return await self._with_question(asker, item)

    async def _surely(self, make: Callable[[], Awaitable[R]]) -> R:
        """Again while the connection is lost: a commit whose answer was lost is a commit.

        The same identifier is used each time, so that what was made is found, not made twice.
        """
        time = asyncio.get_running_loop().time
        give_up_at = time() + DATABASE_AWAY_SECONDS
        while True:
            try:
                return await make()
            except psycopg.Error as error:
                if time() >= give_up_at or not is_connection_lost(error):
                    raise
            await asyncio.sleep(RECONNECT_SECONDS)

    async def _with_question(self, asker: Asker, item: NewCredit) -> Born:
        """Hashing is dear, so a repetition is recognised before it."""
        if item.idempotency_key is not None:
            answer = await self._found(asker, item, None)
            if answer.existing is not None:
                return await self._born(asker, item, answer)
        request = item.request
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
        item = item._replace(question_id=question.question_id)
        born = await self._singly(asker, item, question, counted=False)
        is_new = born.credit_id == item.credit_id
        return born._replace(question_id=question.question_id if is_new else None)

    async def _singly(
        self, asker: Asker, item: NewCredit, question: PreparedQuestion | None, *, counted: bool
    ) -> Born:
        try:
            made = await self._surely(
                lambda: create_singly(
                    self._db,
                    asker.company_id,
                    asker.token_id,
                    item,
                    question=question,
                    counted=counted,
                    link_key_id=self._link_key(),
                    now=self._clock.now(),
                )
            )
        except NothingMade as nothing:
            if nothing.made is not None and nothing.made.problem == Problem.COUNTED:
                return await self._singly(asker, item, question, counted=True)
            return await self._born(asker, item, await self._found(asker, item, nothing.made))
        except TokenLimit:
            answer = await self._found(asker, item, None)
            if answer.existing is None:
                raise
            return await self._born(asker, item, answer)
        return await self._born(asker, item, Answer(made, None))

    async def _to_account(self, asker: Asker, item: NewCredit, account: BankAccountId) -> Born:
        refusal = None
        try:
            await self._surely(
                lambda: create_to_account(
                    self._db,
                    asker.company_id,
                    asker.token_id,
                    item,
                    account,
                    vault=self._vault,
                    link_key_id=self._link_key(),
                    now=self._clock.now(),
                )
            )
        except NothingMade:
            pass
        except (Unauthorized, Forbidden):
            raise
        except Refusal as error:
            # What cannot be made today may be a repetition of what was made yesterday.
            refusal = error
        else:
            return Born(item.credit_id, None, item.request.amount)
        answer = await self._found(asker, item, None)
        if answer.existing is None and refusal is not None:
            raise refusal
        return await self._born(asker, item, answer)

    async def _found(self, asker: Asker, item: NewCredit, made: Made | None) -> Answer:
        found = await existing(self._db, asker.company_id, [item])
        nothing = Made(
            item.credit_id, asker.company_id, None, made=False, link_key_id=self._link_key()
        )
        return Answer(made or nothing, found.get(item.credit_id))

    def _item(
        self,
        asker: Asker,
        request: CreditRequest,
        key: str | None,
        question_id: QuestionId | None = None,
    ) -> NewCredit:
        packed = None
        if key is not None:
            active = self._keyring.active("fingerprint")
            packed = _FINGERPRINT.pack(active, asker.company_id, request._asdict())
        credit_id = CreditId(uuid7())
        new = NewCredit(credit_id, request, asker.digest, asker.client, key, packed, question_id)
        return new._replace(unmailable=True) if request.notify and not self._can_mail else new

    async def _born(self, asker: Asker, item: NewCredit, answer: Answer) -> Born:
        """What an answer of the database means for the one who asked."""
        if answer.made.made:
            return self._fresh(asker, item, answer.made.link_key_id)
        found, problem = answer.existing, answer.made.problem
        if problem in DEAD_TOKEN:
            raise refusal_of(problem)
        is_same = found is not None and found.credit_id == item.credit_id
        if found is None or not (is_same or found.same_key):
            if problem is not None or found is None:
                raise refusal_of(problem)
            raise ExternalIdTaken(identifier=found.credit_id, field="external_id")
        if not is_same:
            await self._refuse_other_request(asker, item, found)
        link = None
        if found.by_link:
            await self._keyring.learn(self._db, "link", found.link_key_id)
            link = self._link(asker, found.credit_id, found.link_version, found.link_key_id)
        return Born(found.credit_id, link, found.amount)

    async def _refuse_other_request(self, asker: Asker, item: NewCredit, found: Existing) -> None:
        if found.fingerprint is None:
            raise IdempotencyConflict(differs="the request")
        await self._keyring.learn(self._db, "fingerprint", found.fingerprint[0])
        differs = _FINGERPRINT.differing(
            found.fingerprint,
            asker.company_id,
            item.request._asdict(),
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

    def _fresh(self, asker: Asker, item: NewCredit, link_key: int) -> Born:
        link = self._link(asker, item.credit_id, 1, link_key)
        return Born(item.credit_id, link, item.request.amount)

    def _link(self, asker: Asker, credit_id: CreditId, version: int, key_number: int) -> str:
        key = self._keyring.get("link", key_number)
        return make_link(key, asker.company_id, asker.short_id, credit_id, version)

    def _link_key(self) -> int:
        return self._keyring.active("link").number


async def _collect(
    lines: Sequence[_Plain],
    task: asyncio.Task[list[Born | Refusal]],
    born: dict[int, Born | Refusal],
) -> None:
    born |= {line.place: answer for line, answer in zip(lines, await task, strict=True)}


async def _or_refusal(made: Awaitable[Born]) -> Born | Refusal:
    try:
        return await made
    except Refusal as refusal:
        return refusal
