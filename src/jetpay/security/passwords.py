"""Hashing answers: argon2id under a pepper, in a bounded pool."""

import asyncio
import hmac
import os
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final, TypeVar
from uuid import UUID

from argon2 import PasswordHasher, Type
from argon2.exceptions import VerifyMismatchError

from jetpay.base.refusals import Busy
from jetpay.security.derivation import WorkingKey
from jetpay.security.keys import Keyring, Purpose
from jetpay.security.secrets import Secret

MEMORY_KIB: Final = 19_456
PASSES: Final = 2
LANES: Final = 1
QUEUE_LENGTH: Final = 64
WAIT_SECONDS: Final = 2.0
HASHES_A_SECOND: Final = 10
"""Of one company: setting answers leaves the pool to the payees of all who check theirs."""

R = TypeVar("R")

_LABEL: Final = b"jetpay.answer.v1\x00"
_SALT_BYTES: Final = 16
_HASH_BYTES: Final = 32


@dataclass(frozen=True, slots=True)
class AnswerHash:
    """What is stored of an answer; worthless without the pepper of this number."""

    encoded: str
    pepper_number: int


class AnswerHasher:
    """Makes and checks hashes of normalised answers. Raises `Busy` when too many wait.

    An own object per process; `close()` ends its threads.
    """

    def __init__(
        self,
        keyring: Keyring,
        *,
        threads: int | None = None,
        queue_length: int = QUEUE_LENGTH,
        wait_seconds: float = WAIT_SECONDS,
    ) -> None:
        self._keyring = keyring
        self._threads = threads or os.cpu_count() or 1
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="argon2")
        self._free = asyncio.Semaphore(self._threads)
        self._waiting = 0
        self._queue_length = queue_length
        self._wait_seconds = wait_seconds
        self._next_hash: dict[UUID, float] = {}
        self._argon2 = PasswordHasher(
            time_cost=PASSES,
            memory_cost=MEMORY_KIB,
            parallelism=LANES,
            hash_len=_HASH_BYTES,
            salt_len=_SALT_BYTES,
            type=Type.ID,
        )

    def close(self) -> None:
        """Lets running checks end and takes no new ones."""
        self._executor.shutdown(wait=True, cancel_futures=True)

    async def hash(self, company_id: UUID, question_id: UUID, answer: Secret[str]) -> AnswerHash:
        """The hash of a normalised answer to this row of `security_question`."""
        await self._wait_turn(company_id)
        pepper = self._keyring.active(Purpose.PEPPER)
        peppered = _peppered(pepper, company_id, question_id, answer)
        encoded = await self._in_pool(lambda: self._argon2.hash(peppered))
        return AnswerHash(encoded, pepper.number)

    async def verify(
        self, company_id: UUID, question_id: UUID, answer: Secret[str], stored: AnswerHash
    ) -> bool:
        """Whether it is the answer; nothing is, once its pepper was destroyed."""
        if self._keyring.is_destroyed(Purpose.PEPPER, stored.pepper_number):
            return False
        pepper = self._keyring.get(Purpose.PEPPER, stored.pepper_number)
        peppered = _peppered(pepper, company_id, question_id, answer)
        return await self._in_pool(lambda: self._matches(stored.encoded, peppered))

    def _matches(self, encoded: str, peppered: bytes) -> bool:
        try:
            return self._argon2.verify(encoded, peppered)
        except VerifyMismatchError:
            return False

    async def _wait_turn(self, company_id: UUID) -> None:
        """`HASHES_A_SECOND` of them at once, then one after the other."""
        now = time.monotonic()
        self._next_hash = {key: at for key, at in self._next_hash.items() if at > now}
        at = self._next_hash.get(company_id, now) + 1 / HASHES_A_SECOND
        pause_seconds = at - now - 1
        if pause_seconds > self._wait_seconds:
            raise Busy
        self._next_hash[company_id] = at
        if pause_seconds > 0:
            await asyncio.sleep(pause_seconds)

    async def _in_pool(self, work: Callable[[], R]) -> R:
        await self._take_thread()
        loop = asyncio.get_running_loop()

        def give_back(_: Future[R]) -> None:
            # Not when the caller leaves but when the thread is done: threads stay bounded.
            if not loop.is_closed():
                loop.call_soon_threadsafe(self._free.release)

        future = self._executor.submit(work)
        future.add_done_callback(give_back)
        return await asyncio.wrap_future(future)

    async def _take_thread(self) -> None:
        if self._free.locked() and self._waiting >= self._queue_length:
            raise Busy
        self._waiting += 1
        try:
            async with asyncio.timeout(self._wait_seconds):
                await self._free.acquire()
        except TimeoutError:
            raise Busy from None
        finally:
            self._waiting -= 1


def _peppered(
    pepper: WorkingKey, company_id: UUID, question_id: UUID, answer: Secret[str]
) -> bytes:
    message = _LABEL + company_id.bytes + question_id.bytes + answer.reveal().encode()
    return hmac.digest(pepper.secret.reveal(), message, "sha256")
